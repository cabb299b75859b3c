/**
 * What the client shows at a terminal: lines on stdout, the progress bar and the
 * histogram.
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

/** Cells of the bar itself. */
const BAR_WIDTH = 30;

/**
 * One line that tells how far a run has come.
 *
 * @param seconds Since its start.
 */
export function progressLine(
  done: number,
  total: number,
  seconds: number,
): string {
  const filled = Math.floor(BAR_WIDTH * done / total);
  const bar = "█".repeat(filled) + "░".repeat(BAR_WIDTH - filled);
  const rate = seconds > 0 ? done / seconds : 0;
  const left = rate > 0 ? `${Math.ceil((total - done) / rate)} s left` : "";
  return `${bar} ${done}/${total}  ${Math.round(rate)}/s  ${left}`.trimEnd();
}

/** Lines that a bar may take. */
const HEIGHT = 8;

/** A cell filled from below by no, one, … eight eighths. */
const EIGHTHS = " ▁▂▃▄▅▆▇█";

/** The level that uniform numbers are expected at, where no bar covers it. */
const EXPECTED = "┈";

/**
 * Draws one bar for each count, in as many bands as the width asks for.
 *
 * @param counts How often each of the numbers 1 to 100 came.
 * @param width Columns of the terminal.
 */
export function histogram(counts: number[], width: number): string {
  const highest = Math.max(1, ...counts);
  const expected = counts.reduce((sum, n) => sum + n, 0) / counts.length;
  const expectedLine = Math.ceil(expected / highest * HEIGHT) - 1;
  const label = (line: number) =>
    line === HEIGHT - 1
      ? String(highest)
      : line === expectedLine
      ? Number(expected.toFixed(1)).toString()
      : "";
  const margin = Math.max(label(HEIGHT - 1).length, label(expectedLine).length);

  // Bands alike in length, of a whole number of tens so that the axis reads well.
  const most = Math.max(10, Math.floor((width - margin - 2) / 10) * 10);
  const bands = Math.ceil(counts.length / most);
  const band = Math.ceil(counts.length / bands / 10) * 10;

  const lines: string[] = [];
  for (let first = 0; first < counts.length; first += band) {
    const part = counts.slice(first, first + band);
    for (let line = HEIGHT - 1; line >= 0; line--) {
      const cells = part.map((n) => {
        const eighths = Math.round(n / highest * HEIGHT * 8) - line * 8;
        const cell = EIGHTHS[Math.max(0, Math.min(8, eighths))];
        return cell === " " && line === expectedLine ? EXPECTED : cell;
      });
      lines.push(`${label(line).padStart(margin)} │${cells.join("")}`);
    }
    const tens = Array.from(
      { length: part.length / 10 },
      (_, index) => String(first + (index + 1) * 10).padStart(10),
    );
    lines.push(`${" ".repeat(margin)} └${"─────────┴".repeat(tens.length)}`);
    lines.push(`${" ".repeat(margin)}  ${tens.join("")}`);
  }
  return lines.join("\n");
}
