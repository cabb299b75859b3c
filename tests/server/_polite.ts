/**
 * A polite peer: it asks one by one, and notes how long it waits while others do
 * what they do.
 *
 * @module
 */

import { assert } from "@std/assert";
import { frame, RawSocket } from "../../harness/sockets.ts";
import { PING, PONG, TEXT } from "../../harness/helpers.ts";

/** What a wait is compared with: so many answers of a server that has nothing else
 * to do, one by one. */
const QUIET_ANSWERS = 1000;

/** The longest wait may take so many times as long: measured were 5 to 12 with ten
 * floods, and 10 to 37 with 200 peers, on two cores with a load of 8. */
const MOST = 100;

/** A peer that asks one by one, on a connection of its own, until it is stopped. */
export class PolitePeer {
  answers = 0;
  /** The longest wait for an answer, in milliseconds. */
  longest = 0;
  #stopped = false;
  #done: Promise<void>;

  constructor(readonly port: number) {
    this.#done = this.#askOn();
    this.#done.catch(() => {}); // it is told when this is stopped
  }

  async #askOn(): Promise<void> {
    using socket = await RawSocket.open(this.port);
    while (!this.#stopped) {
      const askedAt = performance.now();
      await ask(socket);
      this.longest = Math.max(this.longest, performance.now() - askedAt);
      this.answers++;
    }
  }

  /** Stops it after its next answer, and tells whether it was answered soon enough,
   * by the time that a quiet server takes. */
  async stop(quietMs: number): Promise<void> {
    this.#stopped = true;
    await this.#done;
    const times = this.longest / quietMs;
    assert(
      this.answers > 0 && times < MOST,
      `it waited ${times} times as long`,
    );
  }
}

/** Asks once and waits for the answer, and answers pings meanwhile. */
export async function ask(socket: RawSocket): Promise<void> {
  await socket.write(frame(TEXT, "if you please"));
  for (;;) {
    const { opcode, payload } = await socket.frame() ?? {};
    if (opcode === TEXT) return;
    if (opcode !== PING) throw new Error(`closed: ${payload}`);
    await socket.write(frame(PONG, payload!));
  }
}

/** How long a server that has nothing else to do takes for some answers, in
 * milliseconds. */
export async function quietMs(port: number): Promise<number> {
  using socket = await RawSocket.open(port);
  const began = performance.now();
  for (let i = 0; i < QUIET_ANSWERS; i++) await ask(socket);
  return performance.now() - began;
}
