/**
 * The requests in flight on one connection, in the order sent.
 *
 * @module
 */

import type { Unanswered } from "./requests.ts";

export class InFlight {
  /** A ring buffer: requests are numbered as they are sent, and at its number modulo
   * the length each one has its index and when it was first sent. */
  #indices: Uint32Array;
  #sentAt: Float64Array;
  /** The numbers of the oldest one and of the next to be sent. */
  #first = 0;
  #next = 0;
  /** Overtaken requests, the oldest first: by index, when each was first sent. */
  #overtaken = new Map<number, number>();
  #onOvertaken: (index: number) => void;

  constructor(most: number, onOvertaken: (index: number) => void) {
    this.#indices = new Uint32Array(most);
    this.#sentAt = new Float64Array(most);
    this.#onOvertaken = onOvertaken;
  }

  get size(): number {
    return this.#next - this.#first + this.#overtaken.size;
  }

  push(index: number, sentAt: number): void {
    const slot = this.#next++ % this.#indices.length;
    this.#indices[slot] = index;
    this.#sentAt[slot] = sentAt;
  }

  /** The index of the oldest one that was not overtaken: the next to be
   * answered. */
  get first(): number | undefined {
    return this.#first === this.#next
      ? undefined
      : this.#indices[this.#first % this.#indices.length];
  }

  /** The index of the oldest, overtaken or not. */
  get oldest(): number | undefined {
    if (this.#overtaken.size === 0) return this.first;
    const [index] = this.#overtaken.keys();
    return index;
  }

  /** Takes out the {@linkcode first}, and tells when it was first sent. */
  shift(): number {
    return this.#sentAt[this.#first++ % this.#indices.length];
  }

  /**
   * Takes out a request, wherever it is; those sent before it are overtaken.
   *
   * @returns When it was first sent, or `undefined` if it is not in flight.
   */
  take(index: number): number | undefined {
    const sentAt = this.#overtaken.get(index);
    if (this.#overtaken.delete(index)) return sentAt;
    const { length } = this.#indices;
    let number = this.#first;
    while (number < this.#next && this.#indices[number % length] !== index) {
      number++;
    }
    if (number === this.#next) return undefined;
    while (this.#first < number) {
      const overtaken = this.first!;
      this.#overtaken.set(overtaken, this.shift());
      this.#onOvertaken(overtaken);
    }
    return this.shift();
  }

  /** Takes out all, the oldest first. */
  takeAll(): Unanswered[] {
    const all = Array.from(
      this.#overtaken,
      ([index, sentAt]) => ({ index, sentAt }),
    );
    this.#overtaken.clear();
    while (this.first !== undefined) {
      all.push({ index: this.first, sentAt: this.shift() });
    }
    return all;
  }
}
