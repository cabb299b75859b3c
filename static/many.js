/// <reference lib="dom" />

/** 10,000 requests in a row, each response checked. @module */

import { format, setUpChart } from "./chart.js";
import { PATIENCE_MS } from "./connection.js";
import { HIGHEST, parseResponse, uniformity } from "./proof.js";

/** Requests of a run. */
const COUNT = 10_000;
/** Requests in flight at most, as the client has. */
const WINDOW = 1000;
/** The run is drawn at least this often, in milliseconds. Sending pauses for it: WebKit
 * may draw nothing while messages come. */
const DRAWN_MS = 100;
/** What ends a run at the user's wish. */
const STOPPED = "stopped";

/** A run, as far as it has come. */
class Run {
  sent = 0;
  /** The number of the last request that was answered. */
  last = 0;
  /** Responses that answer no request. */
  invalid = 0;
  /** How often each number came. @type {number[]} */
  counts = new Array(HIGHEST).fill(0);
  /** From request to valid response, in milliseconds. @type {number[]} */
  latencies = [];
  startedAt = performance.now();
  /** When the last response came. */
  endedAt = this.startedAt;
  drawnAt = this.startedAt;
  over = false;
}

/**
 * @param {import("./connection.js").Connection} connection
 * @param {Record<string, any>} elements
 */
export function setUpMany(connection, elements) {
  const { many, outcome, verdict, detail, progress } = elements;
  const drawChart = setUpChart(elements, COUNT / HIGHEST);

  /** @param {Run} run */
  function draw(run) {
    const { latencies, invalid, counts, startedAt, endedAt, over } = run;
    run.drawnAt = performance.now();
    const seconds = (endedAt - startedAt) / 1000;
    const sorted = over ? latencies.toSorted((a, b) => a - b) : [];
    const figures = {
      answered: format(latencies.length),
      invalid: format(invalid),
      seconds: seconds > 0 ? seconds.toFixed(2) : "–",
      rate: seconds > 0 ? format(Math.round(latencies.length / seconds)) : "–",
      p50: percentile(sorted, 0.5),
      p99: percentile(sorted, 0.99),
    };
    for (const [id, text] of Object.entries(figures)) {
      elements[id].textContent = text;
    }
    progress.value = latencies.length;
    drawChart(counts, over);
  }

  /** @param {string[]} outcome */
  function say([state, headline, text]) {
    if (verdict.textContent === headline && detail.textContent === text) return;
    outcome.dataset.state = state;
    verdict.textContent = headline;
    detail.textContent = text;
  }

  /** Ends the run that goes on. @type {((why: string) => void) | undefined} */
  let stop;
  many.addEventListener("click", async (/** @type {MouseEvent} */ event) => {
    if (event.detail === 2) return; // the second half of a double click
    if (stop) return stop(STOPPED);
    const run = new Run();
    many.textContent = "Stop";
    detail.textContent = "Every response is checked against its own request.";
    (function frame() {
      if (run.over) return;
      const waits = performance.now() - run.endedAt > PATIENCE_MS;
      const doing = !waits
        ? "Sending"
        : connection.state === "connected"
        ? "Waiting for answers"
        : "Connecting";
      say(["running", `${doing} …`, detail.textContent]);
      draw(run);
      requestAnimationFrame(frame);
    })();
    const end = await new Promise((resolve) => {
      stop = resolve;
      sendAll(connection, run).then(resolve, ({ message }) => resolve(message));
    });
    stop = undefined;
    run.over = true;
    many.textContent = "Send 10,000";
    draw(run);
    say(outcomeOf(run, end));
  });
}

/** Sends all requests of a run and checks each response against its own request.
 * Rejected with what ended the run before its time.
 *
 * @param {import("./connection.js").Connection} connection @param {Run} run */
async function sendAll(connection, run) {
  await connection.opened();
  run.startedAt = run.endedAt = performance.now();
  const onInvalid = () => run.invalid++;
  /** Sends the next request when the one before has its answer. */
  const sendInTurn = async () => {
    while (run.sent < COUNT && !run.over) {
      const sent = ++run.sent;
      const request = `Message ${sent}`;
      const { response, ms } = await connection.request(request, onInvalid);
      if (run.over) return;
      run.endedAt = performance.now();
      run.last = Math.max(run.last, sent);
      run.counts[Number(parseResponse(request, response)) - 1]++;
      run.latencies.push(ms);
      if (run.endedAt - run.drawnAt > DRAWN_MS) await nextFrame();
    }
  };
  await Promise.all(Array.from({ length: WINDOW }, sendInTurn));
}

/** @type {Promise<unknown> | undefined} */
let frame;

/** Waits for the next frame; there is none in a tab that is hidden. */
async function nextFrame() {
  if (document.hidden) return;
  frame ??= new Promise((resolve) => {
    requestAnimationFrame(resolve);
    addEventListener("visibilitychange", resolve, { once: true });
  }).finally(() => frame = undefined);
  await frame;
}

/** The outcome of a run, in the client's words.
 *
 * @param {Run} run @param {string | undefined} end What ended it before its time. */
function outcomeOf({ latencies, last, invalid, counts }, end) {
  const { verdict, text } = uniformity(counts);
  const [answered, all] = [latencies.length, COUNT].map(format);
  // A request is lost when a younger one was answered.
  const faults = Object.entries({ lost: last - latencies.length, invalid })
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${format(count)} ${name}`).join(", ");
  const whole = `${answered} of ${all} requests answered` +
    (faults ? `: ${faults}` : end ? "" : " exactly once") +
    (end ? `, then ${end}; ${text}` : `; ${text}`);
  if (faults || verdict === "impossible" || (end && end !== STOPPED)) {
    return ["failed", "Failed", whole];
  }
  return end
    ? ["stopped", "Stopped", whole]
    : ["done", `${all} checked`, whole];
}

/** By the nearest rank: the smallest that this part does not exceed.
 * @param {number[]} sorted @param {number} part */
function percentile(sorted, part) {
  const ms = sorted[Math.ceil(part * sorted.length) - 1];
  return ms === undefined ? "–" : format(ms);
}
