/**
 * The rule for responses that wait: which are handed to the socket at once, which
 * are queued here, and which connection is closed when too much is queued.
 *
 * It is there because Deno reads up to 15,872 messages in one turn of its event loop
 * and writes far fewer, because reading cannot be paused, and because no event tells
 * when a socket has room again. To hand everything to `send` serves every peer that
 * reads, and takes 300 to 900 MB for one that does not.
 *
 * The values were chosen by trials with Deno 2.9.6 and 2.6.8 on two cores. 24 MiB
 * handed over hold the 10,000 short responses that a peer may ask for together with
 * a close. The queue is outside of V8's heap: as strings, 3 MiB of it were too much
 * memory, and 71 of 100 connections with 1,000 requests in flight each were closed.
 * Now none of them is, nor when the client is stopped for 1.2 s; with requests of 300
 * bytes, more than 24 MiB wait, and Deno 2.6.8 closed some in 3 of 18 runs.
 *
 * | 20 s of                               | memory grows by | a polite peer waits |
 * | ------------------------------------- | --------------- | ------------------- |
 * | 10 floods of requests of 100 bytes    | 226 to 254 MB   | 0.3 to 0.7 s        |
 * | 10 floods of empty requests           | 108 to 167 MB   | 0.5 to 0.7 s        |
 * | 200 mute peers, 20,000 empty requests | 63 MB           | 1.1 s               |
 *
 * @module
 */

import { TextQueue } from "./text_queue.ts";

/** The memory of a response in Deno from `send` until it is written, beside its
 * characters, in bytes. */
const SEND_COST = 2048;

/** What a connection may always have handed over and not written, in bytes. */
const OWN_COST = 131_072;

/** What all connections together may have handed over beyond that, in bytes. */
const SHARED_COST = 25_165_824;

/** What a queued response counts beside its bytes. It takes less memory, but many
 * of them keep other connections waiting. */
const WAIT_COST = 256;

/** How long a socket must not have moved before its connection may be closed for
 * what is queued, in milliseconds. */
const STALL_MS = 500;

/** How many times `--max-backlog` may be queued while all sockets move. */
const MOVING_FACTOR = 2;

/** From one poll of the sockets that were full to the next, in milliseconds: at
 * first, doubled to the second while none of them moves. */
const POLL_MS = 1;
const MAX_POLL_MS = 64;

/** How long what an overflowed outbox had handed over still counts, in milliseconds.
 * Deno keeps it beyond the end of the connection: without this, ten
 * peers that flood for 20 s take some 120 MB more. */
const HOLD_MS = 10_000;

/** What the outboxes of all connections share. */
export class Backlog {
  #shared = 0;
  /** The part of it that belongs to closed connections, the oldest first. */
  #held: { cost: number; until: number }[] = [];
  #size = 0;
  #watched = new Set<Outbox>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pollMs = POLL_MS;
  /** When the sockets were last polled, in milliseconds. */
  #polledAt = 0;

  /** @param most Bytes that may wait for peers that do not read; `--max-backlog`. */
  constructor(readonly most: number) {}

  /** What all connections have handed over beyond {@linkcode OWN_COST}. */
  get shared(): number {
    while (this.#held.length > 0 && this.#held[0].until < performance.now()) {
      this.#shared -= this.#held.shift()!.cost;
    }
    return this.#shared;
  }

  /** Adds to {@linkcode Backlog.shared}, or takes from it. */
  share(change: number): void {
    this.#shared += change;
  }

  /** Adds to {@linkcode Backlog.shared} for {@linkcode HOLD_MS}. */
  hold(cost: number): void {
    this.#shared += cost;
    this.#held.push({ cost, until: performance.now() + HOLD_MS });
  }

