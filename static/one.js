// @ts-check
/// <reference lib="dom" />

/**
 * One request at the press of a button.
 *
 * @module
 */

import { parseResponse } from "./proof.js";
import { element } from "./element.js";

/** @import { Connection } from "./connection.js" */

/** An answer that takes longer than this is said to be waited for, in
 * milliseconds. */
const PATIENCE_MS = 300;

/** @param {Connection} connection */
export function setUpOne(connection) {
  element("one").addEventListener(
    "submit",
    async (/** @type {Event} */ event) => {
      event.preventDefault();
      const request = element("message").value.toWellFormed();
      const waiting = setTimeout(
        () => show("…", "Waiting for the answer.", "waiting"),
        PATIENCE_MS,
      );
      try {
        const response = await connection.request(request);
        const number = parseResponse(request, response);
        if (number === undefined) {
          show("!", `Not a valid answer: ${response}`, "failed");
        } else show(String(number), String(response), "answered");
      } catch (error) {
        const { message } = /** @type {Error} */ (error);
        show("?", `No answer: ${message}. Press again.`, "failed");
      } finally {
        clearTimeout(waiting);
      }
    },
  );
}

/**
 * @param {string} number
 * @param {string} text
 * @param {"waiting" | "answered" | "failed"} state
 */
function show(number, text, state) {
  const [answer, response] = [element("answer"), element("response")];
  element("number").textContent = number;
  response.textContent = text;
  answer.dataset.state = "";
  void answer.offsetWidth; // a reflow, so that the animation restarts
  answer.dataset.state = state;
  // WebKit reaches what scrolls by keyboard only if it can be focused.
  if (response.scrollHeight > response.clientHeight) response.tabIndex = 0;
  else response.removeAttribute("tabindex");
}
