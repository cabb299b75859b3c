/**
 * Requests and responses on one connection: it borrows requests, holds them in the
 * order sent, and checks each response against the oldest.
 *
 * @module
 */

import { HIGHEST } from "../../static/proof.js";
import { InFlight } from "./in_flight.ts";
import type { Requests, Unanswered } from "./requests.ts";

export class Exchange {
  #requests: Requests;
  #batch: number;
  #unordered: boolean;
  #onResponse: (response: string) => void;
  #inFlight: InFlight;
  /** Valid responses since the connection began. */
  answered = 0;
  /** Messages since the last of them. */
  useless = 0;
  /** Whether the first answer of the whole run was a request as it was. */
  echoes = false;

  /**
   * @param limits The most requests in flight and in a message, and whether responses
   * may come in any order.
   * @param onResponse Called with each valid response.
   */
  constructor(
    requests: Requests,
    limits: { window: number; batch: number; unordered: boolean },
    onResponse: (response: string) => void,
  ) {
    this.#requests = requests;
    this.#batch = limits.batch;
    this.#unordered = limits.unordered;
    this.#onResponse = onResponse;
    this.#inFlight = new InFlight(limits.window, limits.unordered);
  }

  /** The index of the oldest request in flight. */
  get oldest(): number | undefined {
    return this.#inFlight.oldest;
  }

  /** When the first request in flight was due; `Infinity` if there is none. */
  get firstDue(): number {
    return this.#inFlight.firstDue;
  }

  /** Remembers which requests are in flight now. */
  mark(): void {
    this.#inFlight.mark();
  }

  /** Begins on a new connection. */
  begin(): void {
    this.answered = this.useless = 0;
  }

  /**
   * Ends with the connection.
   *
   * @param silent Whether nothing came for the timeout: then those in flight since the
   * mark are lost.
   * @returns What is unanswered, the oldest first.
   */
  end(silent: boolean): Unanswered[] {
    return this.#inFlight.takeAll(silent);
  }

  /** The next message, if a request may be sent now with so many in flight. */
  next(now: number, window: number): string | undefined {
    const { counters } = this.#requests;
    let message: string | undefined;
    for (let size = 1; size <= this.#batch; size++) {
      const index = this.#borrow(now, window);
      if (index === undefined) break;
      const text = this.#requests.text(index);
      message = message === undefined ? text : `${message}\n${text}`;
      if (size > counters.batch) counters.batch = size;
    }
    if (this.#inFlight.size > counters.inFlight) {
      counters.inFlight = this.#inFlight.size;
    }
    return message;
  }

  /** Borrows a request that was given back, or else a new one. */
  #borrow(now: number, window: number): number | undefined {
    if (this.#inFlight.size >= window) return undefined;
    const returned = this.#requests.takeReturned();
    const index = returned ? returned.index : this.#requests.takeNew(now);
    if (index !== undefined) {
      const due = returned?.due ?? this.#requests.dueAt(index, now);
      this.#inFlight.push(index, due);
    }
    return index;
  }

  /** Checks the responses in a message. */
  receive(data: unknown, now: number): void {
    const nothingYet = this.#requests.counters.answered === 0;
    this.useless++;
    this.echoes = nothingYet && this.#requests.expectation.isUsual &&
      this.#isEcho(data);
    if (this.#batch > 1 && typeof data === "string") {
      for (const response of data.split("\n")) this.#check(response, now);
    } else {
      this.#check(data, now);
    }
  }

  #isEcho(data: unknown): boolean {
    const { oldest } = this;
    if (oldest === undefined || typeof data !== "string") return false;
    const [first] = this.#batch > 1 ? data.split("\n", 1) : [data];
    return first === this.#requests.text(oldest);
  }

  #check(response: unknown, now: number): void {
    const { first } = this.#inFlight;
    if (first !== undefined && typeof response === "string") {
      const number = this.#requests.expectation.match(first, response);
      if (number !== undefined) {
        const due = this.#inFlight.shift();
        return this.#accept(response, first, number, now, due);
      }
    }
    this.#checkUnexpected(response, now);
  }

  /** A response that is not the next one: it answers a younger request or one that
   * was passed, or it is a request's wrong answer, or it answers none. */
  #checkUnexpected(response: unknown, now: number): void {
    if (typeof response !== "string") {
      return this.#requests.reject(response, "binary data");
    }
    const found = this.#requests.answeredBy(response);
    const taken = found && this.#inFlight.take(found.index);
    if (found && taken) {
      if (taken.passed && !this.#unordered) {
        this.#requests.overtake(found.index);
      }
      const { index, number } = found;
      return this.#accept(response, index, number, now, taken.due);
    }
    this.#rejectText(response);
  }

  /** Says what is wrong with a response, and to which request. */
  #rejectText(response: string): void {
    if (!this.#requests.expectation.isUsual) {
      const reason = "not what --expect says, to no request in flight";
      return this.#requests.reject(response, reason);
    }
    const { oldest, first } = this.#inFlight;
    for (const index of [oldest, first]) {
      if (index === undefined) continue;
      const request = this.#requests.text(index);
      if (response === request) {
        return this.#requests.reject(response, "a request without a number");
      }
      if (!response.startsWith(`${request} `)) continue;
      this.#inFlight.take(index);
      const reason = `no number from 1 to ${HIGHEST}`;
      return this.#requests.reject(response, reason, index);
    }
    this.#requests.reject(response, "answers no request in flight");
  }

  #accept(
    response: string,
    index: number,
    number: number,
    now: number,
    due: number,
  ): void {
    this.answered++;
    this.useless = 0;
    this.#requests.accept(index, number, now, due);
    this.#onResponse(response);
  }
}
