/**
 * Limits that a run must keep, beside that nothing is lost: `--fail-if 'p99>50ms'`.
 *
 * @module
 */

import { decimal, time } from "../cli/values.ts";

const parseTime = time("0s", "24h");
const parseNumber = decimal(0, 1e9);

/** What can be limited, and how its limit is written. */
const METRICS = {
  p50: parseTime,
  p90: parseTime,
  p99: parseTime,
  "p99.9": parseTime,
  max: parseTime,
  late: parseTime,
  pause: parseTime,
  reconnects: parseNumber,
  resent: parseNumber,
  rate: parseNumber,
};

/** The figures of a run, times in milliseconds; `null` where nothing was measured. */
export type Figures = Record<keyof typeof METRICS, number | null>;

export interface Limit {
  metric: keyof typeof METRICS;
  /** Whether the run fails when the figure is greater, or when it is smaller. */
  over: boolean;
  /** In milliseconds, if it is a time. */
  value: number;
}

/** Parses `p99>50ms`, and adds it to the limits before it. */
export function addLimit(
  text: string,
  before: readonly Limit[],
): readonly Limit[] {
  const [, metric, sign, limit] = /^([\w.]+)\s*([<>])\s*(\S+)$/.exec(text) ??
    [];
  if (metric === undefined || !Object.hasOwn(METRICS, metric)) {
    const names = Object.keys(METRICS).join(", ");
    throw new Error(`is not a limit like p99>50ms; it can be of ${names}`);
  }
  const name = metric as Limit["metric"];
  try {
    const value = METRICS[name](limit);
    return [...before, { metric: name, over: sign === ">", value }];
  } catch (error) {
    throw new Error(`is no limit: ${limit} ${(error as Error).message}`);
  }
}

/** The limits that were crossed, in words: `p99 61.2 ms is over 50 ms`. */
export function crossedLimits(
  limits: readonly Limit[],
  figures: Figures,
): string[] {
  return limits.flatMap(({ metric, over, value }) => {
    const figure = figures[metric];
    if (figure === null || !(over ? figure > value : figure < value)) return [];
    const unit = METRICS[metric] === parseTime ? " ms" : "";
    const relation = over ? "over" : "under";
    return `${metric} ${figure}${unit} is ${relation} ${value}${unit}`;
  });
}
