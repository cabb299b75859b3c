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

/** Tells the operator what Deno's HTTP code rejects, and goes on. Any other rejection
 * is a fault of this program, and ends it as before. */
export function outliveDeno(format: LogFormat): void {
  const notices = new Notices(format);
  addEventListener("unhandledrejection", (event) => {
    if (!isDenos(event.reason)) return;
    event.preventDefault();
    notices.add({
      kind: "exception",
      what: (count) => `${plural(count, "request")} failed in Deno`,
      why: String(event.reason.stack),
    });
  });
}
