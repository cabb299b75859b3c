/**
 * Random numbers from 1 to 100, exactly uniform, from the system's
 * cryptographically secure generator.
 *
 * @module
 */

/** Bytes drawn at a time: a call for each number would take longer than the rest of
 * an answer. */
const POOL_BYTES = 4096;

/** The largest multiple of 100 that a byte can hold. A byte from here on is
 * drawn again: `byte % 100` over all 256 would favour 1 to 56 by half. */
const ACCEPTED_BYTES = 200;

const pool = new Uint8Array(POOL_BYTES);
let next = POOL_BYTES;

/**
 * Draws a number by rejection sampling.
 *
 * @returns An integer from 1 to 100, each with a probability of exactly 1/100.
 *
 * @example
 * ```ts
 * import { randomNumber } from "./random.ts";
 *
 * const dice = randomNumber(); // 1, 2, … or 100
 * ```
 */
export function randomNumber(): number {
  for (;;) {
    if (next === POOL_BYTES) {
      crypto.getRandomValues(pool);
      next = 0;
    }
    const byte = pool[next++];
    if (byte < ACCEPTED_BYTES) return byte % 100 + 1;
  }
}
