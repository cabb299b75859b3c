// @ts-check
/// <reference lib="dom" />

/**
 * The page: one request at the press of a button, or 10,000 in a row, on one
 * connection.
 *
 * @module
 */

import { Connection, REASONS } from "./connection.js";
import { setUpMany } from "./many.js";
import { setUpOne } from "./one.js";

/** @import { State } from "./connection.js" */

/** The elements that have an id, by it; their kinds are in index.html.
 *
 * @type {Record<string, any>} */
const elements = Object.fromEntries(
  [...document.querySelectorAll("[id]")].map((
    element,
  ) => [element.id, element]),
);
const { status, hint } = elements;

/** @param {State} state */
function show(state) {
  const retries = state === "offline" || state === "refused";
  status.dataset.state = state;
  status.textContent = retries ? `${state}, retrying` : state;
  const [first, ...rest] = REASONS[state];
  hint.textContent = retries
    ? `${first.toUpperCase()}${rest.join("")}; retrying.`
    : "";
}

const connection = new Connection(show);
show(connection.state);
setUpOne(connection, elements);
setUpMany(connection, elements);
// A key held down is one press.
document.addEventListener("keydown", (event) => {
  if (event.repeat && event.key === "Enter") event.preventDefault();
});
