/**
 * Tells when a connection leads nowhere. Ticks are counted, not time: a client
 * that was itself asleep blames nobody.
 *
 * @module
 */

/** How long a connection stays that has had as many responses as requests, in
 * milliseconds, when some are unanswered all the same. */
const WRONG_MS = 1000;

/** What a connection is like at a tick. */
interface Sample {
  /** Whether it waits: for the handshake, or for a response. */
  waits: boolean;
  /** The index of its oldest unanswered request. */
  oldest: number | undefined;
  /** Requests sent, and responses of any kind. */
  sent: number;
  responses: number;
}

/** The watchdog of one connection. */
export class Watchdog {
  #timeout: number;
  #tick: number;
  #oldest: number | undefined;
  #messages = 0;
  /** Ticks since the oldest request was another one. */
  #oldestTicks = -1;
  /** Ticks since anything was sent or came, if there was a response for each
   * request. */
  #wrongTicks = 0;

  /** @param timeout How long a request may be unanswered, in milliseconds.
   * @param tick From one check to the next, in milliseconds. */
  constructor(timeout: number, tick: number) {
    this.#timeout = timeout;
    this.#tick = tick;
  }

  /** A new connection. */
  reset(): void {
    this.#oldest = undefined;
    this.#messages = this.#wrongTicks = 0;
    this.#oldestTicks = -1; // the first tick begins to count
  }

  /** @returns What is wrong, if anything: the handshake or the oldest request had no
   * answer for too long, or for each request something came that was not its
   * response. */
  check(
    { waits, oldest, sent, responses }: Sample,
  ): "silent" | "wrong" | undefined {
    const messages = sent + responses;
    const same = waits && oldest === this.#oldest;
    this.#oldestTicks = same ? this.#oldestTicks + 1 : 0;
    const wrong = waits && sent > 0 && responses >= sent &&
      messages === this.#messages;
    this.#wrongTicks = wrong ? this.#wrongTicks + 1 : 0;
    this.#oldest = oldest;
    this.#messages = messages;
    if (this.#oldestTicks * this.#tick >= this.#timeout) return "silent";
    if (this.#wrongTicks * this.#tick >= WRONG_MS) return "wrong";
  }
}
