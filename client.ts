/**
 * The client at a terminal: responses to stdout, the report and the progress bar to
 * stderr, Ctrl-C and the exit status. The network is in `lib/run.ts`.
 *
 * @module
 */

import { setTimeout as delay } from "node:timers/promises";
import {
  EXIT_FAILURE,
  EXIT_OK,
  onTermination,
  runCommand,
} from "./lib/cli/command.ts";
import { clientCommand, type ClientOptions } from "./lib/client/options.ts";
import {
  createReport,
  type Report,
  reportText,
  verdict,
} from "./lib/client/report.ts";
import { longestRequest } from "./lib/client/requests.ts";
import { Run, UNSPLIT_BYTES } from "./lib/client/run.ts";
import { histogram } from "./lib/client/histogram.ts";
import { Output, writeAll } from "./lib/client/output.ts";
import { progressLine } from "./lib/client/progress.ts";
import { complain, cut, escapeText, UsageError } from "./lib/text.ts";

/** The progress bar is drawn this often, in milliseconds. */
const PROGRESS_MS = 100;

/** How long an interrupted client waits for the reader of its output, in
 * milliseconds. */
const LAST_WRITE_MS = 500;

/** A Ctrl-C that ends the reader of the output, too, arrives within this after the
 * reader's end, in milliseconds. */
const INTERRUPTION_MS = 100;

/** How much of a response is shown at a terminal. */
const SHOWN_CHARACTERS = 1000;

/**
 * Runs the client at a terminal.
 *
 * @returns The exit status.
 */
export async function runClient(options: ClientOptions): Promise<number> {
  checkMessage(options);
  const prints = !options.quiet && !options.json;
  const screen = Deno.stdout.isTerminal();
  const output = new Output(Deno.stdout, {
    onFull: () => run.pause(),
    onEmpty: () => run.resume(),
    onBroken: () => run.stop(),
  });
  const told = new Set<string>();
  const run = new Run(options, {
    onResponse(response) {
      if (prints) output.line(screen ? shown(response) : response);
    },
    onGivenUp(reason) {
      if (told.has(reason)) return; // many connections, one cause
      told.add(reason);
      progress?.clear();
      complain(`one connection gave up, others go on: ${reason}`);
    },
  });
  const interruption = untilInterrupted(() => run.stop());

  const end = run.start();
  const progress = isScreen(Deno.stderr) && !(prints && screen)
    ? showProgress(run)
    : undefined;
  await Deno.permissions.revoke({ name: "read" }); // `--ca` has been read
  const { failure, stopped } = await end;
  progress?.stop();
  const report = createReport(run.requests.counters, options, stopped);
  if (options.json) output.line(JSON.stringify(report, null, 2));
  await interruption.limit(output.flush());
  if (output.broken) await interruption.soon();
  if (output.broken && interruption.status === undefined) {
    return cannotWrite(output.broken);
  }
  if (failure) complain(failure);
  const bytes = new TextEncoder().encode(summary(report, options));
  await interruption.limit(writeAll(Deno.stderr, bytes).catch(() => {}));
  return interruption.status ?? (report.ok ? EXIT_OK : EXIT_FAILURE);
}

function shown(response: string): string {
  return cut(escapeText(response), SHOWN_CHARACTERS);
}

/** Listens for Ctrl-C, and limits the time of writes after it. */
function untilInterrupted(stop: () => void) {
  const interrupted = Promise.withResolvers<void>();
  const interruption = {
    /** The exit status, after Ctrl-C. */
    status: undefined as number | undefined,
    /** Waits a moment for a Ctrl-C. */
    soon: () => Promise.race([interrupted.promise, delay(INTERRUPTION_MS)]),
    limit: (write: Promise<void>) =>
      Promise.race([
        write,
        interrupted.promise.then(() => delay(LAST_WRITE_MS)),
      ]),
  };
  onTermination((status) => {
    interruption.status = status;
    interrupted.resolve();
    stop();
  });
  return interruption;
}

function cannotWrite(error: Error): number {
  // `client | head` ends quietly.
  if (!(error instanceof Deno.errors.BrokenPipe)) {
    complain(`cannot write to stdout: ${error.message}`);
  }
  return EXIT_FAILURE;
}

function checkMessage({ batch, message, count }: ClientOptions): void {
  if (batch > 1 && message.includes("\n")) {
    throw new UsageError(
      "--message: has a line break, which ends a request of a --batch",
    );
  }
  if (longestRequest(message, count) > UNSPLIT_BYTES) {
    complain(
      `requests over ${UNSPLIT_BYTES} bytes may take 44 ms longer each, ` +
        "by the way that Deno's WebSocket client writes them",
    );
  }
}

/** What stderr gets at the end. */
function summary(report: Report, options: ClientOptions): string {
  const parts: string[] = [];
  if (options.histogram) {
    parts.push(histogram(report.numbers.counts, columns()));
  }
  if (!options.json && (report.sent > 0 || report.interrupted)) {
    const [on, off] = isScreen(Deno.stderr) && !Deno.noColor
      ? [`\x1b[${report.ok ? 32 : 31}m`, "\x1b[0m"] // green, red
      : ["", ""];
    parts.push(`${reportText(report)}\n`, `${on}${verdict(report)}${off}`);
  }
  return parts.map((part) => `${part}\n`).join("");
}

/** Draws the progress bar until `stop` is called. */
function showProgress(run: Run): { clear(): void; stop(): void } {
  const { count, counters } = run.requests;
  const startedAt = performance.now();
  const write = (text: string) => {
    Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[K${text}`));
  };
  const timer = setInterval(() => {
    const state = run.open > 0
      ? undefined
      : counters.connections === 0
      ? "connecting…"
      : "reconnecting…";
    const seconds = (performance.now() - startedAt) / 1000;
    write(progressLine(counters.answered, count, seconds, columns(), state));
  }, PROGRESS_MS);
  const clear = () => write("");
  return {
    clear,
    stop() {
      clearInterval(timer);
      clear();
    },
  };
}

/** Whether a stream is a terminal that obeys escape codes. */
function isScreen(stream: { isTerminal(): boolean }): boolean {
  const variable = { name: "env", variable: "TERM" } as const;
  const { state } = Deno.permissions.querySync(variable);
  return stream.isTerminal() &&
    !(state === "granted" && Deno.env.get("TERM") === "dumb");
}

function columns(): number {
  try {
    return Deno.consoleSize().columns || 80;
  } catch {
    return 80; // what most terminals have
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
