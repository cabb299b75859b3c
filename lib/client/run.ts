/**
 * One run of the client: it owns the requests and the connections, and ends when
 * every request has its response, when no connection is left, or when it is
 * stopped.
 *
 * @module
 */

import { ClientConnection, type Owner, type Settings } from "./connection.ts";
import { offered } from "./handshake.ts";
import { type ClientOptions, countOf } from "./options.ts";
import { longestRequest, Requests } from "./requests.ts";
import { hideSecrets } from "../text.ts";
import { realWorld, type World } from "./environment.ts";

/** The window if none is given, in requests and in bytes of them. A deeper one is
 * hardly faster, and a server may not accept it. */
const DEFAULT_WINDOW = 1000;
const DEFAULT_WINDOW_BYTES = 1_048_576;

/** A longer message is written in two parts by Deno's client, and the second
 * waits for the first to be acknowledged if nothing follows: some 44 ms. */
export const UNSPLIT_BYTES = 1024;

/** The longest time from one tick of the watchdog to the next, in milliseconds. */
const TICK_MS = 250;
/** The fewest ticks of it within a timeout, which is at most one tick late. */
const TIMEOUT_TICKS = 20;

/** How long the closing handshakes may take, in milliseconds; few round trips take
 * longer. A surplus response comes before the peer's close frame. */
const CLOSE_MS = 300;
/** What a peer sent together with its last response arrives within this, in
 * milliseconds. After a close Deno does not tell of what breaks the protocol. */
const LINGER_MS = 5;

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
}

/** How many connections, with how many requests in flight on each, and how many of
 * them in a message. */
function layOut(options: ClientOptions, count: number) {
  const { message } = options;
  const connections = Math.min(options.connections, count);
  const bytes = longestRequest(message, count);
  const fitting = Math.max(1, Math.floor(DEFAULT_WINDOW_BYTES / bytes));
  const window = options.window ?? Math.min(DEFAULT_WINDOW, fitting);
  const batch = Math.floor(UNSPLIT_BYTES / (bytes + 1));
  return {
    connections,
    window: Math.min(window, Math.ceil(count / connections)),
    batch: Math.max(1, Math.min(options.batch, batch)),
  };
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
    const count = countOf(options);
    const { connections, window, batch } = layOut(options, count);
    this.world = world ?? realWorld({ ...options, batch });
    const { proxy } = this.world;
    this.settings = {
      url: hideSecrets(options.url.href) +
        (proxy ? ` through the proxy ${proxy}` : ""),
      window,
      batch,
      protocols: offered({ ...options, batch }),
      retries,
      timeout,
      tick: Math.min(TICK_MS, timeout / TIMEOUT_TICKS),
    };
    this.requests = new Requests(message, count, rate);
    this.requests.onEarly = () => this.#pace();
    this.#duration = options.duration;
    this.#ramp = options.ramp;
    this.#listener = listener;
    this.#connections = Array.from(
      { length: connections },
      () => new ClientConnection(this),
    );
    this.#left = connections;
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
    const { counters } = this.requests;
    if (!Number.isNaN(counters.startedAt)) return;
    counters.startedAt = this.world.now();
    if (this.#duration !== undefined) {
      this.after(this.#duration, () => this.#endSending());
    }
  }

  /** The time is over: waits for what is in flight, until it counts as lost. */
  #endSending(): void {
    this.requests.endSending();
    if (this.requests.done) return this.onDone();
    const { timeout, tick } = this.settings;
    this.after(timeout + 2 * tick, () => this.#end({ stopped: false }));
  }

  onResponse(response: string): void {
    this.#listener.onResponse(response);
  }

  onDone(): void {
    if (this.#state !== "running") return;
    this.#state = "closing";
    this.requests.counters.endedAt = this.world.now();
    this.after(CLOSE_MS, () => this.stop());
    this.after(LINGER_MS, () => {
      for (const connection of this.#connections) connection.close();
    });
  }

  onBreak(reason: string, inFlight: number): void {
    const { breaks } = this.requests.counters;
    breaks.push({ at: this.world.now(), reason, inFlight });
    this.#sendSoon();
  }

  onGone(reason?: string): void {
    if (this.#state === "over") return;
    if (reason !== undefined) this.requests.counters.gaveUp++;
    if (--this.#left === 0) {
      this.#end({ stopped: false, failure: reason });
    } else if (reason !== undefined) {
      this.#listener.onGivenUp(reason);
      this.#sendSoon();
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
    const { sent } = this.requests.counters;
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
    const now = requests.counters.endedAt = world.now();
    let due = requests.firstDue(now);
    for (const { firstDue } of this.#connections) due = Math.min(due, firstDue);
    requests.counters.times.pauses.unanswered(now, due);
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
