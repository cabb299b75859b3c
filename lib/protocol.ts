/**
 * The server's responses. How a client checks them is in `static/proof.js`.
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

/** The most requests in a message of {@linkcode LINES_PROTOCOL}: without a bound one
 * message of 64 MiB takes half a minute and gigabytes. */
export const MAX_LINES = 1000;

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
