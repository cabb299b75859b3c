/**
 * Bar charts for a terminal: of the numbers received, and of the latencies.
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

/** The bounds of the latencies' bars after a power of ten, as its multiples. */
const STEPS = [2, 5, 10];

/**
 * Draws one bar for the latencies up to 1 ms, one for those from there to 2 ms, then to
 * 5 ms, and so on: a logarithmic scale, since the slowest are far from the rest.
 *
 * @param values Sorted.
 * @param width Columns of the terminal.
 */
export function latencyHistogram(
  values: Iterable<{ milliseconds: number; count: number }>,
  width: number,
): string {
  const bars: { bound: number; count: number }[] = [];
  for (const { milliseconds, count } of values) {
    const bound = boundOf(milliseconds);
    for (
      let last = bars.at(-1)?.bound;
      last === undefined || last < bound;
      last = bars.at(-1)!.bound
    ) {
      bars.push({
        bound: last === undefined ? bound : nextBound(last),
        count: 0,
      });
    }
    bars[bars.length - 1].count += count;
  }
  const highest = Math.max(...bars.map(({ count }) => count));
  const labels = bars.map(({ bound }) => `to ${bound} ms`);
  const margin = Math.max(...labels.map(({ length }) => length));
  const most = Math.max(1, width - margin - String(highest).length - 3);
  return bars.map(({ count }, i) => {
    const eighths = Math.ceil(count / highest * most * 8);
    const bar = "█".repeat(eighths >> 3) + PARTS[eighths & 7];
    return `${labels[i].padStart(margin)} │${bar} ${count}`;
  }).join("\n");
}

/** Cells that are filled from the left by 0 to 7 eighths. */
const PARTS = ["", ..."▏▎▍▌▋▊▉"];

/** The least bound that a latency does not exceed. */
function boundOf(milliseconds: number): number {
  let bound = 0.001;
  while (bound < milliseconds) bound = nextBound(bound);
  return bound;
}

function nextBound(bound: number): number {
  const power = 10 ** Math.floor(Math.log10(bound) + 1e-9);
  const step = STEPS.find((step) => step * power > bound * 1.1)!;
  return Number((step * power).toPrecision(1));
}
