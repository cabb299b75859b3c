/**
 * Lines for the operator, few enough not to fill a disk: the first event of a kind
 * is printed at once, further ones are counted and printed once a minute.
 *
 * @module
 */

import { deadline } from "@std/async/deadline";
import { Lines, type Sink } from "../lines.ts";
import { cut, escapeText, oneLine } from "../text.ts";

/** The shortest time between two lines of a kind, in milliseconds. */
const INTERVAL_MS = 60_000;

/** A line is cut to this many characters; part of it may come from a peer. */
const MAX_CHARACTERS = 500;

/** How long the last lines may take, in milliseconds: on a busy machine more than a
 * moment, and for ever if nobody reads them. */
const LAST_MS = 1000;

/** Lines for people, or for programs that collect them: an object each. */
export type LogFormat = "text" | "json";

/** What an operator should know. */
export interface Notice {
  /** Those of one kind are counted together: `refusal_origin`, `close_1003`. */
  kind: string;
  /** What has happened, so many times. */
  what: (count: number) => string;
  /** Why; of several, why the last. It may hold text of a peer. */
  why: string;
  /** Who caused it; of several, the last. */
  peer?: string;
}

/** Notices of one kind. */
interface Kind {
  last: Notice;
  /** How many have not been printed. */
  untold: number;
  timer: ReturnType<typeof setInterval>;
}

export class Notices {
  #kinds = new Map<string, Kind>();
  #format: LogFormat;
  #lines: Lines;
  #dropped = 0;

  constructor(format: LogFormat, sink: Sink = Deno.stderr) {
    this.#format = format;
    this.#lines = new Lines(sink);
  }

  /** Prints a notice, now or within a minute. */
  add(notice: Notice): void {
    const known = this.#kinds.get(notice.kind);
    if (known) {
      known.untold++;
      known.last = notice;
      return;
    }
    this.#print(notice, 1);
    const kind: Kind = {
      last: notice,
      untold: 0,
      timer: setInterval(() => {
        if (this.#printUntold(kind)) return;
        clearInterval(kind.timer);
        this.#kinds.delete(notice.kind);
      }, INTERVAL_MS),
    };
    this.#kinds.set(notice.kind, kind);
  }

  /** Prints what was only counted, and waits a moment until it is written. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const kind of this.#kinds.values()) {
      this.#printUntold(kind);
      clearInterval(kind.timer);
    }
    await deadline(this.#lines.written, LAST_MS).catch(() => {});
  }

  /** Returns whether there was something to print. */
  #printUntold(kind: Kind): boolean {
    if (kind.untold === 0) return false;
    this.#print(kind.last, kind.untold);
    kind.untold = 0;
    return true;
  }

  #print(notice: Notice, count: number): void {
    if (this.#dropped > 0 && this.#write(dropped(this.#dropped), 1)) {
      this.#dropped = 0;
    }
    if (!this.#write(notice, count)) this.#dropped++;
  }

  /** Returns whether there is room for it. */
  #write({ kind, what, why, peer }: Notice, count: number): boolean {
    const harmless = (text: string) =>
      cut(escapeText(oneLine(text)), MAX_CHARACTERS);
    const last = count > 1 ? "the last" : "";
    if (this.#format === "json") {
      const message = harmless(`${what(count)}${last && `, ${last}`}: ${why}`);
      const from = peer && harmless(peer);
      return this.#lines.write(
        jsonLine({ kind, count, message, peer: from }),
      );
    }
    const who = [last, peer && `from ${peer}`].filter(Boolean).join(" ");
    const text = `${what(count)}${who && `, ${who}`}: ${why}`;
    return this.#lines.write(`ws-random: ${harmless(text)}`);
  }
}

/** A line on stdout: the message alone, or an object. */
export function stdoutLine(
  format: LogFormat,
  kind: string,
  message: string,
): string {
  return format === "json" ? jsonLine({ kind, count: 1, message }) : message;
}

function jsonLine(
  event: { kind: string; count: number; message: string; peer?: string },
): string {
  return JSON.stringify({ time: new Date().toISOString(), ...event });
}

function dropped(lines: number): Notice {
  return {
    kind: "dropped",
    what: () => `${lines} lines before this one are lost`,
    why: "stderr was not read",
  };
}
