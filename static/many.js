// @ts-check
/// <reference lib="dom" />

/**
 * 10,000 requests in a row, counted and drawn.
 *
 * @module
 */

import { PATIENCE_MS } from "./connection.js";
import { parseResponse, uniformity } from "./proof.js";
import { element } from "./element.js";

/** @import { Connection } from "./connection.js" */

/** Requests of a run. */
const COUNT = 10_000;
/** Requests in flight at most, as the client has. */
const WINDOW = 1000;
/** The chart is drawn at least this often, in milliseconds. Sending pauses for it:
 * WebKit may draw nothing while messages come. */
const DRAWN_MS = 100;
/** The expected level as a part of the chart's height, at the most: the most frequent
 * of 100 numbers reaches the top once in some 400 runs, and then the scale shrinks. */
const EXPECTED_LEVEL = 0.7;
/** A press of Stop within this after Send is half of a double click, in
 * milliseconds. */
const DOUBLE_CLICK_MS = 500;

/** @type {SVGRectElement[]} */
const bars = Array.from({ length: 100 }, (_, index) => {
  const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  bar.setAttribute("x", String(index + 0.15));
  bar.setAttribute("width", "0.7");
  element("bars").append(bar);
  return bar;
});

for (const number of [1, 25, 50, 75, 100]) {
  const label = document.createElement("span");
  label.textContent = String(number);
  label.style.left = `${number - 0.5}%`; // below the middle of its bar
  element("axis").append(label);
}

/**
 * @typedef {object} Run
 * @property {number} sent
 * @property {number} answered Valid responses.
 * @property {number} invalid Responses that are not.
 * @property {number[]} counts How often each of the numbers 1 to 100 came.
 * @property {number} startedAt Milliseconds.
 * @property {number} endedAt When the last response came, in milliseconds.
 * @property {number} drawnAt Milliseconds.
 * @property {boolean} stopped By the user.
 * @property {boolean} over
 */

/** @param {Connection} connection */
export function setUpMany(connection) {
  drawRun({ ...createRun(), counts: new Array(100).fill(COUNT / 100) });
  drawTable(createRun().counts);
  element("many").addEventListener("click", async () => {
    exchange("many", "stop");
    const run = createRun();
    drawTable(run.counts);
    say("Sending …", false); // the outcome before must not outlast the press
    let frame = requestAnimationFrame(function draw() {
      const waits = performance.now() - run.endedAt > PATIENCE_MS;
      say(waits ? "Waiting for answers." : "Sending …", false);
      drawRun(run);
      frame = requestAnimationFrame(draw);
    });
    const end = await sendAll(connection, run).catch(({ message }) => message);
    cancelAnimationFrame(frame);
    run.over = true;
    drawRun(run);
    drawTable(run.counts);
    sayOutcome(run, end);
    exchange("stop", "many");
  });
  // A key held down is one press.
  element("run").addEventListener(
    "keydown",
    (/** @type {KeyboardEvent} */ event) => {
      if (event.repeat && event.key !== "Tab") event.preventDefault();
    },
  );
}

/**
 * @param {Run} run
 * @param {string | undefined} end What ended the run before its time.
 */
function sayOutcome({ answered, invalid, stopped, counts }, end) {
  const { verdict, text } = uniformity(counts);
  const proven = end === undefined && invalid === 0;
  say(
    `${format(answered)} of ${format(COUNT)} answered` +
      (proven ? ", each checked" : "") +
      (invalid > 0 ? `, ${format(invalid)} invalid` : "") +
      (end === undefined ? `; ${text}.` : `, then ${end}.`),
    proven ? verdict === "impossible" : !stopped || invalid > 0,
  );
}

/** @returns {Run} */
function createRun() {
  const now = performance.now();
  return {
    sent: 0,
    answered: 0,
    invalid: 0,
    counts: new Array(100).fill(0),
    startedAt: now,
    endedAt: now,
    drawnAt: now,
    stopped: false,
    over: false,
  };
}

