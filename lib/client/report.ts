/**
 * The report of a run: made from what was counted and kept for each request.
 *
 * @module
 */

import { uniformity } from "../../static/proof.js";
import { crossedLimits } from "./limits.ts";
import type { Interval } from "./intervals.ts";
import { type Break, type Counters, Fate, type Invalid } from "./counters.ts";
import type { Durations, Percentiles } from "./time.ts";
import { cut, hideSecrets } from "../text.ts";
import { VERSION } from "../cli/command.ts";
import type { ClientOptions } from "./options.ts";

/** The version of the report's format: another one where a name or unit is another. */
export const SCHEMA = 1;

/** How much of `--message` the report repeats. */
const MESSAGE_CHARACTERS = 200;

/** A few of the percentiles. */
type Extract = Pick<Percentiles, "p50" | "p99" | "max">;

interface ReportedBreak {
  atMs: number;
  reason: string;
  inFlight: number;
}

/** A break as the report has it. */
export function breakOf(
  { at, reason, inFlight }: Break,
  startedAt: number,
): ReportedBreak {
  return { atMs: round(at - startedAt, 3), reason, inFlight };
}

/** Ranges of request numbers, counted from 1, both ends included. */
type Ranges = [first: number, last: number][];

/** The figures of a run; `null` where nothing was answered. */
export interface Report {
  /** Whether every request has exactly one valid response, none was lost or overtaken,
   * nothing else came, and the numbers may be uniform. */
  ok: boolean;
  /** The limits of `--fail-if` that were crossed, in words. */
  crossedLimits: string[];
  /** {@linkcode SCHEMA} */
  schema: number;
  version: string;
  /** When the first connection opened, as an ISO 8601 time; `null` if none did. */
  startedAt: string | null;
  /** Of the server, without a password. */
  url: string;
  /** The one that the server chose. */
  subprotocol: string | null;
  message: string;
  /** What a valid response is, `--expect`. */
  expect: string;
  /** Whether responses may come in any order. */
  unordered: boolean;
  /** Requests in all, sent or not; those sent, if only the time was limited. */
  count: number;
  /** Connections that were opened, without those that replaced one. */
  connections: number;
  /** `--window`, `null` if not given; what was in use is `inFlight`. */
  window: number | null;
  /** The most requests that were sent in a message. */
  batch: number;
  /** Requests per second; `null` if unlimited. */
  rate: number | null;
  /** `--duration`, `null` if not given. */
  durationMs: number | null;
  /** Whether it was stopped before its end. */
  interrupted: boolean;
  /** Distinct requests sent. */
  sent: number;
  /** Requests with exactly one valid response. */
  answered: number;
  /** `count - answered` */
  missing: number;
  missingRequests: Ranges;
  /** Requests that had no answer on a connection that stayed open, whatever happened
   * when they were sent again. */
  lost: number;
  lostRequests: Ranges;
  /** Messages that are no request's valid response. */
  invalid: number;
  firstInvalid: Invalid | null;
  /** Requests answered after a younger one, on the same connection. */
  overtaken: number;
  /** Requests sent again, for their connection ended. */
  resent: number;
  /** Each end of an open connection that was not the client's own: when, in
   * milliseconds from the start, why, and with how many unanswered requests. */
  breaks: ReportedBreak[];
  /** Connections that gave up. */
  gaveUp: number;
  /** Connections opened to replace one that broke. */
  reconnects: number;
  /** Most requests that were unanswered on one connection at a time. */
  inFlight: number;
  /** From the first connection to the last response or the end of the run. */
  seconds: number;
  /** `answered` / `seconds` */
  perSecond: number;
  /** From when a request was due to its response: at its place in the rate; without
   * one when it was first sent. Each within 0.1 %. */
  latencyMs: Percentiles;
  /** From when a request was due to when it was first sent; `null` without a rate. */
  lateMs: Extract | null;
  /** From the attempt to connect to the open connection. */
  handshakeMs: Extract;
  longestPauseMs: number | null;
  /** The longest times in which a request was due and no valid response came, at most
   * ten, and when each began, from the start. */
  pauses: { atMs: number; ms: number }[];
  /** The parts of the run, with `--interval`. */
  intervals: Interval[];
  /** The numbers received. */
  numbers: {
    min: number | null;
    max: number | null;
    mean: number | null;
    /** Pearson's statistic against the uniform distribution. */
    chiSquare: number | null;
    /** The probability that uniform numbers give at least that; `null` if there are
     * too few of them to tell. */
    pValue: number | null;
    /** Whether they are uniform, in words. */
    uniform: string;
    /** How often each number came, from 1 on. */
    counts: number[];
  };
}

/**
 * Makes the report. It contains the proof: the requests with exactly one valid
 * response are counted from what was kept for each request.
 *
 * @param interrupted Whether the run was stopped before its end.
 */