  /** Polls an outbox until it is settled. */
  watch(outbox: Outbox): void {
    this.#watched.add(outbox);
    if (this.#timer !== undefined) return;
    this.#polledAt = performance.now();
    this.#timer = setTimeout(() => this.#poll(), this.#pollMs = POLL_MS);
  }

  forget(outbox: Outbox): void {
    this.#watched.delete(outbox);
    if (this.#watched.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Adds to what waits, or takes from it. */
  resize(change: number): void {
    this.#size += change;
    if (this.#size > this.most * MOVING_FACTOR) {
      this.#first((a, b) => b.size - a.size).overflow();
    }
  }

  /** The first, by this order, of the outboxes in which something waits. */
  #first(order: (a: Outbox, b: Outbox) => number): Outbox {
    return [...this.#watched].filter(({ size }) => size > 0)
      .reduce((first, outbox) => order(outbox, first) < 0 ? outbox : first);
  }

  #poll(): void {
    const now = performance.now();
    // A process that was stopped has not watched the sockets all the time: a stall
    // takes four polls.
    const elapsed = Math.min(now - this.#polledAt, STALL_MS / 4);
    this.#polledAt = now;
    let moved = false;
    for (const outbox of this.#watched) {
      if (outbox.poll(elapsed)) moved = true;
      if (outbox.settled) this.#watched.delete(outbox);
    }
    while (this.#size > this.most) {
      const slowest = this.#first((a, b) => b.stalledMs - a.stalledMs);
      if (slowest.stalledMs < STALL_MS) break;
      slowest.overflow();
    }
    this.#pollMs = moved ? POLL_MS : Math.min(MAX_POLL_MS, this.#pollMs * 2);
    this.#timer = this.#watched.size > 0
      ? setTimeout(() => this.#poll(), this.#pollMs)
      : undefined;
  }
}

type Sink = Pick<WebSocket, "send" | "bufferedAmount">;

/** The responses of one connection on their way to its socket. */
export class Outbox {
  #backlog: Backlog;
  #sink: Sink;
  #onHandedOver: (response: string) => void;
  #onOverflow: () => void;
  /** The cost of what was handed over and not written, when last measured. */
  #handed = 0;
  /** Its characters. */
  #characters = 0;
  #waiting = new TextQueue();
  #overflowed = false;
  /** How long its socket has not moved, in milliseconds. */
  stalledMs = 0;

  /**
   * @param onHandedOver Called with each response that the socket has taken; one that
   * still waits is lost if the connection ends.
   * @param onOverflow Called when too much waits; what waits is dropped.
   */
  constructor(
    backlog: Backlog,
    sink: Sink,
    onHandedOver: (response: string) => void,
    onOverflow: () => void,
  ) {
    this.#backlog = backlog;
    this.#sink = sink;
    this.#onHandedOver = onHandedOver;
    this.#onOverflow = onOverflow;
  }

  /** What waits: its bytes, and {@linkcode WAIT_COST} for each response. */
  get size(): number {
    return this.#waiting.bytes + this.#waiting.length * WAIT_COST;
  }

  /** Whether nothing waits and nothing of what is shared is in use. */
  get settled(): boolean {
    return this.#waiting.length === 0 && this.#handed <= OWN_COST;
  }

  /** Sends a response now, or after those that wait. */
  send(response: string): void {
    if (this.#waiting.length === 0 && this.#hasRoom()) {
      return this.#handOver(response);
    }
    if (this.#waiting.length === 0) this.stalledMs = 0;
    this.#backlog.watch(this);
    this.#resize(() => this.#waiting.push(response));
    this.#handOverWaiting();
  }

  /**
   * Hands over what may go.
   *
   * @param elapsed Milliseconds since the last poll.
   * @returns Whether the socket has moved since.
   */
  poll(elapsed: number): boolean {
    const before = this.#characters;
    this.#measure();
    const moved = this.#characters < before;
    this.stalledMs = moved ? 0 : this.stalledMs + elapsed;
    this.#handOverWaiting();
    return moved;
  }

  #handOverWaiting(): void {
    if (this.#waiting.length === 0 || !this.#hasRoom()) return;
    this.#resize(() => {
      do this.#handOver(this.#waiting.shift()); while (
        this.#waiting.length > 0 && this.#hasRoom()
      );
    });
  }

  overflow(): void {
    this.#measure();
    this.#overflowed = true;
    this.drop();
    this.#onOverflow();
  }

  /** Drops what waits. */
  drop(): void {
    this.#resize(() => this.#waiting.clear());
  }

  [Symbol.dispose](): void {
    this.drop();
    this.#backlog.forget(this);
    if (this.#overflowed) this.#backlog.hold(this.#handed);
    this.#setHanded(0);
  }

  #hasRoom(): boolean {
    // Measured before it is spent, a peer that reads seldom has to be watched.
    if (this.#handed < OWN_COST / 2) return true;
    this.#measure();
    return this.#handed < OWN_COST || this.#backlog.shared < SHARED_COST;
  }

  /** Deno tells the bytes that are not written; of the responses it is the same
   * part, if they are of one length. */
  #measure(): void {
    const unwritten = this.#sink.bufferedAmount;
    const part = unwritten === 0 ? 0 : unwritten / this.#characters;
    this.#setHanded(this.#handed * Math.min(1, part));
    this.#characters = unwritten;
  }

  #handOver(response: string): void {
    this.#setHanded(this.#handed + response.length + SEND_COST);
    this.#characters += response.length;
    this.#sink.send(response);
    this.#onHandedOver(response);
  }

  #setHanded(cost: number): void {
    if (cost > OWN_COST || this.#handed > OWN_COST) {
      this.#backlog.share(
        Math.max(cost, OWN_COST) - Math.max(this.#handed, OWN_COST),
      );
      if (cost > OWN_COST) this.#backlog.watch(this);
    }
    this.#handed = cost;
  }

  /** Makes a change to what waits, and tells the backlog of it. */
  #resize(change: () => void): void {
    const before = this.size;
    change();
    this.#backlog.resize(this.size - before);
  }
}
