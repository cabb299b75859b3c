/**
 * One connection of the client, and those that replace it when it breaks. What is
 * sent and received on it is its exchange's. Its states:
 *
 *     waiting -> connecting -> open -> closing -> gone
 *        ^            |         |
 *        +------------+---------+   broken, to be tried again
 *
 * `gone` can follow each of them. Only the methods here change the state.
 *
 * @module
 */

import { describeFailure, type Failure } from "./failure.ts";
import { Exchange } from "./exchange.ts";
import { unasked } from "./handshake.ts";
import { CLOSE } from "../protocol.ts";
import { plural } from "../text.ts";
import type { Requests } from "./requests.ts";
import { backoff, windowAfter } from "./retry.ts";
import type { Socket, World } from "./environment.ts";

/** Sockets that a connection has closed and that stay open all the same, each with a
 * descriptor: a peer that goes silent after the handshake can do that, and nothing
 * in Deno ends them. With so many the connection gives up. */
const MOST_HANGING = 16;
const HANGING_MESSAGE =
  `it has not ended ${MOST_HANGING} connections that were closed`;

/** After so many messages without a valid response a connection gives up: while a peer
 * floods, no timer and no signal of the client comes to its turn. */
const MOST_USELESS = 10_000;
const FLOOD = {
  message: `it sent ${MOST_USELESS} messages that answer no request`,
  fatal: true,
};

/** Deno's errors for what breaks RFC 6455; others tell that TCP or TLS ended. */
const MALFORMED =
  /^(?:Invalid |Reserved bits|Control frame|Ping frame|Frame too large)/;

/** What a run's connections have in common. */
export interface Settings {
  /** For messages: without a password. */
  url: string;
  /** Most requests in flight on one connection. */
  window: number;
  /** Most requests in one message; more than 1 by {@linkcode LINES_PROTOCOL}. */
  batch: number;
  /** Subprotocols that are offered. */
  protocols: string[];
  /** Whether responses may come in any order. */
  unordered: boolean;
  retries: number;
  /** Milliseconds without an answer until a request is lost. */
  timeout: number;
  /** Milliseconds from one call of `watch` to the next. */
  tick: number;
}

/** The run that a connection belongs to. */
export interface Owner {
  readonly world: World;
  readonly requests: Requests;
  readonly settings: Settings;
  /** Calls back later, unless the run is over by then. */
  after(milliseconds: number, callback: () => void): void;
  onOpen(): void;
  /** A valid response came. */
  onResponse(response: string): void;
  /** All requests have their responses. */
  onDone(): void;
  /** An open connection broke, and gave back so many unanswered requests. */
  onBreak(reason: string, inFlight: number): void;
  /** A connection ended for good; the reason, if it gave up. */
  onGone(reason?: string): void;
}

export class ClientConnection {
  state: "waiting" | "connecting" | "open" | "closing" | "gone" = "waiting";
  #owner: Owner;
  #requests: Requests;
  #settings: Settings;
  #socket: Socket | undefined;
  #hasOpened = false;
  /** Tries in a row without a valid response. */
  #failures = 0;

  #exchange: Exchange;
  /** Most requests in flight now: halved when a connection breaks with some
   * unanswered, doubled with each window answered. A peer that cuts deep windows
   * off is not asked the same thing for ever. */
  #window: number;
  /** Valid responses on this socket when the window was last doubled. */
  #doubledAt = 0;

  /** What it waited for at the last tick, the handshake or the oldest request, and
   * for how many ticks. */
  #waitsFor: number | undefined;
  #waited = 0;
  #hanging = 0;

