/**
 * What a run measures in time: how long each request waited, and when nothing came. It
 * asks no clock; the callers say what time it is, in milliseconds of one that never
 * goes back.
 *
 * @module
 */

import type { JsHistogram } from "hdr-histogram-js";

/** The percentiles that are told, by their names, in their order. */
const PERCENTILES = { p50: 50, p90: 90, p99: 99, "p99.9": 99.9, max: 100 };

/** Milliseconds; `null` where nothing was measured. */
export type Percentiles = Record<keyof typeof PERCENTILES, number | null>;

/** Buckets of one width, in HdrHistogram's layout with three digits: twice as many of
 * one microsecond, then for each doubling so many of twice the width. */
const HALF = 1024;
/** Enough for a year. */
const BUCKETS = 36 * HALF;

/**
 * Many durations in little memory, each to within 0.1 %. The buckets are those of
 * HdrHistogram; its library is loaded only to write its format, since that takes half
 * as long as a run of 10,000 requests.
 */
export class Durations {
  #counts = new Uint32Array(BUCKETS);
  /** How many there are. */
  count = 0;
  /** The longest, in milliseconds. */
  #max = 0;

  /**
   * @param milliseconds From 0 up to a year.
   * @param count How often it came.
   */
  add(milliseconds: number, count = 1): void {
    this.#counts[bucketOf(Math.round(milliseconds * 1000))] += count;
    this.count += count;
    if (milliseconds > this.#max) this.#max = milliseconds;
  }

  /**
   * Each the smallest that so many of them do not exceed.
   *
   * @param max The longest, in milliseconds, if it is known better.
   */
  percentiles(max = this.#max): Percentiles {
    let bucket = -1;
    let seen = 0;
    const named = Object.entries(PERCENTILES).map(([name, percent]) => {
      if (this.count === 0) return [name, null];
      const rank = Math.ceil(this.count * percent / 100);
      while (seen < rank) seen += this.#counts[++bucket];
      const milliseconds = Math.min(longestOf(bucket) / 1000, max);
      return [name, Number(milliseconds.toFixed(3))];
    });
    return Object.fromEntries(named);
  }

  /** In HdrHistogram's format V2, compressed, in microseconds: other tools read it, and
   * add it to others. */
  async toBase64(): Promise<string> {
    const { build, encodeIntoCompressedBase64 } = await import(
      "hdr-histogram-js"
    );
    const histogram = build({
      bitBucketSize: 32,
      autoResize: true,
      numberOfSignificantValueDigits: 3,
    });
    for (const { milliseconds, count } of this.values()) {
      const microseconds = Math.round(milliseconds * 1000);
      histogram.recordValueWithCount(microseconds, count);
    }
    return encodeIntoCompressedBase64(histogram);
  }

  /**
   * Adds what {@linkcode toBase64} returned.
   *
   * @throws {Error} If it is something else.
   */
  async addBase64(text: string): Promise<void> {
    const { decodeFromCompressedBase64 } = await import("hdr-histogram-js");
    const { recordedValuesIterator: iterator } = decodeFromCompressedBase64(
      text,
    ) as JsHistogram;
    iterator.reset();
    while (iterator.hasNext()) {
      const { valueIteratedTo, countAtValueIteratedTo } = iterator.next();
      this.add(valueIteratedTo / 1000, countAtValueIteratedTo);
    }
  }

  /** The values, each of them once, the shortest first, and how often it came. */
  *values(): Generator<{ milliseconds: number; count: number }> {
    for (const [bucket, count] of this.#counts.entries()) {
      if (count > 0) yield { milliseconds: longestOf(bucket) / 1000, count };
    }
  }

  /** Forgets all. */
  reset(): void {
    this.#counts.fill(0);
    this.count = this.#max = 0;
  }
}

function bucketOf(microseconds: number): number {
  if (microseconds < 2 * HALF) return microseconds;
  const doublings = Math.floor(Math.log2(microseconds / HALF));
  return doublings * HALF + Math.floor(microseconds / 2 ** doublings);
}

/** The longest duration that falls into a bucket, in microseconds. */
function longestOf(bucket: number): number {
  if (bucket < 2 * HALF) return bucket;
  const doublings = Math.floor(bucket / HALF) - 1;
  return (bucket - doublings * HALF + 1) * 2 ** doublings - 1;
}

/** A time in which a request was due and no valid response came. */
export interface Pause {
  /** When it began, in milliseconds. */
  at: number;
  /** Milliseconds. */
  length: number;
}

/** How many pauses are kept. */
export const LONGEST = 10;

/** The longest pauses of a run. */
export class Pauses {
  /** The longest first. */
  readonly longest: Pause[] = [];
  /** When the last valid response came, in milliseconds. */
  #answeredAt = -Infinity;

  /** The length that a pause must exceed to be kept. */
  #least = 0;

  /**
   * A valid response came.
   *
   * @param due When its request was due, in milliseconds.
   */
  answered(now: number, due: number): void {
    this.unanswered(now, due);
    this.#answeredAt = now;
  }

  /**
   * The run ended with requests unanswered.
   *
   * @param due When the first of them was due, in milliseconds.
   */
  unanswered(now: number, due: number): void {
    const at = Math.max(this.#answeredAt, due);
    if (now - at > this.#least) this.#keep({ at, length: now - at });
  }

  #keep(pause: Pause): void {
    const { longest } = this;
    const place = longest.findIndex(({ length }) => length < pause.length);
    longest.splice(place < 0 ? longest.length : place, 0, pause);
    longest.splice(LONGEST);
    if (longest.length === LONGEST) this.#least = longest[LONGEST - 1].length;
  }
}
