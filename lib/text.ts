/**
 * Text for people: made harmless, cut, in the singular or the plural, and the one
 * line on stderr that every failure gets.
 *
 * @module
 */

import { Lines } from "./lines.ts";

/** A command line that cannot be carried out. The message names the option and
 * the value, in one line. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** Control characters, and those that change the direction of text, end a line or are
 * not seen: a terminal obeys them. */
const UNSAFE =
  // deno-lint-ignore no-control-regex
  /[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** Makes text from outside harmless: `\x1b[2J` is shown and not obeyed. */
export function escapeText(text: string): string {
  return text.replace(UNSAFE, (character) => {
    const code = character.charCodeAt(0);
    return code < 256
      ? `\\x${code.toString(16).padStart(2, "0")}`
      : `\\u${code.toString(16)}`;
  });
}

/** Cuts a text that is longer than this many characters. */
export function cut(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

/** Parameters of a query whose values are secrets. */
const SECRET = /token|key|password|secret/i;

/** Hides a URL's password and the values of a query such as `?token=…`. */
export function hideSecrets(url: string): string {
  return url
    .replace(/^(\w+:\/\/[^/?#:@]*):[^/?#@]*@/, "$1:***@")
    .replace(
      /([?&][^?&=#]*=)[^?&#]*/g,
      (all, name) => SECRET.test(name) ? `${name}***` : all,
    );
}

/** `1 handshake`, `2 handshakes`, `no handshake`; `5 retries` by its own plural. */
export function plural(
  count: number,
  noun: string,
  nouns: string = `${noun}s`,
): string {
  return `${count || "no"} ${count > 1 ? nouns : noun}`;
}

/** Several lines as one, without what indents them. */
export function oneLine(text: string): string {
  // Not /\s*\n\s*/, which takes quadratic time for a run of blanks.
  return text.split("\n").map((line) => line.trim()).filter(Boolean).join(" ");
}

const stderr = new Lines(Deno.stderr);

/** Prints one line on stderr, without waiting for whoever reads it. Resolves when it
 * is written or cannot be. */
export function complain(message: string): Promise<void> {
  stderr.write(`ws-random: ${escapeText(oneLine(message))}`);
  return stderr.written;
}