/**
 * Sends all requests of a run and checks each response against its own request.
 *
 * @param {Connection} connection
 * @param {Run} run
 * @returns {Promise<void>} Rejected with what ended the run before.
 */
function sendAll(connection, run) {
  /** Sends the next request when the one before has its answer. */
  const sendInTurn = async () => {
    while (run.sent < COUNT && !run.stopped) {
      const request = `Message ${++run.sent}`;
      const response = await connection.request(request);
      if (!run.stopped) count(run, parseResponse(request, response));
      const late = performance.now() - run.drawnAt > DRAWN_MS;
      if (late && !document.hidden) await new Promise(requestAnimationFrame);
    }
  };
  return new Promise((resolve, reject) => {
    element("stop").onclick = (/** @type {MouseEvent} */ { timeStamp }) => {
      if (timeStamp - run.startedAt < DOUBLE_CLICK_MS) return;
      run.stopped = true;
      reject(new Error("stopped"));
    };
    Promise.all(Array.from({ length: WINDOW }, sendInTurn))
      .then(() => resolve(), reject);
  });
}

/**
 * @param {Run} run
 * @param {number | undefined} number
 */
function count(run, number) {
  run.endedAt = performance.now();
  if (number === undefined) run.invalid++;
  else {
    run.answered++;
    run.counts[number - 1]++;
  }
}

/** @param {Run} run */
function drawRun(run) {
  const { answered, invalid, counts, startedAt, endedAt, over } = run;
  run.drawnAt = performance.now();
  const seconds = (endedAt - startedAt) / 1000;
  const rate = seconds > 0 ? format(Math.round(answered / seconds)) : "–";
  element("progress").value = answered;
  element("answered").textContent = format(answered);
  element("invalid").textContent = format(invalid);
  element("seconds").textContent = seconds > 0 ? seconds.toFixed(2) : "–";
  element("rate").textContent = rate;

  // While it runs, the bars grow towards a line that stays.
  const expected = (over && answered || COUNT) / counts.length;
  const top = Math.max(expected / EXPECTED_LEVEL, ...counts);
  element("expected").style.bottom = `${expected / top * 100}%`;
  element("level").textContent = format(expected);
  counts.forEach((count, index) => {
    const height = count / top;
    bars[index].setAttribute("height", String(height));
    bars[index].setAttribute("y", String(1 - height));
  });
}

/**
 * The chart in words and as a table.
 *
 * @param {number[]} counts
 */
function drawTable(counts) {
  const [most, least] = [Math.max(...counts), Math.min(...counts)];
  element("chart").setAttribute(
    "aria-label",
    "How often each number came: " + (most === 0 ? "nothing yet" : (
      `most often ${counts.indexOf(most) + 1}, ${times(most)}; ` +
      `least often ${counts.indexOf(least) + 1}, ${times(least)}`
    )),
  );
  element("table").replaceChildren(
    ...Array.from({ length: 10 }, (_, ten) => {
      const row = document.createElement("tr");
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = `${ten * 10 + 1}–${ten * 10 + 10}`;
      row.append(head);
      for (const count of counts.slice(ten * 10, ten * 10 + 10)) {
        row.insertCell().textContent = String(count);
      }
      return row;
    }),
  );
}

/**
 * Shows one button in the other's place, and gives it the focus if that had it.
 *
 * @param {string} from
 * @param {string} to
 */
function exchange(from, to) {
  const hadFocus = document.activeElement === element(from);
  element(to).hidden = false;
  if (hadFocus) element(to).focus();
  element(from).hidden = true;
}

/**
 * @param {string} text
 * @param {boolean} bad
 */
function say(text, bad) {
  if (element("outcome").textContent === text) return; // said already
  element("outcome").textContent = text;
  element("outcome").classList.toggle("bad", bad);
}

/** @param {number} count */
function times(count) {
  return count === 0 ? "never" : count === 1 ? "once" : `${count} times`;
}

/** @param {number} value */
function format(value) {
  return value.toLocaleString("en", { maximumFractionDigits: 1 });
}
