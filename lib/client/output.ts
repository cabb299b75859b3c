/**
 * Lines on stdout, without waiting for whoever reads them.
 *
 * @module
 */

import { type Sink, writeAll } from "../lines.ts";

/** Characters to gather before a write: with more, the time per line is the same. */
const CHUNK_CHARACTERS = 16_384;

/** How long a line may wait for its chunk to fill, in milliseconds: too short to be
 * noticed. */
const FLUSH_MS = 20;

/** Characters that may wait for a slow reader. */
const FULL_CHARACTERS = 1_048_576;

interface OutputListener {
  /** Too much waits for a slow reader. */
  onFull(): void;
  /** Nothing waits any more. */
  onEmpty(): void;
  /** The sink is gone; lines are dropped from now on. */
  onBroken(): void;
}

/** Writes lines in chunks, without waiting for a slow reader. */
export class Output {
  #sink: Sink;
  #listener: OutputListener;
  #chunk = "";
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writing: Promise<void> | undefined;
  #full = false;
  /** Why the sink is gone. */
  broken: Error | undefined;

  constructor(sink: Sink, listener: OutputListener) {
    this.#sink = sink;
    this.#listener = listener;
  }

  /** Writes a line, at once or a little later. */
  line(text: string): void {
    if (this.broken) return;
    this.#chunk += text + "\n";
    if (this.#chunk.length < CHUNK_CHARACTERS) {
      this.#timer ??= setTimeout(() => this.flush(), FLUSH_MS);
      return;
    }
    this.flush();
    if (!this.#full && this.#chunk.length >= FULL_CHARACTERS) {
      this.#full = true;
      this.#listener.onFull();
    }
  }

  /** Writes what waits, and resolves when that is done or cannot be done. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#chunk !== "") this.#writing ??= this.#write();
    return this.#writing ?? Promise.resolve();
  }

  async #write(): Promise<void> {
    try {
      while (this.#chunk !== "") {
        const bytes = new TextEncoder().encode(this.#chunk);
        this.#chunk = "";
        await writeAll(this.#sink, bytes);
      }
    } catch (error) {
      this.broken = error as Error;
      this.#chunk = "";
      this.#listener.onBroken();
    }
    this.#writing = undefined;
    if (this.#full) this.#listener.onEmpty();
    this.#full = false;
  }
}
