/**
 * The progress bar, from its first drawing to its last.
 *
 * @module
 */

import { cut } from "../text.ts";
import { columns } from "./terminal.ts";

/** The bar is drawn this often, in milliseconds. */
const DRAW_MS = 100;

/** Columns of the progress bar itself, where there is room. */
const BAR_WIDTH = 30;

/** How far a run has come. */
export interface Progress {
  done: number;
  total: number;
  /** How long it is to take, if its time is limited. */
  seconds?: number;
  /** Shown in place of the rate. */
  state?: string;
}

/** Draws a bar on stderr, a terminal, until `stop` is called. */
export function showProgress(
  look: () => Progress,
): { clear(): void; stop(): void } {
  const startedAt = performance.now();
  const timer = setInterval(() => {
    const seconds = (performance.now() - startedAt) / 1000;
    draw(progressLine(look(), seconds, columns()));
  }, DRAW_MS);
  const clear = () => draw("");
  return {
    clear,
    stop() {
      clearInterval(timer);
      clear();
    },
  };
}

function draw(text: string): void {
  try {
    Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[K${text}`));
  } catch {
    // A terminal that takes nothing now, or is gone: this drawing is left out.
  }
}

/**
 * One line that tells how far a run has come.
 *
 * @param seconds Since its start.
 * @param columns Of the terminal; the line is shorter.
 */
export function progressLine(
  { done, total, seconds: limit, state }: Progress,
  seconds: number,
  columns: number,
): string {
  const rate = seconds > 0 ? done / seconds : 0;
  const byCount = (total - done) / rate;
  const left = Math.min(byCount, (limit ?? Infinity) - seconds);
  const part = Math.min(
    1,
    Math.max(done / total, seconds / (limit ?? Infinity)),
  );
  const doneText = Number.isFinite(total) ? `${done}/${total}` : `${done}`;
  const leftText = rate > 0 ? `  ${Math.max(0, Math.ceil(left))} s left` : "";
  const text = `${doneText}  ${state ?? `${Math.round(rate)}/s${leftText}`}`;
  const width = Math.min(BAR_WIDTH, columns - text.length - 2);
  if (width < 4) return cut(text, columns - 1);
  const filled = Math.floor(width * part);
  return `${"█".repeat(filled)}${"░".repeat(width - filled)} ${text}`;
}
