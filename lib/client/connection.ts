/**
 * One connection of the client, and those that replace it when it breaks. It
 * borrows requests, holds them in the order sent, and checks each response
 * against the oldest. Its states:
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
import { InFlight } from "./in_flight.ts";
import { CLOSE, LINES_PROTOCOL } from "../protocol.ts";
import { plural } from "../text.ts";
import type { Requests } from "./requests.ts";
import type { Socket, World } from "./environment.ts";
import { HIGHEST, parseResponse } from "../../static/proof.js";

/** The longest delay before the first reconnect, in milliseconds; each further one is
 * longer by the factor, up to the maximum. Five retries, the default, take 2.5 s on
 * average: enough for a server to restart. */
const BACKOFF_MS = 50;
const BACKOFF_FACTOR = 4;
const MAX_BACKOFF_MS = 2000;

/** How long to wait before the next try, in milliseconds. Full jitter: clients cut
 * off together do not come back together.
 *
 * @param failures Tries in a row before this one that failed, too.
 * @param random From 0 to 1.
 */
function backoff(failures: number, random: number): number {
  return random *
    Math.min(MAX_BACKOFF_MS, BACKOFF_MS * BACKOFF_FACTOR ** failures);
}

/** Most requests in flight after a connection broke with some unanswered: half as
 * many, or one if the server lets none pass by its policy. */
function windowAfter(
  { policy }: Failure,
  window: number,
  answered: boolean,
): number {
  return policy && !answered ? 1 : Math.max(1, Math.floor(window / 2));
}

/** Sockets that a connection has closed and that stay open all the same, each with a
 * descriptor: a peer that goes silent after the handshake can do that, and nothing
 * in Deno ends them. With so many the connection gives up. */
