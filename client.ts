/**
 * The client: it sends requests, prints the responses, and proves that each
 * request was answered exactly once. Read from top to bottom it is the life of
 * a request: taken, sent, answered, or lost with its connection and sent again.
 *
 * @module
 */

import { STATUS_TEXT } from "@std/http/status";
import {
  complain,
  EXIT_FAILURE,
  EXIT_INTERRUPTED,
  EXIT_OK,
  runCommand,
} from "./lib/command.ts";
import { UsageError } from "./lib/flags.ts";
import { clientCommand, type ClientOptions } from "./lib/options.ts";
import { histogram, Output, progressLine } from "./lib/terminal.ts";
import { LINES_PROTOCOL } from "./lib/protocol.ts";
import {
  createReport,
  createTally,
  isProven,
  type Report,
  reportText,
  type Tally,
  verdict,
} from "./lib/report.ts";
import { parseResponse } from "./static/proof.js";

/** The delay before the first reconnect, in milliseconds, at the most. */
const BACKOFF_MS = 50;
/** How much longer each further delay may be. Five retries, the default, then
 * take 2.5 s on average: enough for a server to restart. */
const BACKOFF_FACTOR = 4;
/** The longest delay, in milliseconds. */
const MAX_BACKOFF_MS = 2000;

/** How long the closing handshake may take, in milliseconds, once there is
 * nothing more to wait for. */
const CLOSE_MS = 1000;

/** A longer message is written in two parts by Deno's client, and the second
 * waits for the first to be acknowledged if nothing follows: some 44 ms. */
const SWIFT_BYTES = 1024;

/** Looks within a timeout. A connection is dead after that many without an
 * answer, and one more, as the first may come at once. Looks are counted, not
 * time: a client that was itself asleep blames nobody. */
const LOOKS = 4;

/** Close codes that mean another try would end the same way (RFC 6455 section
 * 7.4.1). */
const FATAL_CODES: Record<number, string> = {
  1002: "protocol error",
  1003: "unsupported data",
  1007: "invalid payload data",
  1008: "policy violation",
  1009: "message too big",
};

/** A run: what all its connections share. */
interface Run {
  options: ClientOptions;
  tally: Tally;
  /** Most unanswered requests of one connection: the window, or its share of
   * the requests if that is less. */
  window: number;
  /** Requests of one message, at most. */
  batch: number;
  /** The text of a request, by its index. */
  request: (index: number) => string;
  /** Is told each valid response. */
  onResponse: (response: string) => void;
  /** Aborted when the run ends early. */
  stopped: AbortSignal;
  lanes: Lane[];
  /** When the first connection opened, in milliseconds; `NaN` before. */
  startedAt: number;
  /** When the last response came, in milliseconds. */
  endedAt: number;
}

/**
 * What outlives a connection that breaks: its unanswered requests. They are
 * numbered in the order they were taken, and each counter is the number of the
 * next one: `first` to be answered, `sent` to be sent on this connection,
 * `taken` to be taken. So after a reconnect `sent` goes back to `first`, and
 * with that each unanswered request is sent again, and only those.
 */
interface Lane {
  first: number;
  sent: number;
  taken: number;
  /** The index of each unanswered request, at its number modulo the window. */
  indices: Uint32Array;
  /** When it was first sent, in milliseconds, at the same place. */
  sentAt: Float64Array;
  /** Connections opened. */
  opened: number;
  /** Sends what may be sent now, and closes when there is no more to do. */
  fill: (now: number) => void;
}

/** How a connection ended before its work was done. */
interface End {
  /** What happened, in a line. */
  message: string;
  /** Whether another try would end the same way. */
  fatal: boolean;
}

/**
 * Sends the requests and checks every response.
 *
 * @param tally Is counted in while the run goes on.
 * @param onResponse Is told each valid response, once.
 * @param stop Ends the run early.
 * @returns The report, and the reason if the run had to be given up.
 */
