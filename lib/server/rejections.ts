/**
 * Promises that reject with nobody to take them. Such a one ends the program, also
 * where it is Deno's own and a peer makes it fail.
 *
 * @module
 */

import { type LogFormat, Notices } from "./log.ts";
import { plural } from "../text.ts";

/** Whether an error is that of Deno's HTTP code: no frame of its stack is this
 * program's. */
export function isDenos(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const frames = error.stack?.match(/^ +at .*/gm) ?? [];
  return frames.every((frame) => /\bext:/.test(frame)) &&
    frames.some((frame) => /\bext:deno_http\//.test(frame));
}

/**
 * Tells the operator what Deno's HTTP code rejects, and goes on.
 *
 * @param fail Called for any other rejection: a fault of this program, which ends by it
 * unless this prevents the default.
 */
export function outliveDeno(
  format: LogFormat,
  fail: (event: PromiseRejectionEvent) => void = () => {},
): void {
  const notices = new Notices(format);
  addEventListener("unhandledrejection", (event) => {
    if (!isDenos(event.reason)) return fail(event);
    event.preventDefault();
    notices.add({
      kind: "exception",
      what: (count) => `${plural(count, "request")} failed in Deno`,
      why: String(event.reason.stack),
    });
  });
}
