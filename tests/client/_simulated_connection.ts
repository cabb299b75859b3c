/**
 * A connection of the network that is made up, and the peer that it leads to.
 *
 * @module
 */

import { assert } from "@std/assert";
import { LINES_PROTOCOL } from "../../lib/protocol.ts";
import type { Socket } from "../../lib/client/environment.ts";
import type { Network } from "./_simulated_network.ts";

/** What a peer does with a request. */
export type Act =
  | "answer"
  | "drop"
  | "wrong" // its text, and no valid number
  | "twice"
  | "hold" // until after the next answer: two are swapped
  | "early" // the next request, which may not have been sent yet, and this one
  | "garbage"
  | "binary"
  | "echo" // its text alone
  | "malformed" // a frame that breaks the protocol
  | "slip" // the answer and such a frame
  | "hang"; // answers nothing any more

/** How a connection goes. */
export interface Peer {
  opening:
    | "accept"
    | "refuse"
    | "503"
    | "404"
    | "untrusted"
    | "subprotocol" // one that was not asked for
    | "extension" // likewise
    | "hang";
  greeting: boolean;
  /** Milliseconds each way. */
  latency: number;
  /** What it does with the first request, the second, …, and again. */
  acts: Act[];
  /** Ends the connection this many milliseconds after it opened. */
  cut: { after: number; code: number } | null;
  answersClose: boolean;
}

/** A request that a connection was sent and that has no response yet. */
export interface Outstanding {
  request: string;
  sentAt: number;
  /** Whether a younger one was answered before. */
  passed: boolean;
}

/** One connection, as the network sees it. */
export class Connection implements Socket {
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onerror: Socket["onerror"] = null;
  onclose: Socket["onclose"] = null;
  protocol = "";
  extensions = "";
  state: "connecting" | "open" | "closed" = "connecting";
  /** Whether the client has closed it. */
  closing = false;
  /** Requests that were sent on it. */
  received = 0;
  /** The oldest first. */
  outstanding: Outstanding[] = [];
  readonly begunAt: number;
  #network: Network;
  #peer: Peer;
  #acted = 0;
  #held: string[] = [];
  #hangs = false;
  /** When it was begun or opened, or the oldest request became that. */
  #since: number;
  /** Whether it merely echoed, and nothing was ever answered. */
  #echoes = false;
  /** When the last thing in flight arrives: nothing overtakes on one
   * connection. */
  #lastArrival: number;

  constructor(network: Network, peer: Peer) {
    this.#network = network;
    this.#peer = peer;
    this.begunAt = this.#since = this.#lastArrival = network.now();
    if (peer.opening !== "hang") this.#later(() => this.#open());
  }

  #open(): void {
    const { opening, greeting, cut } = this.#peer;
    if (opening in HANDSHAKE_ERRORS) {
      return this.#end(0, `${FAILED}${HANDSHAKE_ERRORS[opening]}`);
    }
    this.state = "open";
    this.#since = this.#network.now();
    if (this.#network.lines) this.protocol = LINES_PROTOCOL;
    if (opening === "subprotocol") this.protocol = "unheard.of";
    if (opening === "extension") this.extensions = "permessage-deflate";
    if (greeting) this.#respond(["welcome"]);
    if (cut) this.#network.schedule(cut.after, () => this.#end(cut.code));
    // The client waits for it still.
    if (this.onopen && opening === "accept") this.#network.onOpen(this);
    this.onopen?.(new Event("open"));
  }