export async function sendRequests(
  options: ClientOptions,
  tally: Tally,
  onResponse: (response: string) => void,
  stop: AbortSignal,
): Promise<{ report: Report; failure?: string }> {
  const connections = Math.min(options.connections, options.count);
  const parts = options.message.split("{i}");
  const longest = longestRequest(options);
  const gaveUp = new AbortController();
  const run: Run = {
    options,
    tally,
    window: Math.min(options.window, Math.ceil(options.count / connections)),
    batch: Math.max(
      1,
      Math.min(options.batch, Math.floor(SWIFT_BYTES / (longest + 1))),
    ),
    request: (index) => parts.join(String(index + 1)),
    onResponse,
    stopped: AbortSignal.any([stop, gaveUp.signal]),
    lanes: [],
    startedAt: NaN,
    endedAt: NaN,
  };
  let failure: string | undefined;
  await Promise.all(Array.from({ length: connections }, async () => {
    try {
      await keepConnected(run);
    } catch (error) {
      failure ??= (error as Error).message;
      gaveUp.abort();
    }
  }));
  const seconds = (run.endedAt - run.startedAt) / 1000 || 0;
  return { report: createReport(tally, options.url, seconds), failure };
}

/** The bytes of the longest request: the last one. */
function longestRequest({ message, count }: ClientOptions): number {
  const last = message.replaceAll("{i}", String(count));
  return new TextEncoder().encode(last).length;
}

/**
 * Holds one connection after another until there is nothing left to send.
 *
 * @throws {Error} If there is no use in trying again.
 */
async function keepConnected(run: Run): Promise<void> {
  const { stopped, window, options: { retries, url } } = run;
  const lane: Lane = {
    first: 0,
    sent: 0,
    taken: 0,
    indices: new Uint32Array(window),
    sentAt: new Float64Array(window),
    opened: 0,
    fill: () => {},
  };
  run.lanes.push(lane);
  for (let failures = 0; !isDone(run, lane);) {
    const { first } = lane;
    const end = await converse(run, lane);
    if (!end || stopped.aborted) return;
    if (lane.first > first) failures = 0;
    if (end.fatal) throw new Error(`${url}: ${end.message}`);
    if (failures++ === retries) {
      throw new Error(
        lane.opened > 0
          ? `${url}: ${end.message}; gave up after ${retries} retries`
          : `cannot reach ${url}: ${end.message}; is the server running?`,
      );
    }
    await backoff(failures, stopped);
  }
}

/** Whether every request has been taken, and this lane's have been answered. */
function isDone({ tally, options }: Run, lane: Lane): boolean {
  return lane.first === lane.taken && tally.sent === options.count;
}

/** Exponential backoff with full jitter, so that clients cut off together do
 * not come back together. */
function backoff(failures: number, stopped: AbortSignal): Promise<void> {
  const most = Math.min(
    MAX_BACKOFF_MS,
    BACKOFF_MS * BACKOFF_FACTOR ** (failures - 1),
  );
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, Math.random() * most);
    stopped.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}

/**
 * The life of one connection.
 *
 * @returns How it ended, or `undefined` if its work was done or the run stopped.
 */
