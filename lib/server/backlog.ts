/**
 * The rule for responses that wait: which are handed to the socket at once, which are
 * queued here, and which peer is given up because it does not read.
 *
 * It is there because Deno reads up to 15,872 messages in one turn of its event loop
 * and writes far fewer, because reading cannot be paused, and because no event tells
 * when a socket has room again. The trials behind the values are in
 * `docs/backpressure.md`.
 *
 * @module
 */

import { type Outbox, OWN_COST } from "./outbox.ts";

/** What all connections together may have handed over beyond that, in bytes: enough
 * for 10,000 short responses, which a peer may ask for together with a close. */
export const SHARED_COST = 25_165_824;

/** How long what a socket held when it was closed counts if Deno does not tell that it
 * was written or that TCP has ended, in milliseconds. Of a peer that sends on it never
 * tells, and while much counts nobody is let in. The memory of the process bounds what
 * those hold that stay for longer. */
const HOLD_MS = 60_000;

/** The same for a peer that broke off, in milliseconds: almost all of them are gone. */
const BROKEN_OFF_MS = 10_000;

/** How long a socket must not have moved before its connection may be given up for
 * what is queued, in milliseconds. */
const STALL_MS = 500;

/** How many times `--max-backlog` may be queued while all sockets move. */
export const MOVING_FACTOR = 2;

/** How often it is looked for peers that do not read within `--idle-timeout`. */
const IDLE_LOOKS = 4;

/** Why a peer is given up when too much is queued. */
const BACKLOG = "too many responses wait to be read (--max-backlog)";

/** From one poll of the sockets that are full to the next, in milliseconds: at
 * first, doubled to the second while none of them moves. */
const POLL_MS = 1;
const MAX_POLL_MS = 64;

/** What the outboxes of a server may hold, all together: the only owner of these
 * numbers. */
export class Backlog {
  #most: number;
  #idleMs: number;
  /** The outboxes of which Deno tells what is unwritten. */
  #live = new Set<Outbox>();
  /** Those of them that are polled: they have used up their own cost, or queue. */
  #watched = new Set<Outbox>();
  /** Those of connections that are over, and until when they count, in milliseconds. */
  #over = new Map<Outbox, number>();
  /** The sums of what the outboxes share and queue. */
  #shared = 0;
  #queued = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pollMs = POLL_MS;
  /** When the sockets were last polled, in milliseconds. */
  #polledAt = 0;
  #idleTimer: ReturnType<typeof setInterval> | undefined;

  /**
   * @param most Bytes that may be queued for peers that do not read; `--max-backlog`.
   * @param idleMs How long a peer may take none of what waits for it, in
   * milliseconds; 0 for any time.
   */
  constructor(most: number, idleMs: number) {
    this.#most = most;
    this.#idleMs = idleMs;
  }

  /** Begins to count an outbox. */
  add(outbox: Outbox): void {
    this.#live.add(outbox);
    if (this.#idleMs === 0) return;
    this.#idleTimer ??= setInterval(
      () => this.#dropIdle(),
      this.#idleMs / IDLE_LOOKS,
    );
  }

