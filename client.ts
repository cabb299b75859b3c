/**
 * The client at a terminal: responses to stdout, the report and the progress bar to
 * stderr, Ctrl-C and the exit status. The network is in `lib/client/run.ts`.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import {
  EXIT_FAILURE,
  EXIT_OK,
  onTermination,
  runCommand,
} from "./lib/cli/command.ts";
import { clientCommand, type ClientOptions } from "./lib/client/options.ts";
import { intervalRow } from "./lib/client/intervals.ts";
import { breakOf, createReport, type Report } from "./lib/client/report.ts";
import { reportText, verdict } from "./lib/client/summary.ts";
import { longestRequest, UNSPLIT_BYTES } from "./lib/client/plan.ts";
import { type Outcome, Run } from "./lib/client/run.ts";
import { histogram, latencyHistogram } from "./lib/client/histogram.ts";
import { LINES_PROTOCOL } from "./lib/protocol.ts";
import { Output } from "./lib/client/output.ts";
import { type Progress, showProgress } from "./lib/client/progress.ts";
import type { Durations } from "./lib/client/time.ts";
import { columns, isScreen } from "./lib/client/terminal.ts";
import { Lines, writeAll } from "./lib/lines.ts";
import { complain, cut, escapeText, UsageError } from "./lib/text.ts";

/** A limit of `--fail-if` was crossed, and all else is well. */
const EXIT_LIMIT = 3;

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
  checkOptions(options);
  const interrupted = interruption();
  const { json, jsonStream } = options;
  const prints = !options.quiet && !json && !jsonStream;
  const screen = Deno.stdout.isTerminal();
  const output = new Output(Deno.stdout, {
    onFull: () => run.pause(),
    onEmpty: () => run.resume(),
    onBroken: () => run.stop(),
  });
  const rows = new Lines(Deno.stderr);
  const tell = (event: string, data: () => object) => {
    if (jsonStream) output.line(JSON.stringify({ event, ...data() }));
  };
  const told = new Set<string>();
  const run: Run = new Run(options, {
    onResponse(response) {
      if (prints) output.line(screen ? shown(response) : response);
    },
    onGivenUp(reason) {
      if (told.has(reason)) return; // many connections, one cause
      told.add(reason);
      progress?.clear();
      complain(`one connection gave up, others go on: ${reason}`);
    },
    onStart: () => tell("start", () => startOf(run, options)),
    onBreak: (end) => tell("break", () => breakOf(end, run.counters.startedAt)),
    onInterval(interval, index) {
      tell("interval", () => interval);
      const row = intervalRow(interval, index);
      if (!jsonStream) rows.write(progress ? `\r\x1b[K${row}` : row);
    },
  });
  interrupted.addEventListener("abort", () => run.stop());

  const end = run.start();
  const progress = isScreen(Deno.stderr) && !(prints && screen)
    ? showProgress(() => progressOf(run, options))
    : undefined;
  await Deno.permissions.revoke({ name: "read" }); // all files have been read
  const outcome = await end;
  progress?.stop();
  await unlessInterrupted(interrupted, rows.written);
  return await conclude(run, outcome, options, output, interrupted);
}

/** Writes what is left to write, the report last. */
async function conclude(
  { counters }: Run,
  { failure, stopped }: Outcome,
  options: ClientOptions,
  output: Output,
  interrupted: AbortSignal,
): Promise<number> {
  const report = createReport(counters, options, stopped);
  const { latencies } = counters.times;
  if (options.json || options.jsonStream) {
    const whole = { ...report, latencyHistogram: await latencies.toBase64() };
    output.line(
      options.json
        ? JSON.stringify(whole, null, 2)
        : JSON.stringify({ event: "end", ...whole }),
    );
  }
  await unlessInterrupted(interrupted, output.flush());
  if (output.broken) {
    await Promise.race([aborted(interrupted), delay(INTERRUPTION_MS)]);
    if (!interrupted.aborted) return await cannotWrite(output.broken);
  }
  if (failure) await unlessInterrupted(interrupted, complain(failure));
  const text = summary(report, options, latencies);
  const bytes = new TextEncoder().encode(text);
  await unlessInterrupted(interrupted, writeAll(Deno.stderr, bytes));
  if (interrupted.aborted) return interrupted.reason;
  return exitStatus(report);
}

/** What `--json-stream` tells when the first connection is open. */
function startOf({ counters }: Run, options: ClientOptions) {
  const { schema, startedAt, version, url } = createReport(
    counters,
    options,
    false,
  );
  return { schema, startedAt, version, url };
}

/** The exit status that a report means. */
export function exitStatus({ ok, crossedLimits }: Report): number {
  if (!ok) return EXIT_FAILURE;
  return crossedLimits.length > 0 ? EXIT_LIMIT : EXIT_OK;
}

/** A signal that Ctrl-C aborts; its reason is the exit status. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  onTermination((status) => controller.abort(status));
  return controller.signal;
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
}

/** Waits for a write, and after Ctrl-C for a moment only. */
async function unlessInterrupted(
  signal: AbortSignal,
  write: Promise<void>,
): Promise<void> {
  const lastMoment = aborted(signal).then(() => delay(LAST_WRITE_MS));
  await Promise.race([write.catch(() => {}), lastMoment]);
}

function progressOf(
  { open, counters }: Run,
  { duration }: ClientOptions,
): Progress {
  const { answered, connections, count } = counters;
  const state = connections === 0 ? "connecting…" : "reconnecting…";
  return {
    done: answered,
    total: count,
    seconds: duration === undefined ? undefined : duration / 1000,
    state: open > 0 ? undefined : state,
  };
}

function shown(response: string): string {
  return cut(escapeText(response), SHOWN_CHARACTERS);
}

async function cannotWrite(error: Error): Promise<number> {
  // `client | head` ends quietly.
  if (!(error instanceof Deno.errors.BrokenPipe)) {
    await complain(`cannot write to stdout: ${error.message}`);
  }
  return EXIT_FAILURE;
}

function checkOptions(options: ClientOptions): void {
  const { batch, subprotocol, message } = options;
  if (batch > 1 && subprotocol.some((name) => name !== LINES_PROTOCOL)) {
    throw new UsageError(
      `--subprotocol: a --batch is by ${LINES_PROTOCOL} and no other`,
    );
  }
  if (batch > 1 && message.includes("\n")) {
    throw new UsageError(
      "--message: has a line break, which ends a request of a --batch",
    );
  }
  if (longestRequest(options) > UNSPLIT_BYTES) {
    complain(
      `requests over ${UNSPLIT_BYTES} bytes may take 44 ms longer each, ` +
        "by the way that Deno's WebSocket client writes them",
    );
  }
}

/** What stderr gets at the end. */
function summary(
  report: Report,
  options: ClientOptions,
  latencies: Durations,
): string {
  const parts: string[] = [];
  if (options.histogram && report.answered > 0) {
    parts.push(histogram(report.numbers.counts, columns()), "");
    parts.push(latencyHistogram(latencies.values(), columns()), "");
  }
  if (
    !options.json && !options.jsonStream &&
    (report.sent > 0 || report.interrupted)
  ) {
    const [on, off] = isScreen(Deno.stderr) && !Deno.noColor
      ? [`\x1b[${exitStatus(report) === EXIT_OK ? 32 : 31}m`, "\x1b[0m"] // green, red
      : ["", ""];
    parts.push(`${reportText(report)}\n`, `${on}${verdict(report)}${off}`);
  }
  return parts.map((part) => `${part}\n`).join("");
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
