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
  /** The number of the next one when it was last {@linkcode mark}ed. */
  #marked = 0;
  /** Those that a younger one was answered before, the oldest first: by index, when
   * each was first sent. */
  #passed = new Map<number, number>();

  constructor(most: number) {
    this.#indices = new Uint32Array(most);
    this.#sentAt = new Float64Array(most);
  }

  get size(): number {
    return this.#next - this.#first + this.#passed.size;
  }

  push(index: number, sentAt: number): void {
    const slot = this.#next++ % this.#indices.length;
    this.#indices[slot] = index;
    this.#sentAt[slot] = sentAt;
  }

  /** The index of the oldest one that was not passed: the next to be answered. */
  get first(): number | undefined {
    return this.#first === this.#next
      ? undefined
      : this.#indices[this.#first % this.#indices.length];
  }

  /** The index of the oldest, passed or not. */
  get oldest(): number | undefined {
    if (this.#passed.size === 0) return this.first;
    const [index] = this.#passed.keys();
    return index;
  }

  /** Takes out the {@linkcode first}, and tells when it was first sent. */
  shift(): number {
    return this.#sentAt[this.#first++ % this.#indices.length];
  }

  /**
   * Takes out a request, wherever it is; those sent before it are passed.
   *
   * @returns When it was first sent, and whether it was passed itself, or
   * `undefined` if it is not in flight.
   */
  take(index: number): { sentAt: number; passed: boolean } | undefined {
    const sentAt = this.#passed.get(index);
    if (sentAt !== undefined) {
      this.#passed.delete(index);
      return { sentAt, passed: true };
    }
    const { length } = this.#indices;
    let number = this.#first;
    while (number < this.#next && this.#indices[number % length] !== index) {
      number++;
    }
    if (number === this.#next) return undefined;
    while (this.#first < number) this.#passed.set(this.first!, this.shift());
    return { sentAt: this.shift(), passed: false };
  }

  /** Remembers which are in flight now. */
  mark(): void {
    this.#marked = this.#next;
  }

  /**
   * Takes out all, the oldest first. Those that were passed are lost.
   *
   * @param silent Whether those in flight since the {@linkcode mark} are lost, too.
   */
  takeAll(silent: boolean): Unanswered[] {
    const all: Unanswered[] = Array.from(
      this.#passed,
      ([index, sentAt]) => ({ index, sentAt, lost: true }),
    );
    this.#passed.clear();
    while (this.first !== undefined) {
      const lost = silent && this.#first < this.#marked;
      all.push({ index: this.first, sentAt: this.shift(), lost });
    }
    return all;
  }
}
