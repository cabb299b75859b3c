/// <reference lib="dom" />

/** One request at the press of a button. @module */

import { PATIENCE_MS } from "./connection.js";
import { parseResponse } from "./proof.js";

/**
 * @param {import("./connection.js").Connection} connection
 * @param {Record<string, any>} elements
 */
export function setUpOne(
  connection,
  { one, message, answer, number, response, text },
) {
  /** @param {string} state @param {string} sign @param {(string | Node)[]} content */
  function show(state, sign, ...content) {
    answer.dataset.state = state;
    const span = document.createElement("span"); // a new one arrives in motion
    span.textContent = sign;
    number.replaceChildren(span);
    text.replaceChildren(...content);
    response.scrollTop = 0;
  }

  /** @param {string} request */
  async function ask(request) {
    const { response, ms } = await connection.request(request);
    const number = parseResponse(request, response);
    if (number === undefined) {
      const shown = typeof response === "string" ? response : "binary data";
      show("failed", "!", "Not a valid answer: ", isolated(shown));
    } else {
      const took = document.createElement("small");
      const time = isolated(duration(ms));
      time.dir = "ltr";
      took.append(" · ", time);
      show("answered", String(number), isolated(request), ` ${number}`, took);
    }
  }

  one.addEventListener("submit", async (/** @type {Event} */ event) => {
    event.preventDefault();
    const waiting = setTimeout(() => {
      const connected = connection.state === "connected";
      const text = connected ? "Waiting for the answer." : "Connecting …";
      show("waiting", "…", text);
    }, PATIENCE_MS);
    await ask(message.value.toWellFormed())
      .catch(({ message }) => show("failed", "?", `No answer: ${message}.`));
    clearTimeout(waiting);
  });

  // WebKit reaches what scrolls by keyboard only if it can be focused.
  new ResizeObserver(() => {
    const scrolls = text.offsetHeight > response.clientHeight;
    if (scrolls) response.tabIndex = 0;
    else response.removeAttribute("tabindex");
  }).observe(text);
}

/** Keeps direction marks in a text to itself. `dir="auto"` does not look into <bdi>.
 * @param {string} text */
function isolated(text) {
  const span = document.createElement("span");
  span.textContent = text;
  return span;
}

/** @param {number} ms */
function duration(ms) {
  if (ms < 1) return "< 1 ms";
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
