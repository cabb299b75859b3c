// @ts-check
/// <reference lib="dom" />

/**
 * One request at the press of a button.
 *
 * @module
 */

import { PATIENCE_MS } from "./connection.js";
import { parseResponse } from "./proof.js";
import { element } from "./element.js";

/** @import { Connection } from "./connection.js" */

/** @param {Connection} connection */
export function setUpOne(connection) {
  element("one").addEventListener(
    "submit",
    async (/** @type {Event} */ event) => {
      event.preventDefault();
      const request = element("message").value.toWellFormed();
      const waiting = setTimeout(
        () => show("waiting", "…", "Waiting for the answer."),
        PATIENCE_MS,
      );
      try {
        const response = await connection.request(request);
        const number = parseResponse(request, response);
        if (number === undefined) {
          const shown = typeof response === "string"
            ? isolated(response)
            : "binary data";
          show("failed", "!", "Not a valid answer: ", shown);
        } else {
          show("answered", String(number), isolated(request), ` ${number}`);
        }
      } catch (error) {
        const { message } = /** @type {Error} */ (error);
        show("failed", "?", `No answer: ${message}.`);
      } finally {
        clearTimeout(waiting);
      }
    },
  );
}

/**
 * Keeps direction marks in a text from affecting the text around it.
 *
 * @param {string} text
 */
function isolated(text) {
  const bdi = document.createElement("bdi");
  bdi.textContent = text;
  return bdi;
}

/**
 * @param {"waiting" | "answered" | "failed"} state
 * @param {string} number
 * @param {(string | Node)[]} text
 */
function show(state, number, ...text) {
  const [answer, response] = [element("answer"), element("response")];
  element("number").textContent = number;
  const paragraph = document.createElement("p");
  paragraph.append(...text);
  response.replaceChildren(paragraph);
  response.scrollTop = 0;
  answer.dataset.state = "";
  void answer.offsetWidth; // a reflow, so that the animation restarts
  answer.dataset.state = state;
  // WebKit reaches what scrolls by keyboard only if it can be focused.
  if (response.scrollHeight > response.clientHeight) response.tabIndex = 0;
  else response.removeAttribute("tabindex");
}
