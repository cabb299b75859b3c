/**
 * The progress bar.
 *
 * @module
 */

import { cut } from "../text.ts";

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
