/**
 * What a run measures in time: how long each request waited, and when nothing came. It
 * asks no clock; the callers say what time it is, in milliseconds of one that never
 * goes back.
 *
 * @module
 */

import {
  build,
  encodeIntoCompressedBase64,
  type JsHistogram,
} from "hdr-histogram-js";

/** The percentiles that are told, by their names. */
const PERCENTILES = { p50: 50, p90: 90, p99: 99, "p99.9": 99.9, max: 100 };

/** Milliseconds; `null` where nothing was measured. */
export type Percentiles = Record<keyof typeof PERCENTILES, number | null>;

/** Many durations in little memory, each to within 0.1 %. */
export class Durations {
  /** Of microseconds. */
  #histogram = build({
    bitBucketSize: 32,
    autoResize: true,
    numberOfSignificantValueDigits: 3,
  }) as JsHistogram;

  /** How many there are. */
  get count(): number {
    return this.#histogram.totalCount;
  }

  add(milliseconds: number): void {
    this.#histogram.recordValue(Math.max(0, Math.round(milliseconds * 1000)));
  }

  percentiles(): Percentiles {
    return Object.fromEntries(
      Object.entries(PERCENTILES).map(([name, percentile]) => [
        name,
        this.count === 0
          ? null
          : this.#histogram.getValueAtPercentile(percentile) / 1000,
      ]),
    ) as Percentiles;
  }

  /** In HdrHistogram's format V2, compressed, in microseconds: other tools read it, and
   * add it to others. */
  toBase64(): string {
    return encodeIntoCompressedBase64(this.#histogram);
  }

  /** The values, each of them once, the shortest first, and how often it came. */
  *values(): Generator<{ milliseconds: number; count: number }> {
    const iterator = this.#histogram.recordedValuesIterator;
    iterator.reset();
    while (iterator.hasNext()) {
      const { valueIteratedTo, countAddedInThisIterationStep } = iterator
        .next();
      yield {
        milliseconds: valueIteratedTo / 1000,
        count: countAddedInThisIterationStep,
      };
    }
  }

  /** Forgets all. */
  reset(): void {
    this.#histogram.reset();
  }
}

/** A time in which a request was due and no valid response came. */
export interface Pause {
  /** When it began, in milliseconds. */
  at: number;
  /** Milliseconds. */
  length: number;
}

/** How many pauses are kept. */
const LONGEST = 10;

/** The longest pauses of a run. */
export class Pauses {
  /** The longest first. */
  readonly longest: Pause[] = [];
  /** When the last valid response came, in milliseconds. */
  #answeredAt = -Infinity;

  /**
   * A valid response came.
   *
   * @param due When its request was due, in milliseconds.
   */
  answered(now: number, due: number): void {
    this.#add(now, due);
    this.#answeredAt = now;
  }

  /**
   * The run ended with requests unanswered.
   *
   * @param due When the first of them was due, in milliseconds.
   */
  unanswered(now: number, due: number): void {
    this.#add(now, due);
  }

  #add(now: number, due: number): void {
    const at = Math.max(this.#answeredAt, due);
    const length = now - at;
    const { longest } = this;
    const least = longest.length < LONGEST ? 0 : longest[LONGEST - 1].length;
    if (length <= least) return;
    const place = longest.findIndex((pause) => pause.length < length);
    longest.splice(place < 0 ? longest.length : place, 0, { at, length });
    longest.splice(LONGEST);
  }
}
