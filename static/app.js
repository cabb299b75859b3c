// @ts-check
/// <reference lib="dom" />

/**
 * The page: one request at the press of a button, or 10,000 in a row, on one
 * connection.
 *
 * @module
 */

import { Connection } from "./connection.js";
import { element } from "./element.js";
import { setUpMany } from "./many.js";
import { setUpOne } from "./one.js";

const connection = new Connection((state) => {
  const status = element("status");
  status.dataset.state = state;
  status.textContent = inWords(state);
  // Not `disabled`, which would lose the focus.
  for (const id of ["get", "many"]) {
    element(id).ariaDisabled = String(state !== "connected");
  }
});
/** A press that cannot be served says why, and leaves what is shown.
 *
 * @param {Event} event */
function refuse(event) {
  if (connection.state === "connected") return;
  event.preventDefault();
  event.stopImmediatePropagation();
  element("status").textContent = `still ${inWords(connection.state)}`;
}
element("one").addEventListener("submit", refuse);
element("many").addEventListener("click", refuse);
setUpOne(connection);
setUpMany(connection);

/** @param {import("./connection.js").State} state */
function inWords(state) {
  return state === "offline" ? "offline, retrying" : state;
}
