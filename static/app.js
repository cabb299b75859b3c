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
  status.textContent = state === "offline" ? "offline, retrying" : state;
  // Not `disabled`, which would lose the focus.
  for (const id of ["get", "many"]) {
    element(id).ariaDisabled = String(state !== "connected");
  }
});
setUpOne(connection);
setUpMany(connection);
