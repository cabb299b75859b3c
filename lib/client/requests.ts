/**
 * The requests of a run: their texts, which is to be sent next, and what is kept
 * for each. They belong to the run; a connection borrows them, and gives back
 * what it could not get answered.
 *
 * @module
 */

import { type Counters, createCounters, Fate } from "./counters.ts";
import type { Expectation } from "./expect.ts";

/** How much of an invalid response is kept. */
const KEPT_CHARACTERS = 200;

/** A request that a connection holds or has given back. */
export interface Unanswered {
  /** Counted from 0. */
  index: number;
  /** When it was due, in milliseconds. */
  due: number;
  /** Whether it is lost, and was not just in flight when its connection ended. */
  lost: boolean;
}

export class Requests {
  readonly counters: Counters;
  /** From then on none is new, in milliseconds. */
  endsAt = Infinity;
  /** While true none is handed out, because stdout is full of responses. */
  paused = false;
  /** Called when one is asked for before it is due. */
  onEarly = () => {};
  #parts: string[];
  /** Whether there is a rate. */
  #paced: boolean;
  #perMillisecond: number;
  /** A stack, the oldest on top. */
  #returned: Unanswered[] = [];
  #settled = 0;

  /**
   * @param expectation What a valid response is.
   * @param rate Requests per second; as fast as they can be sent if not given.
   */
  constructor(
    readonly expectation: Expectation,
    message: string,
    count: number,
    rate?: number,
  ) {
    this.counters = createCounters(count);
    this.#parts = message.split("{i}");
    this.#paced = rate !== undefined;
    this.#perMillisecond = (rate ?? Infinity) / 1000;
  }

  /** Whether every request has had a response, valid or not. */
  get done(): boolean {
    return this.#settled === this.counters.count;
  }

  text(index: number): string {
    return this.#parts.join(String(index + 1));
  }

  /** A request that was given back, to be sent again. */
  takeReturned(): Unanswered | undefined {
    if (this.paused || this.#returned.length === 0) return undefined;
    const request = this.#returned.pop()!;
    if (!request.lost) {
      this.counters.fates[request.index] |= Fate.resent;
      this.counters.resends++;
    }
    return request;
  }

  /** The index of a request that was never sent, or `undefined` if none is left
   * or due yet. */
  takeNew(now: number): number | undefined {
    const { counters } = this;
    if (this.paused || counters.sent === counters.count) return undefined;
    const due = this.dueAt(counters.sent, now);
    if (due >= this.endsAt) return undefined;
    const late = now - due;
    if (late < 0) return void this.onEarly();
    if (this.#paced) counters.times.late.add(late);
    if (counters.sent === counters.fates.length) this.#makeRoom();
    return counters.sent++;
  }

  #makeRoom(): void {
    const { buffer } = this.counters.fates;
    buffer.resize(Math.min(buffer.byteLength * 2, buffer.maxByteLength));
  }

  /**
   * Hands out no new ones from now on.
   *
   * @param owed Whether no connection could send what is due: that is missing then. By
   * a rate it can still be sent; without one, the next request is always due.
   */
  endSending(now: number, owed: boolean): void {
    const { counters } = this;
    const { sent, startedAt } = counters;
    let count = sent;
    if (owed && this.#paced && startedAt <= now) {
      const end = Math.min(now, this.endsAt);
      const about = Math.ceil((end - startedAt) * this.#perMillisecond);
      count = Math.max(sent, about + 1); // as computers count, one more or less
      while (count > sent && this.dueAt(count - 1, now) >= end) count--;
    } else if (owed) count++;
    counters.count = Math.min(counters.count, count);
  }

  /**
   * When a request is due, in milliseconds: at its place in the rate, so that one which
   * could not be sent in time is made up for; without a rate when it is first sent.
   *
   * @param now Counts as then.
   */
  dueAt(index: number, now: number): number {
    if (!this.#paced) return now;
    return this.counters.startedAt + index / this.#perMillisecond;
  }

  /** When the first request was due that no connection holds; `Infinity` if none is
   * due. */
  firstDue(now: number): number {
    const { sent, count } = this.counters;
    let first = Infinity;
    if (this.#paced && sent < count) first = this.dueAt(sent, now);
    if (first >= this.endsAt) first = Infinity;
    for (const { due } of this.#returned) first = Math.min(first, due);
    return first < now ? first : Infinity;
  }

  /** Takes back what a connection could not get answered, the oldest first. */
  giveBack(requests: Unanswered[]): void {
    for (const request of requests.reverse()) {
      if (request.lost) this.counters.fates[request.index] |= Fate.lost;
      this.#returned.push(request);
    }
  }

  /**
   * Counts a valid response.
   *
   * @param number The one that it carries, or 0.
   * @param due When its request was due, in milliseconds.
   */
  accept(index: number, number: number, now: number, due: number): void {
    const { fates, numbers, times } = this.counters;
    fates[index] |= fates[index] & Fate.answered
      ? Fate.answeredAgain
      : Fate.answered;
    times.answered(now, due);
    if (number > 0) numbers[number - 1]++;
    this.counters.answered++;
    this.#settled++;
  }

  /**
   * Counts a message that is no valid response.
   *
   * @param message Its data; `null` if it could not be read.
   * @param index Of the request that it is a wrong response to, and that will not get
   * another.
   */
  reject(message: unknown, reason: string, index?: number): void {
    this.counters.invalid++;
    this.counters.firstInvalid ??= {
      request: index === undefined ? null : index + 1,
      reason,
      response: typeof message === "string"
        ? message.slice(0, KEPT_CHARACTERS)
        : null,
    };
    if (index !== undefined) this.#settled++;
  }

  overtake(index: number): void {
    this.counters.fates[index] |= Fate.overtaken;
  }

  /** The unanswered request that this is a valid response to, found by the
   * number in its text. */
  answeredBy(response: string): { index: number; number: number } | undefined {
    const { fates, sent } = this.counters;
    for (const found of this.expectation.find(response, sent)) {
      if (!(fates[found.index] & Fate.answered)) return found;
    }
  }
}
