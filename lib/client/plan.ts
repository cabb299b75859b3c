/**
 * How a run is laid out: how many requests, on how many connections, and how many of
 * them at a time.
 *
 * @module
 */

import type { ClientOptions } from "./options.ts";

/** The window if none is given, in requests and in bytes of them. A deeper one is
 * hardly faster, and a server may not accept it. */
const DEFAULT_WINDOW = 1000;
const DEFAULT_WINDOW_BYTES = 1_048_576;

/** A longer message is written in two parts by Deno's client, and the second
 * waits for the first to be acknowledged if nothing follows: some 44 ms. */
export const UNSPLIT_BYTES = 1024;

/** Requests in all where neither these nor the time is limited. */
const DEFAULT_COUNT = 10_000;

/** Requests in all; `Infinity` if only the time is limited. */
function countOf({ count, duration }: ClientOptions): number {
  return count ?? (duration === undefined ? DEFAULT_COUNT : Infinity);
}

/** How many requests, on how many connections, and how many of them in flight on each
 * and in a message. */
export function layOut(options: ClientOptions) {
  const count = countOf(options);
  const connections = Math.min(options.connections, count);
  const bytes = longestRequest(options);
  const fitting = Math.max(1, Math.floor(DEFAULT_WINDOW_BYTES / bytes));
  const window = options.window ?? Math.min(DEFAULT_WINDOW, fitting);
  const batch = Math.floor(UNSPLIT_BYTES / (bytes + 1));
  return {
    count,
    connections,
    window: Math.min(window, Math.ceil(count / connections)),
    batch: Math.max(1, Math.min(options.batch, batch)),
  };
}

/** The bytes of the longest request: the last one of a billion at most. */
export function longestRequest(options: ClientOptions): number {
  const { message } = options;
  const last = String(Math.min(countOf(options), 1_000_000_000));
  return new TextEncoder().encode(message.replaceAll("{i}", last)).length;
}
