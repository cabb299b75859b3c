/**
 * A run in parts of one length: what was answered in each, and how fast.
 *
 * @module
 */

import { Durations, type Percentiles } from "./time.ts";

export interface Interval {
  /** When it began and ended, in milliseconds since the start of the run. */
  fromMs: number;
  toMs: number;
  /** Valid responses. */
  answered: number;
  latencyMs: Percentiles;
  /** Connections open at its end. */
  open: number;
  /** Requests sent again. */
  resent: number;
}

/** Counts what happens until an interval ends. */
export class IntervalCounter {
  #fromMs = 0;
  #latencies = new Durations();
  /** Of the whole run, when the interval began. */
  #resent = 0;

  /** @param latency In milliseconds. */
  answered(latency: number): void {
    this.#latencies.add(latency);
  }

  /**
   * Ends an interval and begins the next.
   *
   * @param now Milliseconds since the start of the run.
   * @param open Connections open.
   * @param resent Requests sent again in the whole run.
   */
  end(now: number, open: number, resent: number): Interval {
    const interval = {
      fromMs: this.#fromMs,
      toMs: round(now),
      answered: this.#latencies.count,
      latencyMs: this.#latencies.percentiles(),
      open,
      resent: resent - this.#resent,
    };
    this.#fromMs = interval.toMs;
    this.#resent = resent;
    this.#latencies.reset();
    return interval;
  }
}

/** To whole microseconds. */
function round(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}

/** From one header of the table to the next, in rows. */
const ROWS_PER_HEADER = 20;

/** The columns, and how wide each of them is. */
const COLUMNS: [title: string, width: number][] = [
  ["seconds", 15],
  ["answered", 9],
  ["per s", 9],
  ["p50 ms", 9],
  ["p99 ms", 9],
  ["max ms", 9],
  ["open", 6],
  ["resent", 7],
];

/**
 * A row of the table, with the header before it where it is due.
 *
 * @param index Which interval of the run it is, from 0 on.
 * @returns One line or two, of at most 80 columns where the figures are usual.
 */
export function intervalRow(interval: Interval, index: number): string {
  const { fromMs, toMs, answered, latencyMs, open, resent } = interval;
  const seconds = (ms: number) => (ms / 1000).toFixed(1);
  const shown = (ms: number | null) => ms === null ? "-" : ms.toFixed(2);
  const row = inColumns([
    `${seconds(fromMs)}-${seconds(toMs)}`,
    answered,
    toMs > fromMs ? Math.round(answered / (toMs - fromMs) * 1000) : "-",
    shown(latencyMs.p50),
    shown(latencyMs.p99),
    shown(latencyMs.max),
    open,
    resent,
  ]);
  const header = inColumns(COLUMNS.map(([title]) => title));
  return index % ROWS_PER_HEADER === 0 ? `${header}\n${row}` : row;
}

function inColumns(cells: (string | number)[]): string {
  return cells.map((cell, i) => String(cell).padStart(COLUMNS[i][1])).join("");
}
