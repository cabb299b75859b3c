/**
 * What a run has counted, made up, and the report of it.
 *
 * @module
 */

import { parseFlags } from "../../lib/cli/flags.ts";
import { clientCommand } from "../../lib/client/options.ts";
import { createReport, type Report } from "../../lib/client/report.ts";
import {
  type Counters,
  createCounters,
  Fate,
} from "../../lib/client/counters.ts";

/** A run of so many requests, answered in 1, 2, 3, … ms, in 2 s, with each number
 * as often. */
export function answered(count: number): Counters {
  const counters = createCounters(count);
  Object.assign(counters, { sent: count, startedAt: 5, endedAt: 2005 });
  counters.startedDate = Date.UTC(2026, 0, 1);
  Object.assign(counters, { answered: count, connections: 1, inFlight: 3 });
  counters.fates.fill(Fate.answered);
  for (let i = count; i > 0; i--) counters.times.answered(2000, 2000 - i);
  counters.numbers.fill(count / 100);
  return counters;
}

export function report(
  counters: Counters,
  interrupted = false,
  ...args: string[]
): Report {
  const count = String(counters.fates.length);
  const options = parseFlags(clientCommand, ["--count", count, ...args]);
  return createReport(counters, options, interrupted);
}
