/**
 * Lines for stdout, written in chunks: one `console.log` each doubles the time
 * that the client takes.
 *
 * @module
 */

/** Characters to gather before a write: beyond this the time per line no longer
 * falls. */
const CHUNK_CHARACTERS = 16_384;

/** The longest time that a line waits for its chunk to fill, in milliseconds:
 * too short for a reader to notice. */
const FLUSH_MS = 20;

/** Where the bytes go: `Deno.stdout`. */
interface Sink {
  writeSync(bytes: Uint8Array): number;
}

/** Writes lines in chunks. */
export class Output {
  #sink: Sink;
  #onBroken: () => void;
  #chunk = "";
  #timer: ReturnType<typeof setTimeout> | undefined;
  #broken = false;

  /**
   * Lines for this sink.
   *
   * @param onBroken Is called once when the reader has gone (`client | head`);
   * lines are dropped from then on.
   */
  constructor(sink: Sink, onBroken: () => void) {
    this.#sink = sink;
    this.#onBroken = onBroken;
  }

  /** Writes a line, at once or a little later. */
  line(text: string): void {
    this.#chunk += text + "\n";
    if (this.#chunk.length >= CHUNK_CHARACTERS) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), FLUSH_MS);
  }

  /** Writes what waits. Blocks while the reader is slow. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    let bytes = new TextEncoder().encode(this.#chunk);
    this.#chunk = "";
    while (bytes.length > 0 && !this.#broken) {
      try {
        bytes = bytes.subarray(this.#sink.writeSync(bytes));
      } catch (error) {
        if (error instanceof Deno.errors.WouldBlock) {
          sleep(1); // a terminal that another program made non-blocking
          continue;
        }
        this.#broken = true;
        this.#onBroken();
      }
    }
  }
}

/** Blocks for this many milliseconds. */
function sleep(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
