/**
 * The requests in flight on one connection, in the order sent.
 *
 * @module
 */

import type { Unanswered } from "./requests.ts";

export class InFlight {
  /** A ring buffer: requests are numbered as they are sent, and at its number modulo
   * the length each one has its index and when it was due. */
  #indices: Uint32Array;
  #due: Float64Array;
  /** The numbers of the oldest one and of the next to be sent. */
  #first = 0;
  #next = 0;
  /** The number of the next one when it was last {@linkcode mark}ed. */
  #marked = 0;
  /** Those that a younger one was answered before, the oldest first: by index, when
   * each was due, and its number. */
  #passed = new Map<number, { due: number; number: number }>();
  #unordered: boolean;

  /** @param unordered Whether those that were passed are not lost for that. */
  constructor(most: number, unordered: boolean) {
    this.#unordered = unordered;
    this.#indices = new Uint32Array(most);
    this.#due = new Float64Array(most);
  }

  get size(): number {
    return this.#next - this.#first + this.#passed.size;
  }

  push(index: number, due: number): void {
    const slot = this.#next++ % this.#indices.length;
    this.#indices[slot] = index;
    this.#due[slot] = due;
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

  /** Takes out the {@linkcode first}, and tells when it was due. */
  shift(): number {
    return this.#due[this.#first++ % this.#indices.length];
  }

  /**
   * Takes out a request, wherever it is; those sent before it are passed.
   *
   * @returns When it was due, and whether it was passed itself, or
   * `undefined` if it is not in flight.
   */
  take(index: number): { due: number; passed: boolean } | undefined {
    const passed = this.#passed.get(index);
    if (passed) {
      this.#passed.delete(index);
      return { due: passed.due, passed: true };
    }
    const { length } = this.#indices;
    let number = this.#first;
    while (number < this.#next && this.#indices[number % length] !== index) {
      number++;
    }
    if (number === this.#next) return undefined;
    while (this.#first < number) {
      const place = this.#first;
      this.#passed.set(this.first!, { number: place, due: this.shift() });
    }
    return { due: this.shift(), passed: false };
  }

  /** When the first of them was due; `Infinity` if there is none. */
  get firstDue(): number {
    let first = Infinity;
    for (const { due } of this.#passed.values()) first = Math.min(first, due);
    for (let number = this.#first; number < this.#next; number++) {
      first = Math.min(first, this.#due[number % this.#due.length]);
    }
    return first;
  }

  /** Remembers which are in flight now. */
  mark(): void {
    this.#marked = this.#next;
  }

  /**
   * Takes out all, the oldest first. Those that were passed are lost, where there is
   * an order.
   *
   * @param silent Whether those in flight since the {@linkcode mark} are lost, too.
   */
  takeAll(silent: boolean): Unanswered[] {
    const lost = (number: number) => silent && number < this.#marked;
    const all: Unanswered[] = Array.from(
      this.#passed,
      ([index, { due, number }]) => ({
        index,
        due,
        lost: !this.#unordered || lost(number),
      }),
    );
    this.#passed.clear();
    while (this.first !== undefined) {
      const { first: index } = this;
      all.push({ index, lost: lost(this.#first), due: this.shift() });
    }
    return all;
  }
}
