/**
 * The most memory that a server should take: docs/operating.md has it as a formula.
 *
 * @module
 */

import { MOVING_FACTOR, SHARED_COST } from "./backlog.ts";
import { OWN_COST } from "./outbox.ts";
import type { ServerOptions } from "./options.ts";

/** A server without connections, in bytes, and each further worker. */
const PROCESS = 64_000_000;
const WORKER = 32_000_000;

/** A connection without anything to send, in bytes. */
const CONNECTION = 30_000;

/** How many bytes the process takes for a byte that waits: V8 lets what is no longer
 * used grow before it collects it. */
const GARBAGE_FACTOR = 3;

/**
 * Above this no connections are added. Messages that still arrive are not in it: Deno
 * does not tell of them.
 *
 * @returns Bytes of resident memory, of all workers together.
 */
export function memoryLimit(
  { maxConnections, maxBacklog }: Pick<
    ServerOptions,
    "maxConnections" | "maxBacklog"
  >,
  workers: number,
): number {
  // Handed over, by those that are open and those that are over, and queued.
  const waiting = 2 * SHARED_COST + (1 + MOVING_FACTOR) * maxBacklog;
  return PROCESS + workers * (WORKER + GARBAGE_FACTOR * waiting) +
    maxConnections * (CONNECTION + OWN_COST);
}
