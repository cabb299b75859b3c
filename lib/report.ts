/**
 * The client's figures: counted while it runs, then one structure that is
 * printed as JSON or as text.
 *
 * @module
 */

import { chiSquare, pValue } from "../static/proof.js";

/** What is counted during a run. */
export interface Tally {
  /** Milliseconds from the first `send` of a request to its valid response, by
   * request; `NaN` until then. It is the proof too: a request is answered when
   * its latency is a number, and can be so only once. */
  latencies: Float32Array<ArrayBuffer>;
  /** How often each of the numbers 1 to 100 came. */
  counts: number[];
  /** Distinct requests sent. They are numbered, so these are the first ones. */
  sent: number;
  /** Requests with a valid response. */
  answered: number;
  /** Responses that are not their request and a number from 1 to 100. */
  invalid: number;
  /** The first of them: in whose place it came, counted from 1, or `null` if it
   * answers nothing, and its text. */
  firstInvalid: { request: number | null; response: string } | null;
  /** Requests sent again after a reconnect. */
  resent: number;
  /** Connections opened to replace one that broke. */
  reconnects: number;
}

/** A tally of nothing yet. It takes 4 bytes a request. */
export function createTally(count: number): Tally {
  return {
    latencies: new Float32Array(count).fill(NaN),
    counts: new Array(100).fill(0),
    sent: 0,
    answered: 0,
    invalid: 0,
    firstInvalid: null,
    resent: 0,
    reconnects: 0,
  };
}

/** The figures of a run. `null` stands where nothing was answered. */
export interface Report {
  /** The server. */
  url: string;
  /** Distinct requests sent. */
  sent: number;
  /** Those with a valid response. */
  answered: number;
  /** Those without: `sent` - `answered`. */
  missing: number;
  /** Which ones, as ranges of request numbers, the last included. */
  missingRequests: [first: number, last: number][];
  /** Responses that were not their request and a number from 1 to 100. */
  invalid: number;
  /** The first of them: in whose place it came, or `null` if it answers nothing,
   * and its text. */
  firstInvalid: { request: number | null; response: string } | null;
  /** Requests sent again after a reconnect. */
  resent: number;
  /** Connections opened to replace one that broke. */
  reconnects: number;
  /** From the first request to the last response. */
  seconds: number;
  /** `answered` / `seconds` */
  perSecond: number;
  /** Milliseconds from a request to its response. */
  latencyMs: Record<"min" | "p50" | "p90" | "p99" | "max", number | null>;
  /** The numbers received. */
  numbers: {
    min: number | null;
    max: number | null;
    mean: number | null;
    /** Pearson's statistic against the uniform distribution. */
    chiSquare: number | null;
    /** How likely uniform numbers are to give at least that. */
    pValue: number | null;
    /** How often each of the numbers 1 to 100 came. */
    counts: number[];
  };
}

/**
 * Makes the report of a tally, and for that sorts a copy of its latencies: 4
 * more bytes a request.
 */
export function createReport(
  tally: Tally,
  url: string,
  seconds: number,
): Report {
  const { sent, answered, counts } = tally;
  const sorted = tally.latencies.slice(0, sent).sort(); // NaN comes last
  // The nearest rank: the smallest latency that this part does not exceed.
  const percentile = (part: number) =>
    answered === 0
      ? null
      : round(sorted[Math.max(0, Math.ceil(part * answered) - 1)], 3);
  const statistic = chiSquare(counts);
  const sum = counts.reduce((sum, n, index) => sum + n * (index + 1), 0);
  const some = <T>(value: T) => answered === 0 ? null : value;
  return {
    url,
    sent,
    answered,
    missing: sent - answered,
    missingRequests: missingRequests(tally),
    invalid: tally.invalid,
    firstInvalid: tally.firstInvalid,
    resent: tally.resent,
    reconnects: tally.reconnects,
    seconds: round(seconds, 3),
    perSecond: seconds > 0 ? round(answered / seconds, 1) : 0,
    latencyMs: {
      min: percentile(0),
      p50: percentile(0.5),
      p90: percentile(0.9),
      p99: percentile(0.99),
      max: percentile(1),
    },
    numbers: {
      min: some(counts.findIndex((n) => n > 0) + 1),
      max: some(counts.findLastIndex((n) => n > 0) + 1),
      mean: some(round(sum / answered, 3)),
      chiSquare: some(round(statistic, 3)),
      pValue: some(Number(pValue(statistic).toPrecision(4))),
      counts,
    },
  };
}

/** Whether every one of `count` requests has a valid response, and nothing else
 * came. */
export function isProven(report: Report, count: number): boolean {
  return report.answered === count && report.invalid === 0;
}

/**
 * The report as text, all but its {@linkcode verdict}.
 *
 * @param setup How the requests were sent. It belongs to the latencies, which
 * include the time that a request waits behind others of its window.
 */
export function reportText(
  report: Report,
  setup: { connections: number; window: number },
): string {
  const { latencyMs, numbers, firstInvalid } = report;
  const counted =
    (["sent", "answered", "missing", "invalid", "resent"] as const)
      .map((name) => `${report[name]} ${name}`).join(", ");
  const latencies = Object.entries(latencyMs)
    .map(([name, ms]) => `${name} ${ms?.toFixed(2)}`).join(", ");
  const rows: Record<string, string | false> = {
    server: report.url,
    requests: `${counted}, ${report.reconnects} reconnects`,
    missing: report.missing > 0 && rangesText(report.missingRequests),
    invalid: firstInvalid !== null &&
      `first ${JSON.stringify(firstInvalid.response)}, ` +
        (firstInvalid.request
          ? `for request ${firstInvalid.request}`
          : "which answers nothing"),
    time: `${report.seconds} s, ${report.perSecond} answered per second`,
    latency: report.answered > 0 &&
      `${latencies} ms, with ${setup.connections} × ${setup.window} requests ` +
        "under way at most",
    numbers: report.answered > 0 &&
      `${numbers.min} to ${numbers.max}, mean ${numbers.mean}, ` +
        `chi-square ${numbers.chiSquare}, p-value ${numbers.pValue}`,
  };
  return Object.entries(rows)
    .filter(([, text]) => text)
    .map(([name, text]) => `${name.padEnd(10)}${text}`)
    .join("\n");
}

/** The last line of the text: how many responses came to how many requests. */
export function verdict({ answered, sent }: Report): string {
  return `${answered} responses to ${sent} requests`;
}

/** How many ranges of missing requests the text names; the JSON names all. */
const RANGES_SHOWN = 10;

function rangesText(ranges: [number, number][]): string {
  const more = ranges.length - RANGES_SHOWN;
  return ranges.slice(0, RANGES_SHOWN)
    .map(([first, last]) => first === last ? `${first}` : `${first}-${last}`)
    .join(", ") + (more > 0 ? ` and ${more} more ranges, see --json` : "");
}

/** The requests that were sent and have no valid response, counted from 1. */
function missingRequests({ latencies, sent }: Tally): [number, number][] {
  const ranges: [number, number][] = [];
  for (let request = 1; request <= sent; request++) {
    if (!Number.isNaN(latencies[request - 1])) continue;
    const last = ranges.at(-1);
    if (last && last[1] === request - 1) last[1] = request;
    else ranges.push([request, request]);
  }
  return ranges;
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
