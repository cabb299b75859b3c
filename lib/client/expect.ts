/**
 * What a valid response is: a template of the user's, in which `{request}` is the text
 * of the request, `{i}` its number, `{n}` a number as the wire has it, and `{*}` any
 * text. All else is data: a `.` is a dot.
 *
 * @module
 */

import { parseNumber, parseResponse } from "../../static/proof.js";
import { UsageError } from "../text.ts";

/** The template of this project's own server. */
export const DEFAULT_TEMPLATE = "{request} {n}";

/** A text that holds the request's number: between these pieces, each time. */
type Pieces = string[];

/** What stands between two `{*}`: a text, or a text, `{n}` and a text. */
interface Segment {
  before: Pieces;
  number: boolean;
  after: Pieces;
}

/** What stands for any digits, beside the number of the request. */
const AMBIGUOUS = /\{[*n]\}\d*\{i\}|\{i\}\d*\{[*n]\}/;

/** How many places of a response are tried for the number of its request. */
const MAX_PLACES = 16;

/** The most digits of `{n}`. */
const MAX_DIGITS = 3;

/**
 * Checks a template, and writes it in full: `echo` is short for `{request}`.
 *
 * @throws {Error} If nothing in it tells whose response it is, or `{n}` stands twice.
 */
export function parseTemplate(text: string): string {
  const template = text === "echo" ? "{request}" : text;
  if (!/\{(?:request|i)\}/.test(template)) {
    throw new Error(
      "has neither {request} nor {i} to tell whose response it is",
    );
  }
  if (template.split("{n}").length > 2) {
    throw new Error("has {n} more than once");
  }
  return template;
}

/** Checks responses against a template, in time linear in their length. */
export class Expectation {
  #segments: Segment[];
  #request: Pieces;
  /** Whether responses are expected as this project's own server gives them. */
  readonly isUsual: boolean;

  /**
   * @param template From {@linkcode parseTemplate}.
   * @param message The text of a request, `--message`.
   *
   * @throws {UsageError} If the response to one request can be that to another.
   */
  constructor(template: string, message: string) {
    this.isUsual = template === DEFAULT_TEMPLATE;
    this.#request = message.split("{i}");
    this.#segments = template.split("{*}").map((part) => {
      const [before, after] = part.split("{n}")
        .map((text) => text.split("{request}").join(message).split("{i}"));
      return { before, number: after !== undefined, after: after ?? [""] };
    });
    const data = message.replaceAll(/\{[*n]\}/g, "-");
    if (AMBIGUOUS.test(template.replaceAll("{request}", () => data))) {
      throw new UsageError(
        "--expect: {*} or {n} stands beside the number of the request, so the " +
          "response to 10 could be one to 1; put a text between them",
      );
    }
  }

  /**
   * Whether a response is valid for a request.
   *
   * @param index Of the request, from 0 on.
   * @returns The number that it carries, 0 if none is expected, or `undefined`.
   */
  match(index: number, response: string): number | undefined {
    const i = String(index + 1);
    if (this.isUsual) return parseResponse(fill(this.#request, i), response);
    const last = this.#segments.length - 1;
    let [at, number] = [0, 0];
    for (let place = 0; place <= last; place++) {
      const segment = this.#segments[place];
      const text = {
        before: fill(segment.before, i),
        after: fill(segment.after, i),
        first: place === 0,
        last: place === last,
      };
      const found = segment.number
        ? findNumber(response, at, text)
        : findText(response, at, text);
      if (!found) return undefined;
      at = found.end;
      number ||= found.number;
    }
    return number;
  }

  /**
   * The requests that a response may be valid for, by the number in it. Only so many
   * places of it are tried.
   *
   * @param count How many requests there are.
   */
  *find(
    response: string,
    count: number,
  ): Generator<{ index: number; number: number }> {
    let places = 0;
    for (const start of this.#numbersOf(response)) {
      const most = String(count).length;
      const digits = /^\d*/.exec(response.slice(start, start + most))![0];
      if (digits !== "" && places++ === MAX_PLACES) return;
      // What follows the number may begin with digits, too.
      for (let length = digits.length; length > 0; length--) {
        const index = Number(digits.slice(0, length)) - 1;
        if (index < 0 || index >= count) continue;
        const number = this.match(index, response);
        if (number !== undefined) yield { index, number };
      }
    }
  }

  /** Where the first number of the request may stand in a response. */
  *#numbersOf(response: string): Generator<number> {
    const place = this.#segments.findIndex(({ before, after }) =>
      before.length > 1 || after.length > 1
    );
    if (place < 0) return; // all requests are alike
    const { before, after } = this.#segments[place];
    const [head] = before.length > 1 ? before : after;
    if (place === 0 && before.length > 1) {
      if (response.startsWith(head)) yield head.length;
      return;
    }
    for (const start of occurrences(response, head, 0)) {
      yield start + head.length;
    }
  }
}

/** Fills in a request's number, at each response: most texts have one place or none. */
function fill(pieces: Pieces, i: string): string {
  if (pieces.length === 1) return pieces[0];
  return pieces.length === 2 ? pieces[0] + i + pieces[1] : pieces.join(i);
}

/** A segment with its request's number filled in. */
interface Text {
  before: string;
  after: string;
  /** Whether it begins or ends the response. */
  first: boolean;
  last: boolean;
}

interface Found {
  end: number;
  number: number;
}

function findText(
  response: string,
  at: number,
  { before, first, last }: Text,
): Found | undefined {
  const start = first
    ? 0
    : last
    ? response.length - before.length
    : response.indexOf(before, at);
  const end = start + before.length;
  if (start < at || !response.startsWith(before, start)) return undefined;
  return last && end !== response.length ? undefined : { end, number: 0 };
}

function findNumber(
  response: string,
  at: number,
  text: Text,
): Found | undefined {
  if (text.first) return numberAt(response, 0, text);
  for (const start of placesOf(response, at, text)) {
    const found = numberAt(response, start, text);
    if (found) return found;
  }
}

/** Where a text with a number may begin, which does not begin the response. */
function placesOf(
  response: string,
  at: number,
  { before, after, last }: Text,
): Iterable<number> {
  if (!last) return occurrences(response, before, at);
  const fixed = response.length - before.length - after.length;
  return Array.from({ length: MAX_DIGITS }, (_, i) => fixed - i - 1)
    .filter((start) => start >= at);
}

function numberAt(
  response: string,
  start: number,
  { before, after, last }: Text,
): Found | undefined {
  if (!response.startsWith(before, start)) return undefined;
  const from = start + before.length;
  for (let to = from + 1; to <= from + MAX_DIGITS; to++) {
    const end = to + after.length;
    if (last && end !== response.length) continue;
    const number = parseNumber(response.slice(from, to));
    if (number !== undefined && response.startsWith(after, to)) {
      return { end, number };
    }
  }
}

/** Where a text stands in another, from here on. */
function* occurrences(
  text: string,
  part: string,
  at: number,
): Generator<number> {
  for (
    let start = at - 1;
    (start = text.indexOf(part, start + 1)) !== -1 && start < text.length;
  ) yield start;
}
