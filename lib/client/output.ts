/**
 * What is shown at a terminal: lines on stdout, the progress bar and the histogram.
 *
 * @module
 */

import { setTimeout as delay } from "node:timers/promises";
import { cut } from "../text.ts";

/** Characters to gather before a write: with more, the time per line is the same. */
const CHUNK_CHARACTERS = 16_384;

/** How long a line may wait for its chunk to fill, in milliseconds: too short to be
 * noticed. */
const FLUSH_MS = 20;

/** Characters that may wait for a slow reader. */
const FULL_CHARACTERS = 1_048_576;

/** Where the bytes go: `Deno.stdout`. */
interface Sink {
  write(bytes: Uint8Array): Promise<number>;
}

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

/** Columns of the progress bar itself, where there is room. */
const BAR_WIDTH = 30;

/**
 * One line that tells how far a run has come.
 *
 * @param seconds Since its start.
 * @param columns Of the terminal; the line is shorter.
 * @param state Shown in place of the rate.
 */
export function progressLine(
  done: number,
  total: number,
  seconds: number,
  columns: number,
  state?: string,
): string {
  const rate = seconds > 0 ? done / seconds : 0;
  const left = rate > 0 ? `  ${Math.ceil((total - done) / rate)} s left` : "";
  const text = `${done}/${total}  ${state ?? `${Math.round(rate)}/s${left}`}`;
  const width = Math.min(BAR_WIDTH, columns - text.length - 2);
  if (width < 4) return cut(text, columns - 1);
  const filled = Math.floor(width * done / total);
  return `${"█".repeat(filled)}${"░".repeat(width - filled)} ${text}`;
}

/** Lines of the highest bar. */
const HEIGHT = 8;

/** Cells that are filled from below by 0 to 8 eighths. */
const EIGHTHS = " ▁▂▃▄▅▆▇█";

/** Marks the level that is expected of uniform numbers, where no bar covers it. */
const EXPECTED = "┈";

/**
 * Draws one bar for each count, in several bands if they do not fit side by side.
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

  // Bands of one length, a multiple of ten for the axis.
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
