/**
 * Lines for the operator, few enough not to fill a disk: the first event of a kind
 * is printed at once, further ones are counted and printed once a minute.
 *
 * @module
 */

import { complain, cut } from "../text.ts";

/** The shortest time between two lines of a kind, in milliseconds. */
const INTERVAL_MS = 60_000;

/** A line is cut to this many characters; part of it may come from a peer. */
const MAX_CHARACTERS = 300;

/** Events of one kind. */
interface Kind {
  /** How many have not been printed. */
  untold: number;
  /** Returns the line for this many of them. */
  line: (count: number) => string;
  timer: ReturnType<typeof setInterval>;
}

export class Notices {
  #kinds = new Map<string, Kind>();

  /**
   * Prints an event, now or within a minute.
   *
   * @param name Events of the same name are counted together.
   * @param line Returns the line for this many events; it may hold text of a peer.
   */
  add(name: string, line: (count: number) => string): void {
    const kind = this.#kinds.get(name);
    if (kind) {
      kind.untold++;
      kind.line = line;
      return;
    }
    print(line(1));
    const first: Kind = {
      untold: 0,
      line,
      timer: setInterval(() => {
        if (printUntold(first)) return;
        clearInterval(first.timer);
        this.#kinds.delete(name);
      }, INTERVAL_MS),
    };
    Deno.unrefTimer(first.timer);
    this.#kinds.set(name, first);
  }

  /** Prints what was only counted. */
  [Symbol.dispose](): void {
    for (const kind of this.#kinds.values()) {
      printUntold(kind);
      clearInterval(kind.timer);
    }
    this.#kinds.clear();
  }
}

/** Returns whether there was something to print. */
function printUntold(kind: Kind): boolean {
  if (kind.untold === 0) return false;
  print(kind.line(kind.untold));
  kind.untold = 0;
  return true;
}

function print(text: string): void {
  complain(cut(text, MAX_CHARACTERS));
}