const MOST_HANGING = 16;
const HANGING_MESSAGE =
  `it has not ended ${MOST_HANGING} connections that were closed`;

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

  #inFlight: InFlight;
  /** Most requests in flight now: halved when a connection breaks with some
   * unanswered, doubled with each window answered. A peer that cuts deep windows
   * off is not asked the same thing for ever. */
  #window: number;
  /** Valid responses since the window was last doubled. */
  #answeredOfWindow = 0;

  /** Valid responses on this socket. */
  #answered = 0;
  /** Whether a request came back as it was. */
  #echoes = false;
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
    this.#inFlight = new InFlight(this.#window);
  }

  connect(): void {
    this.state = "connecting";
    this.#answered = this.#answeredOfWindow = 0;
    this.#waitsFor = undefined;
    this.#waited = -1; // the first tick begins to count
    const connectedAt = this.#owner.world.now();
    const socket = this.#socket = this.#owner.world.connect();
    let error = "";
    socket.onopen = () => this.#open(socket, connectedAt);
    socket.onmessage = ({ data }) => this.#receiveMessage(data);
    socket.onerror = (event) => {
      event.preventDefault();
      error = (event as ErrorEvent).message ?? "";
    };
    socket.onclose = ({ code, reason }) => this.#end(code, reason, error);
  }

  #open(socket: Socket, connectedAt: number): void {
    const message = unasked(socket, this.#settings.batch > 1);
    if (message !== undefined) return this.#break({ message, fatal: true });
    this.state = "open";
    const now = this.#owner.world.now();
    const { counters } = this.#requests;
    counters.times.handshakes.add(now - connectedAt);
    if (this.#hasOpened) counters.reconnects++;
    else counters.connections++;
    this.#hasOpened = true;
    this.#owner.onOpen();
    this.sendDue(now);
  }

  /** When the first request in flight was due; `Infinity` if there is none. */
  get firstDue(): number {
    return this.#inFlight.firstDue;
  }

  /** Sends what may be sent now. */
  sendDue(now: number): void {
    if (this.state !== "open") return;
    let message: string | undefined;
    while ((message = this.#nextMessage(now)) !== undefined) {
      this.#socket!.send(message);
    }
    const { counters } = this.#requests;
    counters.inFlight = Math.max(counters.inFlight, this.#inFlight.size);
  }

  /** The next message, if a request may be sent now. */
  #nextMessage(now: number): string | undefined {
    const { counters } = this.#requests;
    let message: string | undefined;
    for (let size = 0; size < this.#settings.batch; size++) {
      const index = this.#borrow(now);
      if (index === undefined) break;
      const text = this.#requests.text(index);
      message = message === undefined ? text : `${message}\n${text}`;
      counters.batch = Math.max(counters.batch, size + 1);
    }
    return message;
  }

  /** Borrows a request that was given back, or else a new one. */
  #borrow(now: number): number | undefined {
    if (this.#inFlight.size >= this.#window) return undefined;
    const returned = this.#requests.takeReturned();
    const index = returned ? returned.index : this.#requests.takeNew(now);
    if (index !== undefined) {
      const due = returned?.due ?? this.#requests.dueAt(index, now);
      this.#inFlight.push(index, due);
    }
    return index;
  }

  #receiveMessage(data: unknown): void {
    const now = this.#owner.world.now();
    const nothingYet = this.#requests.counters.answered === 0;
    if (this.#settings.batch > 1 && typeof data === "string") {
      for (const response of data.split("\n")) this.#receive(response, now);
    } else {
      this.#receive(data, now);
    }
    if (this.state !== "open") return; // closing: it was counted, no more
    if (this.#requests.done) this.#owner.onDone();
    else if (this.#echoes && nothingYet) this.#break(this.#echoFailure());
    else this.sendDue(now);
  }

  #receive(response: unknown, now: number): void {
    const { first } = this.#inFlight;
    if (first !== undefined) {
      const number = parseResponse(this.#requests.text(first), response);
      if (number !== undefined) {
        this.#requests.accept(first, number, now, this.#inFlight.shift());
        return this.#accepted(response as string);
      }
    }
    this.#receiveUnexpected(response, now);
  }

  /** A response that is not the next one: it answers a younger request or one that
   * was passed, or it is a request's wrong answer, or it answers none. */
  #receiveUnexpected(response: unknown, now: number): void {
    const found = this.#requests.answeredBy(response);
    const taken = found && this.#inFlight.take(found.index);
    if (found && taken) {
      this.#requests.accept(found.index, found.number, now, taken.due);
      if (taken.passed) this.#requests.overtake(found.index);
      return this.#accepted(response as string);
    }
    if (typeof response !== "string") {
      return this.#requests.reject(response, "binary data");
    }
    const { oldest, first } = this.#inFlight;
    for (const index of [oldest, first]) {
      if (index === undefined) continue;
      const request = this.#requests.text(index);
      if (response === request) {
        this.#echoes = true;
        return this.#requests.reject(response, "a request without a number");
      }
      if (response.startsWith(`${request} `)) {
        this.#inFlight.take(index);
        const reason = `no number from 1 to ${HIGHEST}`;
        return this.#requests.reject(response, reason, index);
      }
    }
    this.#requests.reject(response, "answers no request in flight");
  }

  /** A server whose first answer is a request as it was will not do better. */
  #echoFailure(): Failure {
    const message = this.#settings.batch > 1
      ? "it echoes, or answers a message as one request; leave out --batch"
      : "it echoes; ws-random proves only servers that add a number";
    return { message, fatal: true };
  }

  #accepted(response: string): void {
    this.#failures = 0;
    this.#answered++;
    if (++this.#answeredOfWindow >= this.#window) {
      this.#answeredOfWindow = 0;
      this.#window = Math.min(this.#window * 2, this.#settings.window);
    }
    this.#owner.onResponse(response);
  }

  /** Ends a connection that hangs. It counts ticks, not time: a client that was
   * itself stopped does not blame its server. */
  watch(): void {
    const { oldest } = this.#inFlight;
    const waits = this.state === "connecting" ||
      (this.state === "open" && oldest !== undefined);
    if (!waits || oldest !== this.#waitsFor) {
      this.#waitsFor = oldest;
      this.#waited = 0;
      this.#inFlight.mark();
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
    const unanswered = this.#inFlight.takeAll(silent);
    this.#requests.giveBack(unanswered);
    const { message: reason } = failure;
    if (wasOpen) this.#owner.onBreak(reason, unanswered.length);
    const answered = this.#answered > 0;
    const alone = this.#window === 1 && !answered;
    if (unanswered.length > 0) {
      this.#window = windowAfter(failure, this.#window, answered);
    }
    if (this.#hanging > MOST_HANGING) {
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
    this.#owner.after(delay, () => {
      if (this.state === "waiting") this.connect();
    });
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

/** What a handshake was answered with and must not be (RFC 6455 section 4.1), or
 * `undefined` if nothing. */
function unasked(
  { protocol, extensions }: Socket,
  lines: boolean,
): string | undefined {
  if (extensions !== "") {
    return `chose an extension that was not asked for: ${extensions}`;
  }
  if (lines && protocol === "") {
    return `does not speak ${LINES_PROTOCOL}; leave out --batch`;
  }
  if (protocol !== (lines ? LINES_PROTOCOL : "")) {
    return `chose a subprotocol that was not asked for: ${protocol}`;
  }
}
