/**
 * How much a peer that does not read costs in memory. Deno's `bufferedAmount`
 * counts the bytes of the responses that wait, but a response of ten bytes that
 * waits costs some kilobytes: so their number counts too.
 *
 * @module
 */

/** Bytes that a waiting response counts beside its text. Deno 2.9.6 was seen to
 * take 3.5 KB of memory for each; this keeps ten peers that only send below
 * 250 MB, and still lets 2,000 small responses wait. */
const RESPONSE_OVERHEAD = 512;

/**
 * Follows the responses that wait on one connection. Exact when nothing waits;
 * else an upper bound that is at most one emptying of the queue old.
 */
export class Backlog {
  // What was sent before a mark, and since; once no more bytes wait than were
  // sent since, all from before have left, and the mark moves up.
  #before = 0;
  #since = 0;
  #sinceBytes = 0;

  /** Counts a response handed to the socket. */
  add(response: string): void {
    this.#since++;
    this.#sinceBytes += response.length;
  }

  /**
   * How much waits.
   *
   * @param bufferedAmount What the socket says is not sent yet, in bytes.
   * @returns Bytes, each response counted with its overhead.
   */
  size(bufferedAmount: number): number {
    if (bufferedAmount <= this.#sinceBytes) {
      this.#before = bufferedAmount === 0 ? 0 : this.#since;
      this.#since = 0;
      this.#sinceBytes = 0;
    }
    return bufferedAmount + (this.#before + this.#since) * RESPONSE_OVERHEAD;
  }
}
