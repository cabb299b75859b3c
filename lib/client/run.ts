/**
 * One run of the client: it owns the requests and the connections, and ends when
 * every request has its response, when no connection is left, or when it is
 * stopped.
 *
 * @module
 */

import { ClientConnection, type Owner, type Settings } from "./connection.ts";
import { offered } from "./handshake.ts";
import type { ClientOptions } from "./options.ts";
import { type Interval, IntervalCounter } from "./intervals.ts";
import type { Break, Counters } from "./counters.ts";
import { Requests } from "./requests.ts";
import { hideSecrets } from "../text.ts";
import { Expectation } from "./expect.ts";
import { layOut } from "./plan.ts";
import { realWorld, type World } from "./environment.ts";

/** The longest time from one look at the connections to the next, in milliseconds. */
const TICK_MS = 250;
/** The fewest ticks of it within a timeout, which is at most one tick late. */
const TIMEOUT_TICKS = 20;

/** How long the closing handshakes may take, in milliseconds; few round trips take
 * longer. A surplus response comes before the peer's close frame. */
const CLOSE_MS = 300;
/** What a peer sent together with its last response arrives within this, in
 * milliseconds. After a close Deno does not tell of what breaks the protocol. */
const LINGER_MS = 1;

/** How a run ended. */
export interface Outcome {
  /** Why it was given up, if no connection could be kept. */
  failure?: string;
  /** Whether it was stopped before its end. */
  stopped: boolean;
}

export interface RunListener {
  /** A valid response came. */
  onResponse(response: string): void;
  /** A connection gave up, and others go on. */
  onGivenUp(reason: string): void;
  /** The first connection is open. */
  onStart?(): void;
  /** An open connection broke. */
  onBreak?(end: Break): void;
  /** A part of the run ended, with `--interval`. */
  onInterval?(interval: Interval, index: number): void;
}

export class Run implements Owner {
  readonly world: World;
  readonly requests: Requests;
  readonly settings: Settings;
  #state: "running" | "closing" | "over" = "running";
  #connections: ClientConnection[];
  #listener: RunListener;
  /** How long requests are sent, and connections opened, in milliseconds. */
  #duration: number | undefined;
  #interval: number | undefined;
  #ramp: number;
  #outcome = Promise.withResolvers<Outcome>();
  /** Cancels what is waited for: it ends with the run. */
  #timers = new Set<() => void>();
  /** Whether a timer will send what is due by then. */
  #paces = false;
  #willSend = false;
  /** Connections that are not gone. */
  #left: number;
  /** The connection that is first to send what comes due. */
  #turn = 0;

