/**
 * The rule for what waits: which responses are handed to a socket at once, which
 * wait here, and which connection is closed when too much waits.
 *
 * How it was chosen, by trials with Deno 2.9.6 and 2.6.8 on two cores. Deno takes
 * up to 15,872 messages in one turn of its event loop and writes far fewer, cannot
 * pause reading, and tells nothing when a socket has room again. `send` for
 * everything serves every peer that reads and takes 300 to 900 MB for one that does
 * not. A budget for all of 24 MiB holds the 10,000 short responses that a peer may
 * ask for together with a close.
 *
 * What waits is outside of V8's heap, or 100 clients with 1,000 requests in flight
 * each were more than memory allowed: 3 MiB of strings closed 71 of them. Now 48 MiB
 * may wait, and none is closed, nor when the client is stopped for 1.2 s; with 300
 * bytes each, which is beyond 24 MiB, Deno 2.6.8 closed some in 3 of 18 runs. Ten peers
 * that flood with 100 bytes for 20 s take 226 to 254 MB, a polite peer waits 0.3 to
 * 0.7 s; with empty requests 108 to 167 MB, 0.5 to 0.7 s; 200 mute peers with 20,000
 * empty requests each 63 MB, 1.1 s.
 *
 * @module
 */

import { TextQueue } from "./text_queue.ts";

/** What a response costs in Deno from `send` until it is written, beside its
 * characters. */
const SEND_COST = 2048;

/** What a connection may always have handed over and not written. */
const OWN_COST = 131_072;

/** What all connections together may have handed over beyond that. */
const SHARED_COST = 25_165_824;

/** What a response counts that waits here, beside its bytes. It takes little memory,
 * but many of them keep others waiting. */
const WAIT_COST = 256;

/** For how long a socket must not have moved until its connection may be closed for
 * what waits, in milliseconds. */
const STALL_MS = 500;

/** How many times `--max-backlog` may wait as long as all sockets move. */
const MOVING_FACTOR = 2;

/** How often sockets that were full are looked at, in milliseconds: at first, and
 * when nothing has moved for long. */
const LOOK_MS = 1;
const MAX_LOOK_MS = 64;

/** For how long what an overflowed outbox had handed over counts on, in
 * milliseconds. Deno keeps it beyond the end of the connection: without this, ten
 * peers that flood for 20 s take some 120 MB more. */
const HOLD_MS = 10_000;

/** What the outboxes of all connections share. */
export class Backlog {
  #shared = 0;
  /** The part of it that is of connections which are gone, the oldest first. */
  #held: { cost: number; until: number }[] = [];
  #size = 0;
  #watched = new Set<Outbox>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lookMs = LOOK_MS;
  /** When sockets were last looked at, in milliseconds. */
  #lookedAt = 0;

  /** @param most Bytes that may wait for peers that do not read; `--max-backlog`. */
  constructor(readonly most: number) {}

  /** Handed over beyond what each connection may have of its own. */
  get shared(): number {
    while (this.#held.length > 0 && this.#held[0].until < performance.now()) {
      this.#shared -= this.#held.shift()!.cost;
    }
    return this.#shared;
  }

  /** Counts what was handed over, or written. */
  share(change: number): void {
    this.#shared += change;
  }

  /** Counts something on for a while. */
  hold(cost: number): void {
    this.#shared += cost;
    this.#held.push({ cost, until: performance.now() + HOLD_MS });
  }

  /** Looks at an outbox until it is settled. */
  watch(outbox: Outbox): void {
    this.#watched.add(outbox);
    if (this.#timer !== undefined) return;
    this.#lookedAt = performance.now();
    this.#timer = setTimeout(() => this.#look(), this.#lookMs = LOOK_MS);
  }

  forget(outbox: Outbox): void {
    this.#watched.delete(outbox);
    if (this.#watched.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Counts what has begun or ceased to wait. */
  resize(change: number): void {
    this.#size += change;
    if (this.#size > this.most * MOVING_FACTOR) {
      this.#first((a, b) => b.size - a.size).overflow();
    }
  }

  /** Of the outboxes in which something waits, the first by this order. */
  #first(order: (a: Outbox, b: Outbox) => number): Outbox {
    return [...this.#watched].filter(({ size }) => size > 0)
      .reduce((first, outbox) => order(outbox, first) < 0 ? outbox : first);
  }

  #look(): void {
    const now = performance.now();
    // Several looks: a process that was stopped has not looked all the time.
    const elapsed = Math.min(now - this.#lookedAt, STALL_MS / 4);
    this.#lookedAt = now;
    let moved = false;
    for (const outbox of this.#watched) {
      if (outbox.look(elapsed)) moved = true;
      if (outbox.settled) this.#watched.delete(outbox);
    }
    while (this.#size > this.most) {
      const slowest = this.#first((a, b) => b.stalledMs - a.stalledMs);
      if (slowest.stalledMs < STALL_MS) break;
      slowest.overflow();
    }
    this.#lookMs = moved ? LOOK_MS : Math.min(MAX_LOOK_MS, this.#lookMs * 2);
    this.#timer = this.#watched.size > 0
      ? setTimeout(() => this.#look(), this.#lookMs)
      : undefined;
  }
}

/** What an outbox needs of a socket. */
type Sink = Pick<WebSocket, "send" | "bufferedAmount">;

/** The way out of one connection. */
export class Outbox {
  #backlog: Backlog;
  #sink: Sink;
  #onHandedOver: (response: string) => void;
  #onOverflow: () => void;
  /** The cost of what was handed over and is not written, when last measured. */
  #handed = 0;
  /** The characters of it. */
  #characters = 0;
  #waiting = new TextQueue();
  #overflowed = false;
  /** For how long its socket was looked at and had not moved, in milliseconds. */
  stalledMs = 0;

  /**
   * @param onHandedOver Is told each response that the socket has taken; one that
   * still waits is lost if the connection ends.
   * @param onOverflow Is called when too much waits; what waits is dropped.
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

  /** What waits, in bytes and what each response counts beside. */
  get size(): number {
    return this.#waiting.bytes + this.#waiting.length * WAIT_COST;
  }

  /** Whether nothing waits and nothing is left of what is shared. */
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

  /** Looks whether the socket has moved, and hands over what may go.
   *
   * @param elapsed Milliseconds since the last look. */
  look(elapsed: number): boolean {
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

  /** Forgets what waits. */
  drop(): void {
    this.#resize(() => this.#waiting.clear());
  }

  /** Ends it, when the socket is gone. */
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

  /** Deno tells the bytes that are not written; that many of the responses are
   * not, as far as they are of one length. */
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

  /** Tells the backlog how much more or less waits after this. */
  #resize(change: () => void): void {
    const before = this.size;
    change();
    this.#backlog.resize(this.size - before);
  }
}
