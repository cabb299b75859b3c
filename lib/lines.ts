/**
 * Lines to stdout or stderr, without waiting for whoever reads them.
 *
 * @module
 */

import { delay } from "@std/async/delay";

/** Where bytes go: `Deno.stdout` or `Deno.stderr`. */
export interface Sink {
  write(bytes: Uint8Array): Promise<number>;
}

/** Characters that may wait for a stream that nobody reads. */
const MOST_WAITING = 65_536;

/** A stream's writer that never makes its caller wait: not for a pipe that nobody
 * reads, nor for a full disk. `console.log` does, and with it the whole program. */
export class Lines {
  #sink: Sink;
  #waiting = "";
  #writing: Promise<void> | undefined;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  /**
   * Writes a line as soon as the sink takes it.
   *
   * @returns Whether there is room for it; without, it is dropped.
   */
  write(line: string): boolean {
    if (this.#waiting.length + line.length > MOST_WAITING) return false;
    this.#waiting += `${line}\n`;
    this.#writing ??= this.#write();
    return true;
  }

  /** Resolves when nothing waits any more. */
  get written(): Promise<void> {
    return this.#writing ?? Promise.resolve();
  }

  async #write(): Promise<void> {
    while (this.#waiting !== "") {
      const bytes = new TextEncoder().encode(this.#waiting);
      this.#waiting = "";
      // Closed, or a full disk: then there is nobody to tell.
      await writeAll(this.#sink, bytes).catch(() => {});
    }
    this.#writing = undefined;
  }
}

/** Writes all of these bytes. */
export async function writeAll(sink: Sink, bytes: Uint8Array): Promise<void> {
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(await sink.write(bytes));
    } catch (error) {
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
      await delay(1); // a terminal that another program made non-blocking
    }
  }
}
