/**
 * The report of a run: made from what was counted.
 *
 * @module
 */

import { chiSquare, pValue } from "../../static/proof.js";
import { type Counters, Fate } from "./requests.ts";
import { cut } from "../text.ts";
import { VERSION } from "../cli/command.ts";
import { type ClientOptions, publicUrl } from "./options.ts";

/** Below this p-value the numbers are not uniform: a fair server has it once in a
 * billion runs. */
const IMPOSSIBLE = 1e-9;
/** Below this one they may be: a fair server has it once in a thousand runs. */
export const DOUBTFUL = 0.001;
/** The fewest numbers that tell anything. */
export const ENOUGH_NUMBERS = 1000;

/** How much of `--message` the report repeats. */
const MESSAGE_CHARACTERS = 200;

/** The figures of a run; `null` where nothing was answered. */
export interface Report {
  /** Whether every request has exactly one valid response, in order, and the
   * numbers may be uniform. */
  ok: boolean;
  version: string;
  /** Of the server, without a password. */
  url: string;
  message: string;
  /** Requests in all, sent or not. */
  count: number;
  /** Connections that were opened, without those that replaced one. */
  connections: number;
  /** `--window`, `null` if not given; what was in use is `inFlight`. */
  window: number | null;
  /** The most requests in a message. */
  batch: number;
  /** Requests per second; `null` if unlimited. */
  rate: number | null;
  /** Whether it was stopped before its end. */
  interrupted: boolean;
  /** Distinct requests sent. */
  sent: number;
  /** Requests with exactly one valid response. */
  answered: number;
  /** `count - answered` */
  missing: number;
  /** Which ones, as ranges of request numbers, both ends included. */
  missingRequests: [first: number, last: number][];
  /** Responses that answer no request, or answer theirs with no valid number. */
  invalid: number;
  firstInvalid: Counters["firstInvalid"];
  /** Requests that were still unanswered when a younger one was answered. */
  overtaken: number;
  /** Requests sent again after a connection broke. */
  resent: number;
  /** Connections opened to replace one that broke. */
  reconnects: number;
  /** Most requests that were unanswered on one connection at a time. */
  inFlight: number;
  /** From the first connection to the last response or the end of the run. */
  seconds: number;
  /** `answered` / `seconds` */
  perSecond: number;
  /** Milliseconds from the first `send` of a request to its response. */
  latencyMs: Record<"p50" | "p90" | "p99" | "p99.9" | "max", number | null>;
  /** The numbers received. */
  numbers: {
    min: number | null;
    max: number | null;
    mean: number | null;
    /** Pearson's statistic against the uniform distribution. */
    chiSquare: number | null;
    /** The probability that uniform numbers give at least that. */
    pValue: number | null;
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
  const { fates, sent, invalid, startedAt, endedAt } = counters;
  const { count } = options;
  const { answered, overtaken, resent, missingRequests } = countFates(fates);
  const seconds = (endedAt - startedAt) / 1000 || 0;
  const numbers = describeNumbers(counters.numbers);
  const p = numbers.pValue;
  const uniform = answered < ENOUGH_NUMBERS || p === null || p >= IMPOSSIBLE;
  return {
    ok: answered === count && invalid === 0 && overtaken === 0 && uniform,
    version: VERSION,
    url: publicUrl(options.url),
    message: cut(options.message, MESSAGE_CHARACTERS),
    count,
    connections: counters.connections,
    window: options.window ?? null,
    batch: options.batch,
    rate: options.rate ?? null,
    interrupted,
    sent,
    answered,
    missing: count - answered,
    missingRequests,
    invalid,
    firstInvalid: counters.firstInvalid,
    overtaken,
    resent,
    reconnects: counters.reconnects,
    inFlight: counters.inFlight,
    seconds: round(seconds, 3),
    perSecond: seconds > 0 ? round(answered / seconds, 1) : 0,
    latencyMs: percentiles(counters),
    numbers,
  };
}

function countFates(fates: Uint8Array) {
  let [answered, overtaken, resent] = [0, 0, 0];
  const missingRequests: [first: number, last: number][] = [];
  for (let index = 0; index < fates.length; index++) {
    const fate = fates[index];
    if (fate & Fate.overtaken) overtaken++;
    if (fate & Fate.resent) resent++;
    if (fate & Fate.answered && !(fate & Fate.answeredAgain)) {
      answered++;
      continue;
    }
    const last = missingRequests.at(-1);
    if (last && last[1] === index) last[1]++;
    else missingRequests.push([index + 1, index + 1]);
  }
  return { answered, overtaken, resent, missingRequests };
}

/** Exact percentiles, by sorting a copy of the latencies. */
function percentiles({ fates, latencies, sent }: Counters) {
  const copy = latencies.slice(0, sent);
  let answered = 0;
  for (let index = 0; index < sent; index++) {
    if (fates[index] & Fate.answered) copy[answered++] = copy[index];
  }
  const sorted = copy.subarray(0, answered).sort();
  // The nearest rank: the smallest latency that this part does not exceed.
  const percentile = (part: number) =>
    answered === 0 ? null : round(sorted[Math.ceil(part * answered) - 1], 3);
  return {
    p50: percentile(0.5),
    p90: percentile(0.9),
    p99: percentile(0.99),
    "p99.9": percentile(0.999),
    max: percentile(1),
  };
}

function describeNumbers(counts: number[]): Report["numbers"] {
  const total = counts.reduce((sum, n) => sum + n, 0);
  const sum = counts.reduce((sum, n, index) => sum + n * (index + 1), 0);
  const statistic = chiSquare(counts);
  const some = <T>(value: T) => total === 0 ? null : value;
  return {
    min: some(counts.findIndex((n) => n > 0) + 1),
    max: some(counts.findLastIndex((n) => n > 0) + 1),
    mean: some(round(sum / total, 3)),
    chiSquare: some(round(statistic, 3)),
    pValue: some(Number(pValue(statistic).toPrecision(4))),
    counts,
  };
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
