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
import { Watchdog } from "./watchdog.ts";
import type { Socket, World } from "./environment.ts";
import { parseResponse } from "../../static/proof.js";

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

/** What a run's connections have in common. */
export interface Settings {
  /** For messages: without a password. */
  url: string;
  /** Most requests in flight on one connection. */
  window: number;
  /** Most requests in one message; more than 1 by {@linkcode LINES_PROTOCOL}. */
  batch: number;
  retries: number;
  /** Milliseconds without an answer until a connection counts as dead. */
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
  /** A connection broke and gave back what was unanswered. */
  onBroken(): void;
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

  /** On this socket: requests sent, responses of any kind, valid ones. */
  #sent = 0;
  #responses = 0;
  #answered = 0;
  #watchdog: Watchdog;

  constructor(owner: Owner) {
    this.#owner = owner;
    this.#requests = owner.requests;
    this.#settings = owner.settings;
    const { window, timeout, tick } = owner.settings;
    this.#window = window;
    this.#watchdog = new Watchdog(timeout, tick);
    this.#inFlight = new InFlight(
      window,
      (index) => this.#requests.overtake(index),
    );
  }

  connect(): void {
    this.state = "connecting";
    this.#sent = this.#responses = 0;
    this.#answered = this.#answeredOfWindow = 0;
    this.#watchdog.reset();
    const socket = this.#socket = this.#owner.world.connect();
    const secure = this.#settings.url.startsWith("wss:");
    let error = "";
    socket.onopen = () => this.#open(socket.protocol);
    socket.onmessage = ({ data }) => this.#receiveMessage(data);
    socket.onerror = (event) => {
      event.preventDefault();
      error = (event as ErrorEvent).message ?? "";
    };
    socket.onclose = ({ code, reason }) => {
      if (this.state === "closing") this.drop();
      else this.#break(describeFailure(code, reason, error, secure));
    };
  }

  #open(protocol: string): void {
    if (this.#settings.batch > 1 && protocol !== LINES_PROTOCOL) {
      const message = `does not speak ${LINES_PROTOCOL}; leave out --batch`;
      return this.#break({ message, fatal: true });
    }
    this.state = "open";
    const { counters } = this.#requests;
    if (this.#hasOpened) counters.reconnects++;
    else counters.connections++;
    this.#hasOpened = true;
    this.#owner.onOpen();
    this.sendDue(this.#owner.world.now());
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
    let message: string | undefined;
    for (let size = 0; size < this.#settings.batch; size++) {
      const index = this.#borrow(now);
      if (index === undefined) break;
      const text = this.#requests.text(index);
      message = message === undefined ? text : `${message}\n${text}`;
      this.#sent++;
    }
    return message;
  }

  /** Borrows a request that was given back, or else a new one. */
  #borrow(now: number): number | undefined {
    if (this.#inFlight.size >= this.#window) return undefined;
    const returned = this.#requests.takeReturned();
    const index = returned ? returned.index : this.#requests.takeNew(now);
    if (index !== undefined) {
      this.#inFlight.push(index, returned?.sentAt ?? now);
    }
    return index;
  }

  #receiveMessage(data: unknown): void {
    const now = this.#owner.world.now();
    if (this.#settings.batch > 1 && typeof data === "string") {
      for (const response of data.split("\n")) this.#receive(response, now);
    } else {
      this.#receive(data, now);
    }
    if (this.state !== "open") return; // closing: it was counted, no more
    if (this.#requests.done) this.#owner.onDone();
    else this.sendDue(now);
  }

  #receive(response: unknown, now: number): void {
    this.#responses++;
    const { first } = this.#inFlight;
    if (first !== undefined) {
      const number = parseResponse(this.#requests.text(first), response);
      if (number !== undefined) {
        const latency = now - this.#inFlight.shift();
        this.#requests.accept(first, number, latency);
        return this.#accepted(response as string);
      }
    }
    this.#receiveUnexpected(response, now);
  }

  /** A response that is not the next one: it answers a younger request or one that
   * was overtaken, or it is a request's wrong answer, or it answers none. */
  #receiveUnexpected(response: unknown, now: number): void {
    const found = this.#requests.answeredBy(response);
    const sentAt = found && this.#inFlight.take(found.index);
    if (found && sentAt !== undefined) {
      this.#requests.accept(found.index, found.number, now - sentAt);
      return this.#accepted(response as string);
    }
    const { oldest, first } = this.#inFlight;
    const wrong = [oldest, first].find((index) =>
      index !== undefined && typeof response === "string" &&
      response.startsWith(`${this.#requests.text(index)} `)
    );
    if (wrong !== undefined) this.#inFlight.take(wrong);
    this.#requests.reject(response, wrong);
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

  watch(): void {
    const { oldest, size } = this.#inFlight;
    const trouble = this.#watchdog.check({
      waits: this.state === "connecting" ||
        (this.state === "open" && size > 0),
      oldest,
      sent: this.#sent,
      responses: this.#responses,
    });
    if (trouble === "silent") {
      const message = `no answer for ${this.#settings.timeout / 1000} s`;
      this.#break({ message, fatal: false });
    } else if (trouble === "wrong") {
      const message =
        `${size} of ${this.#sent} requests got something else than their response`;
      this.#break({ message, fatal: false });
    }
  }

  /** Gives back what is unanswered, and tries again later or gives up. */
  #break(failure: Failure): void {
    this.#detach();
    const unanswered = this.#inFlight.takeAll();
    this.#requests.giveBack(unanswered);
    const answered = this.#answered > 0;
    const alone = this.#window === 1 && !answered;
    if (unanswered.length > 0) {
      this.#window = windowAfter(failure, this.#window, answered);
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
    this.#owner.onBroken();
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
    this.state = "gone";
    this.#detach();
    this.#owner.onGone();
  }

  #detach(): void {
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = undefined;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(); // its onerror stays: Deno throws an error that nobody takes
  }
}
