/**
 * The reports of several clients become one, with one verdict.
 *
 * @module
 */

import { HIGHEST } from "../../static/proof.js";
import { type Command, onOff } from "../cli/flags.ts";
import { UsageError } from "../text.ts";
import type { Interval } from "./intervals.ts";
import { describeNumbers, isOk, type Report, round, SCHEMA } from "./report.ts";
import { Durations, LONGEST } from "./time.ts";

/** `ws-random merge` */
export const mergeCommand = {
  name: "merge",
  summary: "Add up what clients wrote with --json, and give one verdict.",
  flags: {
    file: {
      positional: true,
      none: [],
      parse: (text: string, before: readonly string[]): readonly string[] => [
        ...before,
        text,
      ],
      help: "what ws-random client --json wrote, each of its own run",
    },
    json: { ...onOff, help: "the report as JSON" },
  },
} as const satisfies Command;

/** A report as `--json` writes it. */
export type WrittenReport = Report & { latencyHistogram: string };

/**
 * Reads reports.
 *
 * @throws {UsageError} If one of them cannot be read or added. The message names it.
 */
export async function readReports(
  paths: readonly string[],
): Promise<WrittenReport[]> {
  if (paths.length === 0) throw new UsageError("file: no report is named");
  const names = new Map<string, string>();
  const reports: WrittenReport[] = [];
  for (const path of paths) {
    const text = await Deno.readTextFile(path).catch((error) => {
      throw new UsageError(`cannot read ${path}: ${error.message}`);
    });
    const twin = names.get(text);
    if (twin !== undefined) {
      throw new UsageError(`${path} is the same report as ${twin}`);
    }
    names.set(text, path);
    reports.push(parseReport(text, path));
  }
  return reports;
}

function parseReport(text: string, path: string): WrittenReport {
  let report: Partial<WrittenReport> | null = null;
  try {
    report = JSON.parse(text);
  } catch { /* told below */ }
  if (typeof report?.schema !== "number") {
    throw new UsageError(`${path} is no report of ws-random client --json`);
  }
  if (report.schema !== SCHEMA) {
    throw new UsageError(
      `${path} has schema ${report.schema}; this version reads ${SCHEMA}`,
    );
  }
  if (report.numbers?.counts?.length !== HIGHEST) {
    throw new UsageError(`${path} is not of numbers from 1 to ${HIGHEST}`);
  }
  const whole = report as WrittenReport;
  const sound = SUMS.every((name) => Number.isInteger(whole[name])) &&
    whole.answered + whole.missing === whole.count && whole.ok === isOk(whole);
  if (!sound) {
    throw new UsageError(
      `${path} contradicts itself; is it as it was written?`,
    );
  }
  return whole;
}

/** What is counted for each client, and summed. */
const SUMS = [
  ...["count", "connections", "sent", "answered", "missing", "lost"] as const,
  ...["invalid", "overtaken", "resent", "gaveUp", "reconnects"] as const,
];

/**
 * Adds up reports. Times are from the first start of them all. Percentiles of latencies
 * are those of all responses; of other times, for which no histogram is written, only
 * the longest is known.
 */
