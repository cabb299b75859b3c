/**
 * The rule for what waits: which responses are handed to a socket at once, which
 * wait here, and which connection is closed when too much waits.
 *
 * How it was chosen, by trials with Deno 2.9.6 and 2.6.8 on two cores. Deno takes
 * up to 15,872 messages in one turn of its event loop and writes far fewer, cannot
 * pause reading, and tells nothing when a socket has room again. `send` for
 * everything serves every peer that reads and takes 300 to 900 MB for one that does
 * not; 16 KiB a connection, refilled by a timer, closed peers that read. A budget
 * for all of 24 MiB holds the 10,000 short responses that a peer may ask for
 * together with a close. It is measured against what is unwritten: counted until a
 * socket was seen empty, a peer that kept it busy ran out of it. Ten peers that
 * flood with 100 bytes for 20 s took 224 MB with 3 MiB waiting at the most, 228 to
 * 253 with 4, 313 to 394 with 16; and 3 MiB hold a window of 50,000.
 *
 * @module
 */

/** What a response costs in Deno from `send` until it is written, beside its
 * characters. */
const SEND_COST = 2048;

/** What a connection may always have handed over and not written. */
const OWN_COST = 131_072;

/** What all connections together may have handed over beyond that. */
const SHARED_COST = 25_165_824;

/** What a response costs that waits here, beside its characters. */
const WAIT_COST = 64;

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

  /** @param most Bytes that may wait: the texts, and 64 for each. */
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
    this.#timer ??= setTimeout(() => this.#look(), this.#lookMs = LOOK_MS);
  }

  forget(outbox: Outbox): void {
    this.#watched.delete(outbox);
    if (this.#watched.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Counts what has begun or ceased to wait. When it is too much, the outbox
   * overflows whose socket has not moved for the longest time. */
  resize(change: number): void {
    this.#size += change;
    while (this.#size > this.most) {
      [...this.#watched].filter(({ size }) => size > 0)
        .reduce((slowest, outbox) =>
          outbox.movedAt < slowest.movedAt ? outbox : slowest
        ).overflow();
    }
  }

  #look(): void {
    const now = performance.now();
    let moved = false;
    for (const outbox of this.#watched) {
      if (outbox.look(now)) moved = true;
      if (outbox.settled) this.#watched.delete(outbox);
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
  /** What waits is in this from `#first` on. */
  #waiting: string[] = [];
  #first = 0;
  #size = 0;
  #overflowed = false;
  /** When it last moved, or began to wait, in milliseconds. */
  movedAt = 0;

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

  /** What waits, in bytes as {@linkcode Backlog} counts them. */
  get size(): number {
    return this.#size;
  }

  /** Whether nothing waits and nothing is left of what is shared. */
  get settled(): boolean {
    return this.#size === 0 && this.#handed <= OWN_COST;
  }

  /** Sends a response now, or after those that wait. */
  send(response: string): void {
    if (this.#size === 0 && this.#hasRoom()) {
      this.#handOver(response);
    } else {
      if (this.#size === 0) this.movedAt = performance.now();
      this.#waiting.push(response);
      this.#backlog.watch(this);
      this.#resize(response.length + WAIT_COST);
      this.#handOverWaiting();
    }
  }

  /** Looks whether the socket has moved, and hands over what may go. */
  look(now: number): boolean {
    const before = this.#characters;
    this.#measure();
    const moved = this.#characters < before;
    if (moved) this.movedAt = now;
    this.#handOverWaiting();
    return moved;
  }

  #handOverWaiting(): void {
    while (this.#first < this.#waiting.length && this.#hasRoom()) {
      const response = this.#waiting[this.#first++];
      this.#resize(-response.length - WAIT_COST);
      this.#handOver(response);
    }
    if (this.#first * 2 >= this.#waiting.length) {
      this.#waiting.splice(0, this.#first);
      this.#first = 0;
    }
  }

  overflow(): void {
    this.#measure();
    this.#overflowed = true;
    this.drop();
    this.#onOverflow();
  }

  /** Forgets what waits. */
  drop(): void {
    this.#resize(-this.#size);
    this.#waiting = [];
    this.#first = 0;
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

  #resize(change: number): void {
    this.#size += change;
    this.#backlog.resize(change);
  }
}