  constructor(owner: Owner) {
    this.#owner = owner;
    this.#requests = owner.requests;
    this.#settings = owner.settings;
    this.#window = owner.settings.window;
    this.#exchange = new Exchange(
      owner.requests,
      owner.settings,
      (response) => owner.onResponse(response),
    );
  }

  connect(): void {
    if (this.state !== "waiting") return; // the run was done before
    this.state = "connecting";
    this.#exchange.begin();
    this.#doubledAt = 0;
    this.#waitsFor = undefined;
    this.#waited = -1; // the first tick begins to count
    const connectedAt = this.#owner.world.now();
    const socket = this.#socket = this.#owner.world.connect();
    let error = "";
    socket.onopen = () => this.#open(socket, connectedAt);
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onerror = (event) => {
      event.preventDefault();
      error = (event as ErrorEvent).message ?? "";
    };
    socket.onclose = ({ code, reason }) => this.#end(code, reason, error);
  }

  #open(socket: Socket, connectedAt: number): void {
    const message = unasked(socket, this.#settings);
    if (message !== undefined) return this.#break({ message, fatal: true });
    this.state = "open";
    const { world } = this.#owner;
    const { counters } = this.#requests;
    counters.times.handshakes.add(world.now() - connectedAt);
    counters.subprotocol = socket.protocol || null;
    if (this.#hasOpened) counters.reconnects++;
    else counters.connections++;
    this.#hasOpened = true;
    this.#owner.onOpen();
    this.sendDue(world.now()); // after the run's start
  }

  /** When the first request in flight was due; `Infinity` if there is none. */
  get firstDue(): number {
    return this.#exchange.firstDue;
  }

  /** Sends what may be sent now. */
  sendDue(now: number): void {
    if (this.state !== "open") return;
    let message: string | undefined;
    while (
      (message = this.#exchange.next(now, this.#window)) !== undefined
    ) this.#socket!.send(message);
  }

  #receive(data: unknown): void {
    const now = this.#owner.world.now();
    const { answered } = this.#exchange;
    this.#exchange.receive(data, now);
    if (this.#exchange.answered > answered) this.#progress();
    if (this.state !== "open") return; // closing: it was counted, no more
    if (this.#requests.done) this.#owner.onDone();
    else if (this.#exchange.echoes) this.#break(this.#echoFailure());
    else if (this.#exchange.useless >= MOST_USELESS) this.#break(FLOOD);
    else this.sendDue(now);
  }

  #progress(): void {
    this.#failures = 0;
    const { answered } = this.#exchange;
    if (answered - this.#doubledAt < this.#window) return;
    this.#doubledAt = answered;
    this.#window = Math.min(this.#window * 2, this.#settings.window);
  }

  /** A server whose first answer is a request as it was will not do better. */
  #echoFailure(): Failure {
    const message = this.#settings.batch > 1
      ? "it echoes, or answers a message as one request; leave out --batch"
      : "it echoes; to test that, write --expect echo";
    return { message, fatal: true };
  }

  /** Ends a connection that hangs. It counts ticks, not time: a client that was
   * itself stopped does not blame its server. */
  watch(): void {
    const { oldest } = this.#exchange;
    const waits = this.state === "connecting" ||
      (this.state === "open" && oldest !== undefined);
    if (!waits || oldest !== this.#waitsFor) {
      this.#waitsFor = oldest;
      this.#waited = 0;
      this.#exchange.mark();
      return;
    }
    const { tick, timeout } = this.#settings;
    if (++this.#waited * tick < timeout) return;
    const { answered, invalid } = this.#requests.counters;
    const message = `no answer for ${timeout / 1000} s`;
    if (answered > 0 || invalid === 0) {
      return this.#break({ message, fatal: false }, true);
    }
    const instead = `${message}, but something that is none`;
    this.#break({ message: instead, fatal: true }, true);
  }

  /** The socket has ended, but not by this side. */
  #end(code: number, reason: string, error: string): void {
    this.#socket = undefined;
    if (this.state === "closing") return this.drop();
    if (MALFORMED.test(error)) {
      this.#requests.reject(null, `breaks the protocol: ${error}`);
    }
    const secure = this.#settings.url.startsWith("wss:");
    this.#break(describeFailure(code, reason, error, secure));
  }

  /**
   * Gives back what is unanswered, and tries again later or gives up.
   *
   * @param silent Whether it was open, and nothing came for the timeout.
   */
  #break(failure: Failure, silent = false): void {
    if (this.#requests.done) return this.drop();
    const wasOpen = this.state === "open";
    this.#detach();
    const unanswered = this.#exchange.end(silent);
    this.#requests.giveBack(unanswered);
    const { message: reason } = failure;
    if (wasOpen) this.#owner.onBreak(reason, unanswered.length);
    const answered = this.#exchange.answered > 0;
    const alone = this.#window === 1 && !answered;
    if (unanswered.length > 0) {
      this.#window = windowAfter(failure, this.#window, answered);
    }
    if (this.#hanging >= MOST_HANGING) {
      failure = { message: `${reason}; ${HANGING_MESSAGE}`, fatal: true };
    }
    // A server that closes with 1008 may accept fewer requests at a time.
    const final = failure.policy ? alone : failure.fatal;
    if (final || this.#failures === this.#settings.retries) {
      this.state = "gone";
      return this.#owner.onGone(this.#giveUpMessage(failure));
    }
    this.state = "waiting";
    const delay = backoff(this.#failures++, this.#owner.world.random());
    this.#owner.after(delay, () => this.connect());
  }

  #giveUpMessage({ message, fatal }: Failure): string {
    const { url, retries } = this.#settings;
    if (!fatal && !this.#hasOpened) return `cannot reach ${url}: ${message}`;
    if (fatal || retries === 0) return `${url}: ${message}`;
    const tries = plural(retries, "retry", "retries");
    return `${url}: ${message}; gave up after ${tries}`;
  }

  /** Ends: with a closing handshake if it is open, at once if not. */
  close(): void {
    if (this.state !== "open") return this.drop();
    this.state = "closing";
    this.#socket!.close(CLOSE.NORMAL);
  }

  drop(): void {
    if (this.state === "gone") return;
    this.#detach();
    this.state = "gone";
    this.#owner.onGone();
  }

  #detach(): void {
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = undefined;
    socket.onopen = socket.onmessage = socket.onclose = null;
    if (this.state === "open") {
      this.#hanging++;
      socket.onclose = () => this.#hanging--;
    }
    socket.close(); // its onerror stays: Deno throws an error that nobody takes
  }
}
