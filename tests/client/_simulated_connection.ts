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
  | "hang"; // answers nothing any more

/** How a connection goes. */
export interface Peer {
  opening: "accept" | "refuse" | "503" | "404" | "untrusted" | "hang";
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
  state: "connecting" | "open" | "closed" = "connecting";
  /** Whether the client has closed it. */
  closing = false;
  /** The oldest first. */
  outstanding: Outstanding[] = [];
  #network: Network;
  #peer: Peer;
  #received = 0;
  #held: string[] = [];
  #hangs = false;
  /** When the client last sent or received something. */
  #lastSign: number;
  /** When the last thing in flight arrives: nothing overtakes on one
   * connection. */
  #lastArrival: number;

  constructor(network: Network, peer: Peer) {
    this.#network = network;
    this.#peer = peer;
    this.#lastSign = this.#lastArrival = network.now();
    if (peer.opening !== "hang") this.#later(() => this.#open());
  }

  #open(): void {
    const { opening, greeting, cut } = this.#peer;
    if (opening !== "accept") return this.#end(0, HANDSHAKE_ERRORS[opening]);
    this.state = "open";
    this.#lastSign = this.#network.now();
    if (this.#network.lines) this.protocol = LINES_PROTOCOL;
    if (this.onopen) this.#network.onOpen(); // the client waits for it still
    if (greeting) this.#respond(["welcome"]);
    if (cut) this.#network.schedule(cut.after, () => this.#end(cut.code));
    this.onopen?.(new Event("open"));
  }

  /** Something arrives, in order. */
  #later(arrive: () => void): void {
    const at = this.#network.now() + this.#peer.latency;
    this.#lastArrival = Math.max(this.#lastArrival, at);
    this.#network.schedule(this.#lastArrival - this.#network.now(), () => {
      if (this.state !== "closed") arrive();
    });
  }

  #end(code: number, error = ""): void {
    if (this.state === "closed") return;
    this.state = "closed";
    if (error) {
      const message = `NetworkError: failed to connect to WebSocket: ${error}`;
      this.onerror?.({ message, preventDefault() {} } as ErrorEvent);
    }
    this.onclose?.({ code, reason: "" } as CloseEvent);
  }

  send(message: string): void {
    assert(this.state === "open" && !this.closing, "sent on no connection");
    const requests = message.split("\n");
    const sentAt = this.#lastSign = this.#network.now();
    for (const request of requests) {
      this.#network.onRequest(request);
      this.outstanding.push({ request, sentAt, passed: false });
    }
    const { window } = this.#network.script;
    assert(this.outstanding.length <= window, "more in flight than allowed");
    this.#later(() =>
      this.#respond(requests.flatMap((request) => this.#act(request)))
    );
  }

  #act(request: string): unknown[] {
    const { acts } = this.#peer;
    const act = acts[this.#received++ % acts.length];
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
      if (message.length > 0) this.#later(() => this.#deliver(message));
    }
  }

  #deliver(responses: unknown[]): void {
    if (!this.onmessage) return; // the client has let go of it
    this.#lastSign = this.#network.now();
    for (const response of responses) {
      this.#network.onResponse(response, this.outstanding);
    }
    const data = responses.length > 1 ? responses.join("\n") : responses[0];
    this.onmessage({ data } as MessageEvent);
  }

  close(): void {
    if (this.state !== "closed" && !this.closing && !this.#network.over) {
      assert(this.#isHopeless(), "the client closed a good connection");
    }
    this.closing = true;
    if (this.state === "open" && this.#peer.answersClose) {
      this.#later(() => this.#end(1000));
    }
  }

  /** Whether it can be told from outside that it leads nowhere: nothing came for
   * long, or the oldest request was passed over. */
  #isHopeless(): boolean {
    const timeout = this.#network.script.timeout * 1000;
    const { now } = this.#network;
    const patience = this.state === "open" ? Math.min(timeout, 1000) : timeout;
    const waits = this.state === "connecting" || this.outstanding.length > 0;
    return waits && (now() - this.#lastSign >= patience ||
      now() - (this.outstanding[0]?.sentAt ?? now()) >= timeout);
  }
}

const HANDSHAKE_ERRORS = {
  refuse: "tcp connect error",
  "503": "Invalid status code: 503",
  "404": "Invalid status code: 404",
  untrusted: "invalid peer certificate: UnknownIssuer",
  hang: "",
};
