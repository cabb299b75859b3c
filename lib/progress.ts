/**
 * The progress bar.
 *
 * @module
 */

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
