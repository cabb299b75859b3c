/**
 * The wire: what both wings know of it. How a response is checked is in
 * `static/proof.js`, which the page shares.
 *
 * @module
 */

import { HIGHEST } from "../static/proof.js";

/** The subprotocol (RFC 6455 section 1.9) in which a message holds one request
 * per line, and its response one response per line. */
export const LINES_PROTOCOL = "ws-random.lines";

/** The most requests in a message of {@linkcode LINES_PROTOCOL}: without a bound one
 * message of 64 MiB takes half a minute and gigabytes. */
export const MAX_LINES = 1000;

/** Close codes (RFC 6455 section 7.4.1). */
export const CLOSE = {
  NORMAL: 1000,
  GOING_AWAY: 1001,
  PROTOCOL_ERROR: 1002,
  UNSUPPORTED_DATA: 1003,
  /** Never sent: the connection ended without a close frame. */
  ABNORMAL: 1006,
  INVALID_DATA: 1007,
  POLICY_VIOLATION: 1008,
  TOO_BIG: 1009,
  INTERNAL_ERROR: 1011,
  TRY_AGAIN_LATER: 1013,
} as const;

/** Names that cannot mean another machine (RFC 6761 section 6.3), and addresses. */
const LOOPBACK_NAME = /^(?:(?:.+\.)?localhost|127(?:\.\d+){3}|\[::1\])$/;

/** Whether a host, as a URL has it, can be reached from this machine only. */
export function isLoopback(hostname: string): boolean {
  return LOOPBACK_NAME.test(hostname);
}

/**
 * Answers one request.
 *
 * @returns The request, one space, and a number: `Message 7` -> `Message 7 42`.
 */
export function answer(request: string): string {
  return `${request} ${randomNumber()}`;
}

/**
 * Answers each request of a message of {@linkcode LINES_PROTOCOL}.
 *
 * @returns As many lines, or `undefined` if there are more than
 * {@linkcode MAX_LINES}.
 */
export function answerLines(message: string): string[] | undefined {
  const requests = message.split("\n", MAX_LINES + 1);
  return requests.length > MAX_LINES ? undefined : requests.map(answer);
}

/** Bytes drawn at a time: a call for each number would take longer than the rest of
 * an answer. */
const POOL_BYTES = 4096;

/** The largest multiple of {@linkcode HIGHEST} that a byte can hold. A byte from here
 * on is drawn again: `byte % 100` over all 256 would favour 1 to 56 by half. */
const ACCEPTED_BYTES = 256 - 256 % HIGHEST;

const pool = new Uint8Array(POOL_BYTES);
let next = POOL_BYTES;

/**
 * Draws a number from the system's cryptographically secure generator, by rejection
 * sampling.
 *
 * @returns An integer from 1 to {@linkcode HIGHEST}, each exactly as probable.
 */
export function randomNumber(): number {
  for (;;) {
    if (next === POOL_BYTES) {
      crypto.getRandomValues(pool);
      next = 0;
    }
    const byte = pool[next++];
    if (byte < ACCEPTED_BYTES) return byte % HIGHEST + 1;
  }
}
