/**
 * Lines for the operator that cannot fill a disk: the first of a kind at once,
 * and then at most one a minute, which tells how many there were.
 *
 * @module
 */

import { complain } from "./command.ts";
import { cut } from "./terminal.ts";

/** The shortest time between two lines of a kind, in milliseconds. */
const INTERVAL_MS = 60_000;

/** A line is cut to this many characters; part of it may come from a peer. */
const MAX_CHARACTERS = 300;

/** Events of one kind. */
interface Kind {
  /** How many have not been told yet. */
  untold: number;
  /** The line for so many of them. */
  line: (count: number) => string;
  timer: ReturnType<typeof setInterval>;
}

/** What happens on a server that its operator should know. */
export class Notices {
  #kinds = new Map<string, Kind>();

  /**
   * Tells of an event, now or within a minute.
   *
   * @param name What is counted together.
   * @param line The line for so many events; it may hold text of a peer.
   */
  add(name: string, line: (count: number) => string): void {
    const kind = this.#kinds.get(name);
    if (kind) {
      kind.untold++;
      kind.line = line;
      return;
    }
    print(line(1));
    const timer = setInterval(() => this.#tell(name), INTERVAL_MS);
    Deno.unrefTimer(timer);
    this.#kinds.set(name, { untold: 0, line, timer });
  }

  /** Tells what has not been told, and forgets. */
  [Symbol.dispose](): void {
    for (const name of this.#kinds.keys()) {
      this.#tell(name); // what was untold is told now,
      this.#tell(name); // and a kind with nothing untold is forgotten
    }
  }

  #tell(name: string): void {
    const kind = this.#kinds.get(name);
    if (!kind) return;
    if (kind.untold > 0) {
      print(kind.line(kind.untold));
      kind.untold = 0;
    } else {
      clearInterval(kind.timer);
      this.#kinds.delete(name);
    }
  }
}

/** `1 handshake`, `2 handshakes` */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count > 1 ? "s" : ""}`;
}

function print(text: string): void {
  complain(cut(text, MAX_CHARACTERS));
}