function converse(run: Run, lane: Lane): Promise<End | undefined> {
  const { options, tally, stopped, window } = run;
  const lines = options.batch > 1;
  return new Promise((resolve) => {
    const socket = new WebSocket(options.url, lines ? [LINES_PROTOCOL] : []);
    socket.binaryType = "arraybuffer";
    let looks = 0;
    let error = "";
    let lastAnswered: string | undefined;
    lane.sent = lane.first;

    const end = (result?: End) => {
      clearInterval(watch);
      clearTimeout(closing);
      stopped.removeEventListener("abort", stop);
      lane.fill = () => {};
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
      resolve(result);
    };
    const stop = () => end();
    stopped.addEventListener("abort", stop);

    const watch = setInterval(() => {
      const waiting = lane.first < lane.sent ||
        socket.readyState === WebSocket.CONNECTING;
      if (!waiting) looks = 0;
      else if (++looks > LOOKS) {
        end({ message: `no answer for ${options.timeout} s`, fatal: false });
      }
    }, options.timeout * 1000 / LOOKS);

    let closing: ReturnType<typeof setTimeout> | undefined;
    lane.fill = (now) => {
      if (socket.readyState !== WebSocket.OPEN) return;
      for (;;) {
        const requests: string[] = [];
        while (requests.length < run.batch) {
          const index = nextRequest(run, lane, now);
          if (index === undefined) break;
          requests.push(run.request(index));
        }
        if (requests.length === 0) break;
        socket.send(requests.join("\n"));
      }
      if (isDone(run, lane)) {
        socket.close(1000);
        closing ??= setTimeout(end, CLOSE_MS);
      }
    };

    socket.onopen = () => {
      if (lines && socket.protocol !== LINES_PROTOCOL) {
        const message = `does not speak ${LINES_PROTOCOL}; leave out --batch`;
        return end({ message, fatal: true });
      }
      const now = performance.now();
      if (lane.opened++ > 0) tally.reconnects++;
      if (Number.isNaN(run.startedAt)) {
        run.startedAt = now;
        if (options.rate) pace(run, options.rate);
      }
      lane.fill(now);
    };

    const receive = (response: unknown, now: number) => {
      if (lane.first === lane.sent) return invalid(tally, response);
      const slot = lane.first % window;
      const index = lane.indices[slot];
      const request = run.request(index);
      const number = parseResponse(request, response);
      if (number === undefined) {
        invalid(tally, response, index);
        // The last response once more answers nothing; this request may still
        // get its own.
        if (
          lastAnswered !== undefined && parseResponse(lastAnswered, response)
        ) {
          return;
        }
      }
      lane.first++;
      looks = 0;
      run.endedAt = now;
      lastAnswered = number === undefined ? undefined : request;
      if (number !== undefined) {
        tally.latencies[index] = now - lane.sentAt[slot];
        tally.counts[number - 1]++;
        tally.answered++;
        run.onResponse(response as string);
      }
    };

    socket.onmessage = ({ data }) => {
      const now = performance.now();
      if (lines && typeof data === "string") {
        for (const response of data.split("\n")) receive(response, now);
      } else {
        receive(data, now);
      }
      lane.fill(now);
    };

    socket.onerror = (event) => {
      event.preventDefault();
      error = (event as ErrorEvent).message;
    };
    socket.onclose = ({ code, reason }) =>
      end(isDone(run, lane) ? undefined : describeEnd(code, reason, error));
  });
}

/** The index of the next request to send on this connection, if there is one
 * that may be sent now: an unanswered one again, or else a new one. */
function nextRequest(run: Run, lane: Lane, now: number): number | undefined {
  const { tally, window } = run;
  if (lane.sent < lane.taken) {
    tally.resent++;
  } else if (lane.taken - lane.first < window && isDue(run, now)) {
    lane.indices[lane.taken % window] = tally.sent++;
    lane.sentAt[lane.taken % window] = now;
    lane.taken++;
  } else {
    return undefined;
  }
  return lane.indices[lane.sent++ % window];
}

/** Whether another request may be taken now. */
function isDue({ tally, options, startedAt }: Run, now: number): boolean {
  return tally.sent < options.count &&
    (options.rate === undefined ||
      tally.sent <= (now - startedAt) * options.rate / 1000);
}

/**
 * Sends each request when it is due, by whichever connection has its turn. A
 * request that could not be sent in time is made up for, so that the rate holds
 * over the run.
 */
function pace(run: Run, rate: number): void {
  const { lanes, tally, startedAt, options: { count }, stopped } = run;
  let turn = 0;
  const tick = () => {
    if (stopped.aborted) return;
    const now = performance.now();
    for (let i = 0; i < lanes.length; i++) {
      lanes[(turn + i) % lanes.length].fill(now);
    }
    turn++;
    const dueAt = startedAt + tally.sent * 1000 / rate;
    if (tally.sent < count) setTimeout(tick, Math.max(1, dueAt - now));
    else for (const lane of lanes) lane.fill(now); // some have no more to do
  };
  tick();
}

/** Counts a response that answers nothing, or not its request. */
function invalid(tally: Tally, response: unknown, index?: number): void {
  tally.invalid++;
  tally.firstInvalid ??= {
    request: index === undefined ? null : index + 1,
    response: typeof response === "string" ? response : "binary data",
  };
}

