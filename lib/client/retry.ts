/**
 * What follows when a connection breaks: another try, when, and with how many requests.
 *
 * @module
 */

import type { Failure } from "./failure.ts";

/** The longest delay before the first reconnect, in milliseconds; each further one is
 * longer by the factor, up to the maximum. Six retries, the default, take 3.5 to 7 s:
 * enough for a server to restart. */
const BACKOFF_MS = 50;
const BACKOFF_FACTOR = 4;
const MAX_BACKOFF_MS = 2000;

/**
 * How long to wait before the next try, in milliseconds. Half of it is chance: clients
 * cut off together do not come back together.
 *
 * @param failures Tries in a row before this one that failed, too.
 * @param random From 0 to 1.
 */
export function backoff(failures: number, random: number): number {
  const longest = Math.min(
    MAX_BACKOFF_MS,
    BACKOFF_MS * BACKOFF_FACTOR ** failures,
  );
  return longest * (1 + random) / 2;
}

/**
 * Most requests in flight after a connection broke with some unanswered: half as
 * many, or one if the server lets none pass by its policy.
 *
 * @param answered Whether anything was answered on that connection.
 */
export function windowAfter(
  { policy }: Failure,
  window: number,
  answered: boolean,
): number {
  return policy && !answered ? 1 : Math.max(1, Math.floor(window / 2));
}
