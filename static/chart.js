/// <reference lib="dom" />

/** How often each number came: as a chart, in words and as a table. @module */

import { HIGHEST } from "./proof.js";

/** The expected count as a part of the chart's height, as in style.css. The most
 * frequent of 100 numbers reaches the top once in some 400 runs, and then the scale
 * shrinks. */
const LEVEL = 0.7;

/**
 * @param {Record<string, any>} elements
 * @param {number} aim How often each number is expected at the end of a run.
 * @returns {(counts: number[], over: boolean) => void} Draws the counts of a run, which
 * goes on or is over.
 */
export function setUpChart(
  { plot, chart, bars, ends, pointed, level, legend, reading, table },
  aim,
) {
  let counts = new Array(HIGHEST).fill(0);
  let over = false;
  /** The number under the pointer or finger; 0 for none. */
  let at = 0;

  function draw() {
    const total = counts.reduce((sum, count) => sum + count, 0);
    const told = over && total > 0;
    // While it runs, the bars grow towards a level that stays.
    const expected = told ? total / HIGHEST : aim;
    const deviation = 2 * Math.sqrt(expected * (1 - 1 / HIGHEST));
    const top = Math.max(expected / LEVEL, expected + deviation, ...counts);
    const { most, least } = extremes(counts);
    const differ = told && most !== least;
    /** @param {number} number */
    const bar = (number) =>
      `M${number - 0.85} 1V${1 - counts[number - 1] / top}h.7V1`;

    plot.style.setProperty("--level", `${100 * expected / top}%`);
    plot.style.setProperty("--deviation", `${100 * deviation / top}%`);
    const [middle, half] = [expected, deviation].map(Math.round);
    level.textContent = middle;
    legend.textContent = `${middle} ± ${half} expected`;
    legend.style.visibility = middle < 1 ? "hidden" : "";
    bars.setAttribute("d", counts.map((_, index) => bar(index + 1)).join(""));
    ends.setAttribute("d", differ ? bar(most) + bar(least) : "");
    pointed.setAttribute("d", at ? `M${at - 1} 1V0h1V1` : "");
    if (at && total > 0) {
      reading.textContent = `${at}: ${times(counts[at - 1])}`;
    } else {
      reading.textContent = differ
        ? `most ${most} (${format(counts[most - 1])}×), ` +
          `least ${least} (${format(counts[least - 1])}×)`
        : "";
    }
  }

  function describe() {
    const { most, least } = extremes(counts);
    chart.ariaLabel = "How often each number came: " +
      (counts[most - 1] === 0
        ? "nothing yet"
        : `most often ${most}, ${times(counts[most - 1])}; ` +
          `least often ${least}, ${times(counts[least - 1])}`);
    table.replaceChildren();
    for (let first = 1; first <= HIGHEST; first += 10) {
      const row = table.insertRow();
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = `${first}–${Math.min(first + 9, HIGHEST)}`;
      row.append(head);
      for (const count of counts.slice(first - 1, first + 9)) {
        row.insertCell().textContent = count;
      }
    }
  }

  /** @param {PointerEvent} event */
  const point = ({ type, clientX }) => {
    const { left, width } = chart.getBoundingClientRect();
    const number = Math.floor((clientX - left) / width * HIGHEST) + 1;
    at = type === "pointerleave" || number < 1 || number > HIGHEST ? 0 : number;
    draw();
  };
  for (const type of ["pointerdown", "pointermove", "pointerleave"]) {
    plot.addEventListener(type, point);
  }
  draw();
  describe();
  return (newCounts, isOver) => {
    [counts, over] = [newCounts, isOver];
    draw();
    if (over || counts.every((count) => count === 0)) describe();
  };
}

/** Which number came most often, and which least. @param {number[]} counts */
function extremes(counts) {
  const [most, least] = [Math.max(...counts), Math.min(...counts)]
    .map((count) => counts.indexOf(count) + 1);
  return { most, least };
}

/** @param {number} count */
function times(count) {
  return count === 0
    ? "never"
    : count === 1
    ? "once"
    : `${format(count)} times`;
}

/** @param {number} value */
export function format(value) {
  return value.toLocaleString("en", { maximumFractionDigits: 1 });
}
