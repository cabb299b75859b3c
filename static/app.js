// @ts-check
/// <reference lib="dom" />

/**
 * The page: one request at the press of a button, or 10,000 in a row.
 *
 * @module
 */

import { chiSquare, parseResponse, pValue } from "./proof.js";

/** The delay before the first reconnect, in milliseconds, at the most. */
const BACKOFF_MS = 250;
/** The longest delay, in milliseconds. */
const MAX_BACKOFF_MS = 5000;
/** A connection that gives no answer for so long is dead, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** Requests of a run. */
const COUNT = 10_000;
/** Unanswered requests that a run has under way at most, as the client has. */
const WINDOW = 1000;
/** Where the chart has the expected level, as a part of its height, so that
 * the bars settle on a line that stays. */
const EXPECTED_LEVEL = 0.6;
/** The chart's height in its own units; its width is one for each number. */
const CHART_HEIGHT = 40;

/**
 * @param {string} id
 * @returns {any} The element; its kind is in index.html.
 */
const element = (id) => document.getElementById(id);

/** `ws:` or, behind https, `wss:` */
const ENDPOINT = new URL("/ws", location.href.replace(/^http/, "ws")).href;

// The connection: held open, and opened again when it breaks.

/** @type {WebSocket | undefined} */
let socket;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let retry;
let failures = 0;

function connect() {
  clearTimeout(retry);
  retry = undefined;
  const opening = socket = new WebSocket(ENDPOINT);
  if (failures === 0) show("connecting");
  opening.onopen = () => {
    failures = 0;
    show("connected");
  };
  opening.onmessage = ({ data }) => receive(data);
  opening.onclose = () => {
    opening.onclose = opening.onmessage = null; // it may have been given up before
    abandonWaiting();
    const first = failures++ === 0;
    show(first && navigator.onLine ? "connecting" : "offline");
    const most = Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** (failures - 1));
    retry = setTimeout(connect, Math.random() * most);
  };
}

/** Tries at once instead of at the end of the delay. */
function hurry() {
  if (retry !== undefined && document.visibilityState === "visible") connect();
}
addEventListener("online", hurry);
document.addEventListener("visibilitychange", hurry);

/** @param {"connecting" | "connected" | "offline"} state */
function show(state) {
  const status = element("status");
  status.dataset.state = state;
  if (status.textContent !== state) status.textContent = state;
  enable(element("get"), state === "connected");
  enable(element("many"), state === "connected" && !running);
}

/** A button that is disabled loses the focus; the one that had it gets it back.
 * @type {HTMLButtonElement | undefined} */
let focused;

/**
 * @param {HTMLButtonElement} button
 * @param {boolean} enabled
 */
function enable(button, enabled) {
  if (!enabled && document.activeElement === button) focused = button;
  button.disabled = !enabled;
  if (enabled && focused === button) {
    focused = undefined;
    if (document.activeElement === document.body) button.focus();
  }
}

// One request: sent at a press, answered in order.

/** @type {string[]} */
const waiting = [];
/** @type {ReturnType<typeof setTimeout> | undefined} */
let deadline;

element("one").addEventListener("submit", (/** @type {Event} */ event) => {
  event.preventDefault();
  if (socket?.readyState !== WebSocket.OPEN) return;
  const request = element("message").value.toWellFormed();
  waiting.push(request);
  socket.send(request);
  deadline ??= setTimeout(giveUp, TIMEOUT_MS);
});

/** @param {unknown} response */
function receive(response) {
  clearTimeout(deadline);
  deadline = undefined;
  const request = waiting.shift();
  if (waiting.length > 0) deadline = setTimeout(giveUp, TIMEOUT_MS);
  const number = request === undefined
    ? undefined
    : parseResponse(request, response);
  if (number === undefined) {
    showAnswer("!", `Not a valid answer: ${response}`, true);
  } else showAnswer(String(number), String(response), false);
}

/**
 * @param {string} number
 * @param {string} response
 * @param {boolean} bad
 */
function showAnswer(number, response, bad) {
  element("number").textContent = number;
  element("response").textContent = response;
  element("response").classList.toggle("bad", bad);
  element("number").classList.remove("arrived");
  void element("number").offsetWidth; // a reflow, so that the animation restarts
  element("number").classList.add("arrived");
}

/** Leaves a connection that answers no more; a new one is opened. */
function giveUp() {
  socket?.close();
  socket?.onclose?.(new CloseEvent("close"));
}

/** What was waiting on a connection that broke is not answered any more. */
function abandonWaiting() {
  clearTimeout(deadline);
  deadline = undefined;
  if (waiting.length === 0) return;
  waiting.length = 0;
  showAnswer("?", "No answer: the connection was lost. Press again.", true);
}

// 10,000 requests, on a connection of their own.

let running = false;

/** @type {SVGRectElement[]} */
const bars = Array.from({ length: 100 }, (_, index) => {
  const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  bar.setAttribute("x", String(index + 0.1));
  bar.setAttribute("width", "0.8");
  element("bars").append(bar);
  return bar;
});