  /**
   * Sends a response now, or after those that wait.
   *
   * @param bytes Of the response as UTF-8.
   */
  send(outbox: Outbox, response: string, bytes: number): void {
    if (outbox.handOverLight(response, bytes)) return;
    this.#advance(outbox, response);
    if (this.#queued <= this.#most * MOVING_FACTOR) return;
    this.#giveUp(this.#first((a, b) => b.queued - a.queued), BACKLOG);
  }

  /** Whether something of a peer's responses is not written yet. */
  waits(outbox: Outbox): boolean {
    this.#advance(outbox);
    return outbox.handed > 0;
  }

  /** Whether connections that are over hold so much that none should be added: as
   * much as those that are open may. */
  isFull(): boolean {
    let held = 0;
    for (const [outbox, until] of this.#over) {
      if (until < performance.now()) this.#retire(outbox, 0);
      else held += outbox.handed;
    }
    return held >= SHARED_COST + this.#most;
  }

  /** Drops what is queued, and counts what was handed over as held by a connection
   * that is over. */
  abandon(outbox: Outbox): void {
    this.#drop(outbox);
    this.#over.set(outbox, Infinity);
  }

  /** Drops what is queued, before the socket is closed: from then on Deno tells
   * nothing of what was handed over. */
  close(outbox: Outbox): void {
    this.#drop(outbox);
    this.#retire(outbox, this.waits(outbox) ? HOLD_MS : 0);
  }

  /**
   * Forgets an outbox whose connection has ended.
   *
   * @param freed Whether all that was handed over was written or dropped. If not, it
   * still counts for a while.
   */
  end(outbox: Outbox, freed: boolean): void {
    if (freed) this.#retire(outbox, 0);
    else if (this.#watched.has(outbox)) this.#retire(outbox, BROKEN_OFF_MS);
    else if (this.#live.has(outbox)) this.#retire(outbox, 0);
  }

  #retire(outbox: Outbox, holdMs: number): void {
    this.#drop(outbox);
    this.#live.delete(outbox);
    if (this.#live.size === 0) {
      clearInterval(this.#idleTimer);
      this.#idleTimer = undefined;
    }
    this.#watched.delete(outbox);
    if (this.#watched.size === 0) this.#stopPolling();
    if (holdMs > 0) {
      this.#over.set(outbox, performance.now() + holdMs);
      return;
    }
    this.#over.delete(outbox);
    this.#shared -= outbox.shared;
    outbox.forget();
  }

  #drop(outbox: Outbox): void {
    this.#queued -= outbox.queued;
    outbox.clear();
  }

  /** Hands over what may go, and counts what that changes. */
  #advance(outbox: Outbox, response?: string): void {
    const { shared, queued } = outbox;
    outbox.measure();
    const free = SHARED_COST - this.#shared;
    outbox.advance(OWN_COST + Math.max(0, shared + free), response);
    this.#shared += outbox.shared - shared;
    this.#queued += outbox.queued - queued;
    if (outbox.shared > 0 || outbox.queued > 0) this.#watch(outbox);
  }

  #giveUp(outbox: Outbox, reason: string): void {
    this.#drop(outbox);
    outbox.onUnread(reason);
  }

  /** The first, by this order, of the outboxes in which something is queued. */
  #first(order: (a: Outbox, b: Outbox) => number): Outbox {
    return [...this.#watched].filter(({ queued }) => queued > 0)
      .reduce((first, outbox) => order(outbox, first) < 0 ? outbox : first);
  }

  #watch(outbox: Outbox): void {
    this.#watched.add(outbox);
    if (this.#timer !== undefined) return;
    this.#polledAt = performance.now();
    this.#timer = setTimeout(() => this.#poll(), this.#pollMs = POLL_MS);
  }

  #stopPolling(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #poll(): void {
    const now = performance.now();
    // A process that was stopped has not watched the sockets all the time: a stall
    // takes four polls.
    const elapsed = Math.min(now - this.#polledAt, STALL_MS / 4);
    this.#polledAt = now;
    let moved = false;
    for (const outbox of this.#watched) {
      this.#advance(outbox);
      if (outbox.stalledMs === 0) moved = true;
      outbox.stalledMs += elapsed;
      if (outbox.shared === 0 && outbox.queued === 0) {
        this.#watched.delete(outbox);
      }
    }
    while (this.#queued > this.#most) {
      const slowest = this.#first((a, b) => b.stalledMs - a.stalledMs);
      if (slowest.stalledMs < STALL_MS) break;
      this.#giveUp(slowest, BACKLOG);
    }
    this.#pollMs = moved ? POLL_MS : Math.min(MAX_POLL_MS, this.#pollMs * 2);
    this.#stopPolling();
    if (this.#watched.size === 0) return;
    this.#timer = setTimeout(() => this.#poll(), this.#pollMs);
  }

  /** Deno's own ping waits behind what is not written, so it drops no peer that does
   * not read. */
  #dropIdle(): void {
    for (const outbox of this.#live) {
      const watched = this.#watched.has(outbox);
      const waits = this.waits(outbox);
      if (waits && !watched) outbox.stalledMs += this.#idleMs / IDLE_LOOKS;
      if (outbox.stalledMs < this.#idleMs || this.#over.has(outbox)) continue;
      const seconds = this.#idleMs / 1000;
      this.#giveUp(
        outbox,
        `it took no response for ${seconds} s (--idle-timeout)`,
      );
    }
  }
}