  constructor(
    options: ClientOptions,
    listener: RunListener,
    world?: World,
  ) {
    const { message, rate, retries, timeout } = options;
    const { count, connections, window, batch } = layOut(options);
    this.world = world ?? realWorld({ ...options, batch });
    const { proxy } = this.world;
    this.settings = {
      url: hideSecrets(options.url.href) +
        (proxy ? ` through the proxy ${proxy}` : ""),
      window,
      batch,
      unordered: options.unordered,
      protocols: offered({ ...options, batch }),
      retries,
      timeout,
      tick: Math.min(TICK_MS, timeout / TIMEOUT_TICKS),
    };
    this.requests = new Requests(
      new Expectation(options.expect, message),
      message,
      count,
      rate,
    );
    this.requests.onEarly = () => this.#pace();
    this.#duration = options.duration;
    this.#interval = options.interval;
    this.#ramp = options.ramp;
    this.#listener = listener;
    this.#connections = Array.from(
      { length: connections },
      () => new ClientConnection(this),
    );
    this.#left = connections;
  }

  get counters(): Counters {
    return this.requests.counters;
  }

  /** Connections that are open. */
  get open(): number {
    return this.#connections.filter(({ state }) => state === "open").length;
  }

  /** Runs to the end. */
  start(): Promise<Outcome> {
    const step = this.#ramp / this.#connections.length;
    this.#connections.forEach((connection, index) => {
      if (step === 0) connection.connect();
      else this.after(index * step, () => connection.connect());
    });
    this.#watch();
    return this.#outcome.promise;
  }

  after(milliseconds: number, callback: () => void): void {
    const cancel = this.world.after(milliseconds, () => {
      this.#timers.delete(cancel);
      callback();
    });
    this.#timers.add(cancel);
  }

  #watch(): void {
    this.after(this.settings.tick, () => {
      this.#watch();
      for (const connection of this.#connections) connection.watch();
    });
  }

  /** Ends the run at once. */
  stop(): void {
    this.#end({ stopped: !this.requests.done });
  }

  /** Sends nothing until {@linkcode resume}. */
  pause(): void {
    this.requests.paused = true;
  }

  resume(): void {
    this.requests.paused = false;
    this.#sendDue();
  }

  onOpen(): void {
    const { counters } = this;
    if (!Number.isNaN(counters.startedAt)) return;
    counters.startedAt = this.world.now();
    counters.startedDate = this.world.date();
    this.#listener.onStart?.();
    if (this.#interval !== undefined) {
      counters.times.interval = new IntervalCounter();
      this.#countIntervals(this.#interval, 1);
    }
    if (this.#duration === undefined) return;
    this.requests.endsAt = counters.startedAt + this.#duration;
    this.after(this.#duration, () => this.#endSending());
  }

  #countIntervals(length: number, nth: number): void {
    const end = this.counters.startedAt + nth * length;
    this.after(Math.max(0, end - this.world.now()), () => {
      if (this.#state !== "running") return;
      this.#endInterval();
      this.#countIntervals(length, nth + 1);
    });
  }

  #endInterval(): void {
    const { times, intervals, startedAt, resends } = this.counters;
    const now = this.world.now() - startedAt;
    const interval = times.interval?.end(now, this.open, resends);
    if (!interval) return;
    const { fromMs, toMs, answered } = interval;
    if (fromMs === toMs && answered === 0) return; // nothing at the end
    intervals.push(interval);
    this.#listener.onInterval?.(interval, intervals.length - 1);
  }

  /** The time is over: waits for what is in flight, until it counts as lost. */
  #endSending(): void {
    this.requests.endSending(this.world.now(), this.open === 0);
    if (this.requests.done) return this.onDone();
    const { timeout, tick } = this.settings;
    this.after(timeout + 2 * tick, () => {
      if (this.#state === "running") this.#end({ stopped: false });
    });
  }

  onResponse(response: string): void {
    this.#listener.onResponse(response);
  }

  onDone(): void {
    if (this.#state !== "running") return;
    this.#countTime();
    this.#state = "closing";
    this.after(CLOSE_MS, () => this.stop());
    this.after(LINGER_MS, () => {
      for (const connection of this.#connections) connection.close();
    });
  }

  onBreak(reason: string, inFlight: number): void {
    const end = { at: this.world.now(), reason, inFlight };
    this.counters.breaks.push(end);
    this.#listener.onBreak?.(end);
    this.#sendSoon();
  }

  onGone(reason?: string): void {
    if (reason !== undefined) this.counters.gaveUp++;
    if (--this.#left === 0) {
      const { count } = this.counters;
      if (reason !== undefined && count === Infinity) {
        this.requests.endSending(this.world.now(), true);
      }
      this.#end({ stopped: false, failure: reason });
    } else if (reason !== undefined) {
      this.#listener.onGivenUp(reason);
    }
  }

  /** Sends what may be sent now, once however many connections broke together. */
  #sendSoon(): void {
    if (this.#willSend) return;
    this.#willSend = true;
    this.after(0, () => {
      this.#willSend = false;
      this.#sendDue();
    });
  }

  /** Sends what may be sent now, by whichever connection has its turn. */
  #sendDue(): void {
    const now = this.world.now();
    const { length } = this.#connections;
    for (let i = 0; i < length; i++) {
      this.#connections[(this.#turn + i) % length].sendDue(now);
    }
  }

  /** Waits for the next request to be due, if there is a rate. */
  #pace(): void {
    if (this.#paces) return;
    this.#paces = true;
    const now = this.world.now();
    const { sent } = this.counters;
    const due = this.requests.dueAt(sent, now);
    this.after(Math.max(1, due - now), () => {
      this.#paces = false;
      this.#turn++;
      this.#sendDue();
    });
  }

  /** The time that counts is over, for each request has its response or will not get
   * one. */
  #countTime(): void {
    const { requests, world } = this;
    const now = this.counters.endedAt = world.now();
    let due = requests.firstDue(now);
    for (const { firstDue } of this.#connections) due = Math.min(due, firstDue);
    this.counters.times.pauses.unanswered(now, due);
    this.#endInterval();
  }

  #end(outcome: Outcome): void {
    if (this.#state === "over") return;
    if (this.#state === "running") this.#countTime();
    this.#state = "over";
    for (const cancel of this.#timers) cancel();
    for (const connection of this.#connections) connection.drop();
    this.#outcome.resolve(outcome);
  }
}