export async function mergeReports(
  written: WrittenReport[],
): Promise<WrittenReport> {
  const starts = written.flatMap(({ startedAt }) => startedAt ?? []).sort();
  const startedAt = starts.length > 0 ? starts[0] : null;
  const reports = written.map((report) => since(startedAt, report));
  const all = <T>(pick: (report: Report) => T[]) => reports.flatMap(pick);
  const most = (pick: (report: Report) => number | null | undefined) =>
    greatest(reports.map(pick));
  const different = (name: "url" | "subprotocol" | "message" | "expect") =>
    [...new Set(reports.flatMap((report) => report[name] ?? []))].join(", ");
  const longest = (name: "lateMs" | "handshakeMs") => ({
    p50: null,
    p99: null,
    max: most((report) => report[name]?.max),
  });

  const [{ version, window, durationMs }] = reports;
  const sums = sumUp(reports);
  const numbers = describeNumbers(
    Array.from(
      { length: HIGHEST },
      (_, i) => sum(reports.map(({ numbers }) => numbers.counts[i])),
    ),
  );
  const seconds = round(most(({ seconds }) => seconds) ?? 0, 3);
  const latencies = await addLatencies(reports);
  const max = most(({ latencyMs }) => latencyMs.max) ?? undefined;
  const pauses = all(({ pauses }) => pauses).sort((a, b) => b.ms - a.ms)
    .slice(0, LONGEST);
  const paced = reports.every(({ rate }) => rate !== null);
  return {
    ok: reports.every(({ ok }) => ok) && isOk({ ...sums, numbers }),
    crossedLimits: all(({ crossedLimits }) => crossedLimits),
    schema: SCHEMA,
    version,
    startedAt,
    url: different("url"),
    subprotocol: different("subprotocol") || null,
    message: different("message"),
    expect: different("expect"),
    unordered: reports.some(({ unordered }) => unordered),
    ...sums,
    window,
    batch: most(({ batch }) => batch) ?? 0,
    rate: paced ? sum(reports.map(({ rate }) => rate!)) : null,
    durationMs,
    interrupted: reports.some(({ interrupted }) => interrupted),
    missingRequests: all(({ missingRequests }) => missingRequests),
    lostRequests: all(({ lostRequests }) => lostRequests),
    firstInvalid: reports.find(({ firstInvalid }) => firstInvalid)
      ?.firstInvalid ?? null,
    breaks: all(({ breaks }) => breaks).sort((a, b) => a.atMs - b.atMs),
    inFlight: most(({ inFlight }) => inFlight) ?? 0,
    seconds,
    perSecond: seconds > 0 ? round(sums.answered / seconds, 1) : 0,
    latencyMs: latencies.percentiles(max),
    lateMs: reports.some(({ lateMs }) => lateMs) ? longest("lateMs") : null,
    handshakeMs: longest("handshakeMs"),
    longestPauseMs: pauses[0]?.ms ?? null,
    pauses,
    intervals: mergeIntervals(all(({ intervals }) => intervals)),
    numbers,
    latencyHistogram: await latencies.toBase64(),
  };
}

/** A report with its times from another start, which is not later. */
function since(start: string | null, report: WrittenReport): WrittenReport {
  if (start === null || report.startedAt === null) return report;
  const shift = Date.parse(report.startedAt) - Date.parse(start);
  const later = <T extends { atMs: number }>(each: T): T => ({
    ...each,
    atMs: round(each.atMs + shift, 3),
  });
  return {
    ...report,
    seconds: report.seconds + shift / 1000,
    breaks: report.breaks.map(later),
    pauses: report.pauses.map(later),
    intervals: report.intervals.map((each) => ({
      ...each,
      fromMs: each.fromMs + shift,
      toMs: each.toMs + shift,
    })),
  };
}

function sum(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

/** Of those that are known, however many there are. */
function greatest(values: (number | null | undefined)[]): number | null {
  let most: number | null = null;
  for (const value of values) {
    if (typeof value === "number") most = Math.max(most ?? value, value);
  }
  return most;
}

function sumUp(reports: Report[]): Pick<Report, typeof SUMS[number]> {
  const sums = SUMS.map((name) => [name, sum(reports.map((r) => r[name]))]);
  return Object.fromEntries(sums);
}

async function addLatencies(reports: WrittenReport[]): Promise<Durations> {
  const latencies = new Durations();
  for (const { latencyHistogram, startedAt } of reports) {
    await latencies.addBase64(latencyHistogram).catch(() => {
      throw new UsageError(
        `the report of ${startedAt} has no latencyHistogram`,
      );
    });
  }
  return latencies;
}

/** Intervals of one length by the clock: each is added where its middle lies. */
function mergeIntervals(intervals: Interval[]): Interval[] {
  const lengths = intervals.map(({ fromMs, toMs }) => toMs - fromMs);
  const length = Math.round(greatest(lengths) ?? 0);
  const merged: Interval[] = [];
  for (const { fromMs, toMs, answered, latencyMs, open, resent } of intervals) {
    const place = Math.floor((fromMs + toMs) / 2 / length);
    const interval = merged[place] ??= {
      fromMs: place * length,
      toMs: (place + 1) * length,
      answered: 0,
      latencyMs: { p50: null, p90: null, p99: null, "p99.9": null, max: null },
      open: 0,
      resent: 0,
    };
    interval.answered += answered;
    interval.open += open;
    interval.resent += resent;
    interval.latencyMs.max = greatest([interval.latencyMs.max, latencyMs.max]);
  }
  return merged.filter(Boolean);
}