/** What Deno says of a handshake that was answered with another status. */
const REFUSED_HANDSHAKE = /Invalid status code: (\d{3})/;

/** How a connection ended, from its close event and what an error event before
 * that said. */
function describeEnd(code: number, reason: string, error: string): End {
  const status = REFUSED_HANDSHAKE.exec(error)?.[1];
  if (status) {
    const name = STATUS_TEXT[status as unknown as keyof typeof STATUS_TEXT];
    return {
      message: `handshake refused with ${status} ${name ?? ""}`.trimEnd(),
      fatal: Number(status) < 500,
    };
  }
  if (code === 0) { // no close frame; the event should say 1006
    const unreachable = /failed to connect to WebSocket: (.*)/.exec(error)?.[1];
    const cause = error.replace(/^Error: /, "") || "no close frame";
    const message = unreachable ?? `connection lost (1006, ${cause})`;
    return { message, fatal: false };
  }
  const meaning = code in FATAL_CODES ? ` (${FATAL_CODES[code]})` : "";
  return {
    message: `closed with ${code}${meaning}${reason && `: ${reason}`}`,
    fatal: code in FATAL_CODES,
  };
}

/** How often the progress bar is drawn, in milliseconds. */
const PROGRESS_MS = 100;

/**
 * Runs the client at a terminal: responses to stdout, the report and the
 * progress bar to stderr.
 *
 * @returns The exit status.
 */
export async function runClient(options: ClientOptions): Promise<number> {
  if (options.batch > 1 && options.message.includes("\n")) {
    throw new UsageError(
      "--message: has a line break, which ends a request of a --batch",
    );
  }
  if (longestRequest(options) > SWIFT_BYTES) {
    complain(
      `requests over ${SWIFT_BYTES} bytes may take 44 ms longer each, ` +
        "by the way that Deno's WebSocket client writes them",
    );
  }
  const stop = new AbortController();
  let status: number | undefined;
  Deno.addSignalListener("SIGINT", () => {
    if (status !== undefined) Deno.exit(EXIT_INTERRUPTED);
    status = EXIT_INTERRUPTED;
    stop.abort();
  });
  let readerGone = false;
  const output = new Output(Deno.stdout, () => {
    readerGone = true;
    stop.abort();
  });

  const tally = createTally(options.count);
  const prints = !options.quiet && !options.json;
  const stopProgress = Deno.stderr.isTerminal() &&
      !(prints && Deno.stdout.isTerminal())
    ? showProgress(tally, options.count)
    : () => {};
  const { report, failure } = await sendRequests(
    options,
    tally,
    prints ? (response) => output.line(response) : () => {},
    stop.signal,
  );
  stopProgress();
  output.flush();
  if (readerGone) return EXIT_FAILURE;

  if (options.json) console.log(JSON.stringify(report, null, 2));
  if (failure) complain(failure);
  if (options.histogram) {
    console.error("%s", histogram(report.numbers.counts, terminalWidth()));
  }
  const proven = isProven(report, options.count);
  if (!options.json && report.sent > 0) {
    console.error("%s\n", reportText(report, options));
    console.error(
      "%c%s",
      `color: ${proven ? "green" : "red"}`,
      verdict(report),
    );
  }
  return status ?? (proven ? EXIT_OK : EXIT_FAILURE);
}

/** Draws the progress bar until the function returned is called. */
function showProgress(tally: Tally, count: number): () => void {
  const startedAt = performance.now();
  const write = (text: string) =>
    Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[K${text}`));
  const timer = setInterval(() => {
    const seconds = (performance.now() - startedAt) / 1000;
    write(progressLine(tally.answered, count, seconds));
  }, PROGRESS_MS);
  return () => {
    clearInterval(timer);
    write("");
  };
}

function terminalWidth(): number {
  try {
    return Deno.consoleSize().columns;
  } catch {
    return 80; // no terminal; what most of them have
  }
}

/**
 * `ws-random client`
 *
 * @returns The exit status.
 */
export function main(args: string[]): Promise<number> {
  return runCommand(clientCommand, args, runClient);
}

if (import.meta.main) Deno.exit(await main(Deno.args));