export function createReport(
  counters: Counters,
  options: ClientOptions,
  interrupted: boolean,
): Report {
  const { times, sent, invalid, startedAt, endedAt } = counters;
  const count = Number.isFinite(counters.count) ? counters.count : sent;
  const { missing, lost, overtaken, resent } = countFates(counters, count);
  const answered = count - missing.size;
  const seconds = (endedAt - startedAt) / 1000 || 0;
  const pauses = times.pauses.longest.map(({ at, length }) => ({
    atMs: round(at - startedAt, 3),
    ms: round(length, 3),
  }));
  const latencyMs = times.latencies.percentiles();
  const lateMs = options.rate === undefined ? null : extract(times.late);
  const longestPauseMs = pauses[0]?.ms ?? null;
  const perSecond = seconds > 0 ? round(answered / seconds, 1) : 0;
  const { reconnects } = counters;
  const numbers = describeNumbers(counters.numbers);
  return {
    ok: isOk({
      ...{ missing: missing.size, lost: lost.size, invalid, overtaken },
      numbers,
    }),
    crossedLimits: crossedLimits(options.failIf, {
      ...latencyMs,
      late: lateMs?.p99 ?? null,
      pause: longestPauseMs,
      reconnects,
      resent,
      rate: perSecond,
    }),
    schema: SCHEMA,
    version: VERSION,
    startedAt: Number.isNaN(startedAt)
      ? null
      : new Date(counters.startedDate).toISOString(),
    url: hideSecrets(options.url.href),
    subprotocol: counters.subprotocol,
    message: cut(options.message, MESSAGE_CHARACTERS),
    expect: cut(options.expect, MESSAGE_CHARACTERS),
    unordered: options.unordered,
    count,
    connections: counters.connections,
    window: options.window ?? null,
    batch: counters.batch,
    rate: options.rate ?? null,
    durationMs: options.duration ?? null,
    interrupted,
    sent,
    answered,
    missing: missing.size,
    missingRequests: missing.ranges,
    lost: lost.size,
    lostRequests: lost.ranges,
    invalid,
    firstInvalid: counters.firstInvalid,
    overtaken,
    resent,
    breaks: counters.breaks.map((end) => breakOf(end, startedAt)),
    gaveUp: counters.gaveUp,
    reconnects,
    inFlight: counters.inFlight,
    seconds: round(seconds, 3),
    perSecond,
    latencyMs,
    lateMs,
    handshakeMs: extract(times.handshakes),
    longestPauseMs,
    pauses,
    intervals: counters.intervals,
    numbers,
  };
}

/** Requests: how many, and which. */
class Found {
  size = 0;
  ranges: Ranges = [];

  add(first: number, last = first): void {
    this.size += last - first + 1;
    const range = this.ranges.at(-1);
    if (range && range[1] === first - 1) range[1] = last;
    else this.ranges.push([first, last]);
  }
}

/** Counts requests by what was kept for each sent one. */
function countFates({ fates, sent }: Counters, count: number) {
  const [missing, lost] = [new Found(), new Found()];
  let [overtaken, resent] = [0, 0];
  for (let index = 0; index < sent; index++) {
    const fate = fates[index];
    if (fate === Fate.answered) continue; // as nearly all are
    if (!(fate & Fate.answered) || fate & Fate.answeredAgain) {
      missing.add(index + 1);
    }
    if (fate & Fate.lost) lost.add(index + 1);
    if (fate & Fate.overtaken) overtaken++;
    if (fate & Fate.resent) resent++;
  }
  if (sent < count) missing.add(sent + 1, count);
  return { missing, lost, overtaken, resent };
}

function extract(durations: Durations): Extract {
  const { p50, p99, max } = durations.percentiles();
  return { p50, p99, max };
}

/** Whether figures are those of a run in which all is well. */
export function isOk(
  { missing, lost, invalid, overtaken, numbers }: Pick<
    Report,
    "missing" | "lost" | "invalid" | "overtaken" | "numbers"
  >,
): boolean {
  return missing + lost + invalid + overtaken === 0 &&
    uniformity(numbers.counts).verdict !== "impossible";
}

/** The figures of numbers. */
export function describeNumbers(counts: number[]) {
  const total = counts.reduce((sum, n) => sum + n, 0);
  const sum = counts.reduce((sum, n, index) => sum + n * (index + 1), 0);
  const { chiSquare, pValue, text } = uniformity(counts);
  const some = <T>(value: T) => total === 0 ? null : value;
  return {
    min: some(counts.findIndex((n) => n > 0) + 1),
    max: some(counts.findLastIndex((n) => n > 0) + 1),
    mean: some(round(sum / total, 3)),
    chiSquare: some(round(chiSquare, 3)),
    pValue: pValue === null ? null : Number(pValue.toPrecision(4)),
    uniform: text,
    counts,
  };
}

export function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
