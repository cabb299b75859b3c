/**
 * Finds connections that hang. It counts ticks, not time: a client that was itself
 * stopped does not blame its server.
 *
 * @module
 */

/** How long a connection may have as many responses as requests, and some of these
 * unanswered all the same, in milliseconds. */
const WRONG_MS = 1000;

/** The state of a connection at a tick. */
interface Sample {
  /** Whether it waits for the handshake or for a response. */
  waits: boolean;
  /** The index of its oldest unanswered request. */
  oldest: number | undefined;
  /** Requests sent, and responses of any kind. */
  sent: number;
  responses: number;
}

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

  /**
   * @returns `silent` if the handshake or the oldest request was not answered in time,
   * `wrong` if something came for each request and some are unanswered all the same.
   */
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