  /** Something arrives, in order. */
  #later(arrive: () => void, delay = 0): void {
    const at = this.#network.now() + this.#peer.latency + delay;
    this.#lastArrival = Math.max(this.#lastArrival, at);
    this.#network.schedule(this.#lastArrival - this.#network.now(), () => {
      if (this.state !== "closed") arrive();
    });
  }

  #end(code: number, error = ""): void {
    if (this.state === "closed") return;
    if (!this.closing) this.#network.onEnd(this, code, error);
    this.state = "closed";
    if (error) {
      this.onerror?.({ message: error, preventDefault() {} } as ErrorEvent);
    }
    this.onclose?.({ code, reason: "" } as CloseEvent);
  }

  send(message: string): void {
    assert(this.state === "open" && !this.closing, "sent on no connection");
    const requests = message.split("\n");
    const sentAt = this.#network.now();
    if (this.outstanding.length === 0) this.#since = sentAt;
    for (const request of requests) {
      this.received++;
      this.#network.onRequest(request);
      this.outstanding.push({ request, sentAt, passed: false });
    }
    const { length } = this.outstanding;
    const { window } = this.#network.script;
    assert(length <= window, "more in flight than allowed");
    this.#network.inFlight = Math.max(this.#network.inFlight, length);
    this.#network.batch = Math.max(this.#network.batch, requests.length);
    this.#later(() =>
      this.#respond(requests.flatMap((request) => this.#act(request)))
    );
  }

  #act(request: string): unknown[] {
    const { acts } = this.#peer;
    const act = acts[this.#acted++ % acts.length];
    if (this.#hangs || act === "hang" || act === "drop") {
      this.#hangs ||= act === "hang";
      return [];
    }
    const right = `${request} 7`;
    if (act === "hold") {
      this.#held.push(right);
      return [];
    }
    const next = this.#network.requestAfter(request);
    const responses = {
      answer: [right],
      wrong: [`${request} 101`],
      twice: [right, right],
      early: [`${next} 7`, right],
      garbage: ["\x1b[2J"],
      binary: [new ArrayBuffer(1)],
      echo: [request],
      malformed: [MALFORMED],
      slip: [right, MALFORMED],
    };
    return [...responses[act], ...this.#held.splice(0)];
  }

  /** Responses arrive; by the lines protocol the texts in one message. */
  #respond(responses: unknown[]): void {
    const together = this.#network.lines &&
      responses.every((response) => typeof response === "string");
    for (
      const message of together ? [responses] : responses.map((one) => [one])
    ) {
      if (message.length === 0) continue;
      // What follows a response may arrive a little later.
      const delay = message[0] === MALFORMED ? 2 : 0;
      this.#later(() => this.#deliver(message), delay);
    }
  }

  #deliver(responses: unknown[]): void {
    // Deno tells of what comes after the client's close as of an empty close.
    if (responses[0] === MALFORMED) {
      return this.closing ? this.#end(1005) : this.#end(0, "Invalid UTF-8");
    }
    if (!this.onmessage) return; // the client has let go of it
    this.#checkPatience();
    const [before] = this.outstanding;
    this.#echoes ||= this.#network.answered.size === 0 &&
      responses[0] === this.outstanding[0]?.request;
    for (const response of responses) {
      this.#network.onResponse(response, this.outstanding);
    }
    if (this.outstanding[0] !== before) this.#since = this.#network.now();
    const data = responses.length > 1 ? responses.join("\n") : responses[0];
    this.onmessage({ data } as MessageEvent);
  }

  close(): void {
    const unasked = this.protocol === "unheard.of" || this.extensions !== "";
    if (this.state !== "closed" && !this.closing && !unasked) {
      this.#checkClose();
    }
    this.closing = true;
    if (this.state === "open" && this.#peer.answersClose) {
      this.#later(() => this.#end(1000));
    }
  }

  /** The client has a reason to close, and does not do it too soon. */
  #checkClose(): void {
    const { done, over, script, settledAt, stopped, now } = this.#network;
    if (!over) {
      this.#checkPatience();
      const silent = this.waited >= script.timeout;
      assert(silent || this.#echoes, "the client closed a good connection");
      this.#network.onEnd(this, 0, this.#echoes ? "echoes" : "silent");
    } else if (this.state === "open" && done && !stopped) {
      assert(now() >= settledAt + LINGER, "what came last may be missed");
    }
  }

  /** Milliseconds that the client has waited for the handshake, or for the answer to
   * the oldest request; since its last sign of life, if that is longer ago. */
  get waited(): number {
    const waits = this.state === "connecting" || this.outstanding.length > 0;
    return waits ? this.#network.now() - this.#since : 0;
  }

  /** The client waits no longer than it says, but for two of its ticks. */
  #checkPatience(): void {
    const { script: { timeout }, tick } = this.#network;
    assert(
      this.waited <= timeout + 2 * tick,
      "the client waited longer than its timeout",
    );
  }
}

/** How long the client listens after the last response, in milliseconds. */
const LINGER = 1;

/** A frame that breaks the protocol, among responses. */
const MALFORMED = Symbol();

const FAILED = "NetworkError: failed to connect to WebSocket: ";

const HANDSHAKE_ERRORS: Partial<Record<Peer["opening"], string>> = {
  refuse: "tcp connect error",
  "503": "Invalid status code: 503",
  "404": "Invalid status code: 404",
  untrusted: "invalid peer certificate: UnknownIssuer",
};