element("many").addEventListener("click", async () => {
  running = true;
  enable(element("many"), false);
  enable(element("stop"), true);
  element("stop").focus();
  say("Sending …", false);

  const run = createRun();
  let frame = requestAnimationFrame(function draw() {
    drawRun(run);
    frame = requestAnimationFrame(draw);
  });
  const end = await sendMany(run);
  cancelAnimationFrame(frame);
  drawRun(run);
  drawTable(run.counts);

  const sum = `${format(run.received)} of ${format(COUNT)} answered`;
  const proven = end === "done" && run.invalid === 0;
  say(
    proven
      ? `${sum}, each checked.`
      : end === "done"
      ? `${sum}; ${format(run.invalid)} responses were invalid.`
      : `${sum}, then ${end}.`,
    !proven && end !== STOPPED,
  );
  running = false;
  const hadFocus = document.activeElement === element("stop");
  const connected = socket?.readyState === WebSocket.OPEN;
  enable(element("many"), connected);
  if (hadFocus && connected) element("many").focus();
  enable(element("stop"), false);
  if (hadFocus && !connected) focused = element("many");
});

/** How a run ends that the user stopped. */
const STOPPED = "stopped";

/**
 * @typedef {object} Run
 * @property {number} sent
 * @property {number} received Valid responses.
 * @property {number} invalid Responses that are not.
 * @property {number[]} counts How often each of the numbers 1 to 100 came.
 * @property {number} startedAt Milliseconds.
 * @property {number} endedAt When the last response came, in milliseconds.
 */

/** @returns {Run} */
function createRun() {
  return {
    sent: 0,
    received: 0,
    invalid: 0,
    counts: new Array(100).fill(0),
    startedAt: performance.now(),
    endedAt: performance.now(),
  };
}

/**
 * Sends all requests of a run and checks each response against its own request.
 *
 * @param {Run} run
 * @returns {Promise<string>} `done`, or what ended it before.
 */
function sendMany(run) {
  return new Promise((resolve) => {
    const socket = new WebSocket(ENDPOINT);
    /** @param {number} index */
    const request = (index) => `Message ${index + 1}`;
    /** @param {string} how */
    const end = (how) => {
      clearInterval(watch);
      element("stop").onclick = socket.onmessage = socket.onclose = null;
      socket.close();
      resolve(how);
    };
    let answers = 0;
    let seen = -1;
    const watch = setInterval(() => {
      if (seen === answers) end("no answer for 10 seconds");
      seen = answers;
    }, TIMEOUT_MS);
    const fill = () => {
      while (run.sent < COUNT && run.sent - answers < WINDOW) {
        socket.send(request(run.sent++));
      }
      if (answers === COUNT) end("done");
    };
    element("stop").onclick = () => end(STOPPED);
    socket.onopen = () => {
      run.startedAt = performance.now();
      fill();
    };
    socket.onmessage = ({ data }) => {
      const number = answers < run.sent
        ? parseResponse(request(answers), data)
        : undefined;
      answers++;
      run.endedAt = performance.now();
      if (number !== undefined) {
        run.received++;
        run.counts[number - 1]++;
      } else {
        run.invalid++;
      }
      fill();
    };
    socket.onclose = () => end("the connection was lost");
  });
}

/** @param {Run} run */
function drawRun({ received, invalid, counts, startedAt, endedAt }) {
  const seconds = (endedAt - startedAt) / 1000;
  element("progress").value = received;
  element("received").textContent = format(received);
  element("invalid").textContent = format(invalid);
  element("seconds").textContent = seconds > 0 ? seconds.toFixed(2) : "–";
  element("rate").textContent = seconds > 0
    ? format(Math.round(received / seconds))
    : "–";
  element("p-value").textContent = received > 0
    ? pValue(chiSquare(counts)).toFixed(3)
    : "–";

  const expected = received / counts.length || 1;
  counts.forEach((count, index) => {
    const height = CHART_HEIGHT *
      Math.min(1, count / expected * EXPECTED_LEVEL);
    bars[index].setAttribute("height", String(height));
    bars[index].setAttribute("y", String(CHART_HEIGHT - height));
  });
}

/** The chart in words and as a table.
 * @param {number[]} counts */
function drawTable(counts) {
  const most = counts.indexOf(Math.max(...counts));
  const least = counts.indexOf(Math.min(...counts));
  element("chart").setAttribute(
    "aria-label",
    `How often each number came: most often ${most + 1}, ${
      counts[most]
    } times; ` +
      `least often ${least + 1}, ${counts[least]} times`,
  );
  element("table").replaceChildren(
    ...Array.from({ length: 10 }, (_, ten) => {
      const row = document.createElement("tr");
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = `${ten * 10 + 1}–${ten * 10 + 10}`;
      row.append(
        head,
        ...counts.slice(ten * 10, ten * 10 + 10).map((count) => {
          const cell = document.createElement("td");
          cell.textContent = String(count);
          return cell;
        }),
      );
      return row;
    }),
  );
}

/**
 * @param {string} text
 * @param {boolean} bad
 */
function say(text, bad) {
  element("outcome").textContent = text;
  element("outcome").classList.toggle("bad", bad);
}

/** @param {number} value */
function format(value) {
  return value.toLocaleString("en");
}

for (const y of ["y1", "y2"]) {
  const level = CHART_HEIGHT * (1 - EXPECTED_LEVEL);
  element("expected").setAttribute(y, String(level));
}
connect();
