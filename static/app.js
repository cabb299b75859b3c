/// <reference lib="dom" />

/** The page: one request at the press of a button, or 10,000 in a row, on one
 * connection. @module */

import { Connection, REASONS } from "./connection.js";
import { setUpMany } from "./many.js";
import { setUpOne } from "./one.js";

/** The elements that have an id, by it; their kinds are in index.html.
 * @type {Record<string, any>} */
const elements = Object.fromEntries(
  Array.from(document.querySelectorAll("[id]"), (each) => [each.id, each]),
);
const { status, hint } = elements;

/** @param {import("./connection.js").State} state */
function show(state) {
  const retries = state === "offline" || state === "refused";
  status.dataset.state = state;
  status.textContent = retries ? `${state}, retrying` : state;
  hint.textContent = retries ? `Retrying: ${REASONS[state]}.` : "";
}

const connection = new Connection(show);
show(connection.state);
setUpOne(connection, elements);
setUpMany(connection, elements);
document.onclick = null; // of early.js
for (const button of document.querySelectorAll("button[data-pressed]")) {
  /** @type {HTMLElement} */ (button).click();
}
// A key held down is one press.
document.addEventListener("keydown", (event) => {
  if (event.repeat && event.key === "Enter") event.preventDefault();
});
