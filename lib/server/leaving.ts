/**
 * How the server ends a connection: because it shuts down, or because the peer broke a
 * rule or does not read.
 *
 * @module
 */

import { CLOSE } from "../protocol.ts";

/** A peer is quiet when it has sent nothing for this long, in milliseconds. A connection
 * is closed then and not before: a message that arrives after `close()` makes Deno drop
 * the connection, and the peer does not get the close frame; a workaround until that
 * changes (https://github.com/denoland/deno/issues/21642 is about the same lines). With
 * 50 ms, 4 of 8 runs of the page were dropped, since it pauses to draw. */
const QUIET_MS = 250;

/** The same for a peer at fault, in milliseconds. It does not know and goes on, and a
 * browser on a busy machine makes long pauses to draw. With a load of 12 on two cores, 2
 * of 36 did not get the close frame after 250 ms, none of 18 after this. */
const FAULT_QUIET_MS = 1000;

/** How long a peer at fault may go on sending, and one that does not read may take to
 * begin with it, in milliseconds. */
const PATIENCE_MS = 5000;

export interface Leaving {
  /** What the close frame says. */
  readonly code: number;
  readonly reason: string;
  /** It is closed when the peer was quiet for this long, in milliseconds. */
  readonly quietMs: number;
  /** When it is closed at the latest, by the clock of `performance.now()`. */
  readonly until: number;
  /** For how long its requests were answered, in milliseconds; 0 if they are not. */
  readonly answersMs: number;
}

/** @param milliseconds How long its requests are still answered. */
export function goingAway(milliseconds: number): Leaving {
  return {
    code: CLOSE.GOING_AWAY,
    reason: "server shuts down",
    quietMs: QUIET_MS,
    until: performance.now() + milliseconds,
    answersMs: milliseconds,
  };
}

/** For a peer that broke a rule. */
export function atFault(code: number, reason: string): Leaving {
  const until = performance.now() + PATIENCE_MS;
  return { code, reason, quietMs: FAULT_QUIET_MS, until, answersMs: 0 };
}

/** For a peer that does not read. */
export function unread(reason: string): Leaving {
  const code = CLOSE.POLICY_VIOLATION;
  return { ...atFault(code, reason), quietMs: QUIET_MS };
}

/** The same, once it asks on and on: without answers it soon has nothing more to send. */
export function unanswered(leaving: Leaving): Leaving {
  const until = leaving.until + leaving.answersMs / 2;
  return { ...leaving, until, answersMs: 0 };
}

/** What an operator is told of it, if anything. */
export function notable({ code, reason }: Leaving): string | undefined {
  return code === CLOSE.GOING_AWAY ? undefined : reason;
}
