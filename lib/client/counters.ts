/**
 * What is counted and kept while a run goes on.
 *
 * @module
 */

import { HIGHEST } from "../../static/proof.js";
import type { Interval, IntervalCounter } from "./intervals.ts";
import { Durations, Pauses } from "./time.ts";

/** What is kept for each request, in one byte: a set of these. */
export const Fate = {
  /** A valid response was accepted. */
  answered: 1,
  /** One more was accepted, which must not happen. */
  answeredAgain: 2,
  /** It was answered after a younger one, on its own connection. */
  overtaken: 4,
  /** It was sent again, for its connection ended. */
  resent: 8,
  /** It had no answer on a connection that stayed open. */
  lost: 16,
} as const;

/** A message that is no valid response. */
export interface Invalid {
  /** Whose response it should have been, counted from 1; `null` if it is no
   * request's. */
  request: number | null;
  /** What is wrong with it. */
  reason: string;
  /** The start of its text; `null` if it has none that could be read. */
  response: string | null;
}

/** The end of a connection that was not the client's own. */
export interface Break {
  /** On the clock of the run, in milliseconds. */
  at: number;
  /** Why, in words. */
  reason: string;
  /** Requests that were unanswered on it. */
  inFlight: number;
}

/** All that a run measures in time. */
export class Times {
  /** From when a request was due to its response. */
  readonly latencies = new Durations();
  /** From when a request was due to when it was first sent. */
  readonly late = new Durations();
  /** From the attempt to connect to the open connection. */
  readonly handshakes = new Durations();
  readonly pauses = new Pauses();
  /** The part of the run that goes on, with `--interval`. */
  interval?: IntervalCounter;

  /** A valid response came to a request that was due then. */
  answered(now: number, due: number): void {
    this.latencies.add(now - due);
    this.interval?.answered(now - due);
    this.pauses.answered(now, due);
  }
}

/** What is counted and kept while a run goes on. */
export interface Counters {
  /** Requests in all, sent or not; `Infinity` while only the time is limited. */
  count: number;
  /** For each request sent a set of {@linkcode Fate}; there is room for more. */
  fates: Uint8Array<ArrayBuffer>;
  times: Times;
  /** How often each number came, from 1 on. */
  numbers: number[];
  /** Distinct requests sent. They are numbered, so these are the first ones. */
  sent: number;
  /** Valid responses accepted, for the progress bar: the report counts `fates`. */
  answered: number;
  /** Messages that are no valid response. */
  invalid: number;
  firstInvalid: Invalid | null;
  /** Connections that opened, without those that only replaced one. */
  connections: number;
  /** Connections opened to replace one that broke. */
  reconnects: number;
  breaks: Break[];
  /** How often a request was sent again, for its connection ended. */
  resends: number;
  /** The parts of the run, with `--interval`. */
  intervals: Interval[];
  /** Connections that gave up. */
  gaveUp: number;
  /** Most requests that were unanswered on one connection at a time. */
  inFlight: number;
  /** Most requests sent in one message. */
  batch: number;
  /** The subprotocol that the server chose last. */
  subprotocol: string | null;
  /** When the first connection opened, in milliseconds; `NaN` before. */
  startedAt: number;
  /** The same in milliseconds since 1970. */
  startedDate: number;
  /** When each request had its response or, before that, the run ended, in
   * milliseconds. */
  endedAt: number;
}

/** Bytes for the fates at first, and address space for them where only time limits how
 * many requests there are: 8.6 billion, more than a day of the fastest run. */
const FIRST_FATES = 65_536;
const MOST_FATES = 2 ** 33;

/** Creates the counters of a run. They take a byte for each request sent. */
export function createCounters(count: number): Counters {
  return {
    count,
    fates: new Uint8Array(
      new ArrayBuffer(Math.min(count, FIRST_FATES), {
        maxByteLength: Math.min(count, MOST_FATES),
      }),
    ),
    times: new Times(),
    numbers: new Array(HIGHEST).fill(0),
    sent: 0,
    answered: 0,
    invalid: 0,
    firstInvalid: null,
    connections: 0,
    reconnects: 0,
    breaks: [],
    resends: 0,
    intervals: [],
    gaveUp: 0,
    inFlight: 0,
    batch: 0,
    subprotocol: null,
    startedAt: NaN,
    startedDate: NaN,
    endedAt: NaN,
  };
}
