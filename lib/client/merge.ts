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
  reports: WrittenReport[],
): Promise<WrittenReport> {
  const starts = reports.map(({ startedAt }) => Date.parse(startedAt ?? ""));
  const first = Math.min(...starts.filter((start) => !Number.isNaN(start)));
  const shifts = starts.map((start) => Number.isNaN(start) ? 0 : start - first);
  const all = <T>(pick: (report: WrittenReport) => T[]) =>
    reports.flatMap(pick);
  const later = <T extends { atMs: number }>(
    pick: (report: WrittenReport) => T[],
  ) =>
    reports.flatMap((report, i) =>
      pick(report).map((each) => ({
        ...each,
        atMs: round(each.atMs + shifts[i], 3),
      }))
    );
  const most = (values: (number | null | undefined)[]) => {
    const known = values.filter((value) => typeof value === "number");
    return known.length === 0 ? null : Math.max(...known);
  };
  const different = (texts: (string | null)[]) =>
    [...new Set(texts.filter((text) => text !== null))].join(", ");

  const sums = Object.fromEntries(SUMS.map((name) => [
    name,
    reports.reduce((sum, report) => sum + report[name], 0),
  ])) as Pick<Report, typeof SUMS[number]>;
  const latencies = new Durations();
  for (const { latencyHistogram, startedAt } of reports) {
    await latencies.addBase64(latencyHistogram).catch(() => {
      throw new UsageError(
        `the report of ${startedAt} has no latencyHistogram`,
      );
    });
  }
  const max = most(reports.map(({ latencyMs }) => latencyMs.max));
  const latencyMs = latencies.percentiles(max ?? undefined);
  const pauses = later(({ pauses }) => pauses)
    .sort((a, b) => b.ms - a.ms).slice(0, LONGEST);
  const seconds = round(
    most(reports.map(({ seconds }, i) => shifts[i] / 1000 + seconds)) ?? 0,
    3,
  );
  const numbers = describeNumbers(
    Array.from(
      { length: HIGHEST },
      (_, i) =>
        reports.reduce((sum, { numbers }) => sum + numbers.counts[i], 0),
    ),
  );
  const [{ version, window, durationMs }] = reports;
  const longest = (times: (Report["handshakeMs"] | null)[]) => ({
    p50: null,
    p99: null,
    max: most(times.map((each) => each?.max)),
  });
  return {
    ok: reports.every(({ ok }) => ok) && isOk({ ...sums, numbers }),
    crossedLimits: all(({ crossedLimits }) => crossedLimits),
    schema: SCHEMA,
    version,
    startedAt: Number.isFinite(first) ? new Date(first).toISOString() : null,
    url: different(reports.map(({ url }) => url)),
    subprotocol: different(reports.map(({ subprotocol }) => subprotocol)) ||
      null,
    message: different(reports.map(({ message }) => message)),
    expect: different(reports.map(({ expect }) => expect)),
    unordered: reports.some(({ unordered }) => unordered),
    ...sums,
    window,
    batch: most(reports.map(({ batch }) => batch)) ?? 0,
    rate: reports.some(({ rate }) => rate === null)
      ? null
      : reports.reduce((sum, { rate }) => sum + rate!, 0),
    durationMs,
    interrupted: reports.some(({ interrupted }) => interrupted),
    missingRequests: all(({ missingRequests }) => missingRequests),
    lostRequests: all(({ lostRequests }) => lostRequests),
    firstInvalid: reports.find(({ firstInvalid }) => firstInvalid)
      ?.firstInvalid ?? null,
    breaks: later(({ breaks }) => breaks).sort((a, b) => a.atMs - b.atMs),
    inFlight: most(reports.map(({ inFlight }) => inFlight)) ?? 0,
    seconds,
    perSecond: seconds > 0 ? round(sums.answered / seconds, 1) : 0,
    latencyMs,
    lateMs: reports.some(({ lateMs }) => lateMs)
      ? longest(reports.map(({ lateMs }) => lateMs))
      : null,
    handshakeMs: longest(reports.map(({ handshakeMs }) => handshakeMs)),
    longestPauseMs: pauses[0]?.ms ?? null,
    pauses,
    intervals: mergeIntervals(reports, shifts),
    numbers,
    latencyHistogram: await latencies.toBase64(),
  };
}

/** Intervals of one length by the clock: each is added where its middle lies. */
function mergeIntervals(
  reports: WrittenReport[],
  shifts: number[],
): Interval[] {
  const moved = reports.flatMap(({ intervals }, i) =>
    intervals.map((each) => ({
      ...each,
      fromMs: each.fromMs + shifts[i],
      toMs: each.toMs + shifts[i],
    }))
  );
  const length = Math.round(
    Math.max(...moved.map(({ fromMs, toMs }) => toMs - fromMs)),
  );
  const merged: Interval[] = [];
  for (const { fromMs, toMs, answered, latencyMs, open, resent } of moved) {
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
    interval.latencyMs.max =
      Math.max(interval.latencyMs.max ?? 0, latencyMs.max ?? 0) || null;
  }
  return merged.filter(Boolean);
}
