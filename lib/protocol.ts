/**
 * What the server puts on the wire. How a response is checked is in
 * `static/proof.js`, which the page needs too.
 *
 * @module
 */

import { randomNumber } from "./random.ts";

/** The subprotocol (RFC 6455 section 1.9) in which a message holds one request
 * per line, and its response one response per line. */
export const LINES_PROTOCOL = "ws-random.lines";

/**
 * Answers one request.
 *
 * @returns The request, one space, and a number from 1 to 100:
 * `Message 7` -> `Message 7 42`.
 */
export function answer(request: string): string {
  return `${request} ${randomNumber()}`;
}

/** Answers each request of a message of the {@linkcode LINES_PROTOCOL}
 * subprotocol. */
export function answerLines(message: string): string[] {
  return message.split("\n").map(answer);
}
