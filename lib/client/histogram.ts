/**
 * The bar chart of the numbers received, for a terminal.
 *
 * @module
 */

/** Lines of the highest bar. */
const HEIGHT = 8;

/** Cells that are filled from below by 0 to 8 eighths. */
const EIGHTHS = " ▁▂▃▄▅▆▇█";

/** Marks the level that is expected of uniform numbers, where no bar covers it. */
const EXPECTED = "┈";

/**
 * Draws one bar for each count, in several bands if they do not fit side by side.
 *
 * @param counts How often each number came, from 1 on.
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
    const [ticks, numbers] = axis(first, part.length);
    lines.push(`${" ".repeat(margin)} └${ticks}`);
    lines.push(`${" ".repeat(margin)}  ${numbers}`);
  }
  return lines.join("\n");
}

/** A tick below every tenth number and the last one, and these numbers. */
function axis(first: number, length: number): [ticks: string, numbers: string] {
  let [ticks, numbers] = ["", ""];
  for (let from = 0; from < length; from += 10) {
    const columns = Math.min(10, length - from);
    ticks += `${"─".repeat(columns - 1)}┴`;
    const number = String(first + from + columns);
    if (number.length <= columns) numbers += number.padStart(columns);
  }
  return [ticks, numbers];
}
