/**
 * One connection of the server, from its handshake until it is over: the only
 * owner of its state, its timer and what waits for its peer.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { Metrics } from "./metrics.ts";
import type { Notices } from "./log.ts";
import type { ServerOptions } from "./options.ts";
import { type Backlog, Outbox } from "./outbox.ts";
import { answer, answerLines, CLOSE, MAX_LINES } from "../protocol.ts";
import { plural } from "../text.ts";

/** How long a peer may take for its part of the opening or the closing handshake,
 * in milliseconds. There is no event for a peer that resets its connection before it
 * reads the 101, nor for one that does not answer a close frame. */
const HANDSHAKE_MS = 5000;

/** A peer is quiet when it has sent nothing for this long, in milliseconds. A connection
 * is closed then and not before: a message that arrives after `close()` makes Deno drop
 * the connection, and the peer does not get the close frame. With 50 ms, 4 of 8 runs of
 * the page were dropped, since it pauses to draw. */
const QUIET_MS = 250;

/** The same for a peer at fault, in milliseconds. It does not know and goes on, and a
 * browser on a busy machine makes long pauses to draw. With a load of 12 on two cores, 2
 * of 36 did not get the close frame after 250 ms, none of 18 after this. */
const FAULT_QUIET_MS = 1000;

/** How long a peer at fault may go on sending, in milliseconds. */
const FAULT_MS = 5000;

/** Deno has delivered what has arrived within this, in milliseconds. */
const SETTLE_MS = 50;

/** How long a peer may take for the rest of its opening handshake when the server
 * shuts down, in milliseconds: one that is still there takes a few. */
const LATE_HANDSHAKE_MS = 1000;

/**
 * - `opening`: the 101 is on its way
 * - `open`: each request is answered
 * - `draining`: each request is answered, and once the peer is quiet it is closed
 * - `deaf`: no request is answered any more, because the peer broke a rule or asked on
 *   and on while the server drained; once the peer is quiet it is closed
 * - `closing`: the close frame was sent
 * - `over`: it is no longer counted as open
 */
type State = "opening" | "open" | "draining" | "deaf" | "closing" | "over";

/** What the connections of a server share. */
export interface Shared {
  options: Pick<ServerOptions, "maxMessage">;
  backlog: Backlog;
  metrics: Metrics;
  notices: Notices;
}

export class Connection {
  #state: State = "opening";
  #shared: Shared;
  #peer: string;
  #socket: WebSocket;
  #lines: boolean;
  #outbox: Outbox;
  #onOver: () => void;
  /** The only timer there is; what it waits for depends on the state. */
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Why this side closes. */
  #code = 0;
  #reason = "";
  /** When the last message came, in milliseconds. */
  #activeAt = 0;
  /** Until when a peer that is to be closed may go on sending, in milliseconds. */
  #deadline = 0;
  /** Whether the peer was seen to have several requests in flight while this
   * connection drains. */
  #pipelines = false;

  /**
   * @param peer Who is on the other end, for the operator.
   * @param socket As `Deno.upgradeWebSocket` returns it.
   * @param lines Whether a message holds a request per line.
   * @param onOver Called once, when the connection is over.
   */
  constructor(
    shared: Shared,
    peer: string,
    socket: WebSocket,
    lines: boolean,
    onOver: () => void,
  ) {
    this.#shared = shared;
    this.#peer = peer;
    this.#socket = socket;
    this.#lines = lines;
    this.#onOver = onOver;
    this.#outbox = new Outbox(
      shared.backlog,
      socket,
      (response) =>
        shared.metrics.answer(
          lines ? countLines(response) : 1,
          Buffer.byteLength(response),
        ),
      () => this.#overflow(),
    );
    socket.onopen = () => this.#opened();
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = (event) =>
      this.#over(event.code, event.wasClean ? undefined : event.reason);
    socket.onerror = (event) => {
      event.preventDefault();
      // All that Deno 2.6 tells of a peer that resets before it reads the 101.
      if (this.#state === "opening") this.#vanished();
    };
    this.#wait(HANDSHAKE_MS, () => this.#vanished());
  }

  /**
   * Answers what has arrived, then closes with 1001. A fault keeps its own code.
   *
   * @param milliseconds How long the peer may go on asking. With several requests in
   * flight it may send on for half as long again, and is not answered.
   */
  drain(milliseconds: number): void {
    if (this.#state === "opening") {
      this.#wait(LATE_HANDSHAKE_MS, () => this.#vanished());
      this.#socket.onopen = () => {
        this.#opened();
        this.drain(milliseconds);
      };
    } else if (this.#state === "open") {
      this.#state = "draining";
      this.#closeWhenQuiet(
        CLOSE.GOING_AWAY,
        "server shuts down",
        QUIET_MS,
        milliseconds,
      );
    }
  }

  /** Ends it at once: the server stops. */
  [Symbol.dispose](): void {
    if (this.#code && this.#state !== "closing") this.#close();
    this.#over(CLOSE.ABNORMAL);
  }

  #opened(): void {
    if (this.#state === "over") {
      return this.#socket.close(CLOSE.TRY_AGAIN_LATER);
    }
    this.#state = "open";
    this.#stopWaiting();
  }

  #receive(data: string | Blob): void {
    this.#activeAt = performance.now();
    const bytes = typeof data === "string"
      ? Buffer.byteLength(data)
      : data.size;
    this.#shared.metrics.receive(bytes);
    if (this.#state === "draining") {
      this.#pipelines ||= this.#socket.bufferedAmount > 0;
    } else if (this.#state !== "open") return;
    const { maxMessage } = this.#shared.options;
    if (typeof data !== "string") {
      return this.#fault(
        CLOSE.UNSUPPORTED_DATA,
        "binary data; text messages only",
      );
    }
    if (bytes > maxMessage) {
      return this.#fault(
        CLOSE.TOO_BIG,
        `a message of more than ${maxMessage} bytes (--max-message)`,
      );
    }
    const response = this.#lines ? answerLines(data)?.join("\n") : answer(data);
    if (response === undefined) {
      return this.#fault(
        CLOSE.TOO_BIG,
        `a message of more than ${MAX_LINES} lines`,
      );
    }
    this.#outbox.send(response);
    // A peer that asks one by one sends nothing before it has this response, so it
    // will see the close frame.
    if (
      this.#state === "draining" && !this.#pipelines &&
      performance.now() > this.#deadline
    ) this.#close();
  }

  #fault(code: number, reason: string): void {
    this.#state = "deaf";
    this.#closeWhenQuiet(code, reason, FAULT_QUIET_MS, FAULT_MS);
  }

  /** Too much is queued for this peer. It does not read, so waiting until it is quiet
   * would gain nothing. */
  #overflow(): void {
    if (this.#state !== "deaf") {
      this.#code = CLOSE.POLICY_VIOLATION;
      this.#reason = "too many responses wait to be read (--max-backlog)";
    }
    this.#close();
  }

  #closeWhenQuiet(
    code: number,
    reason: string,
    quietMs: number,
    milliseconds: number,
  ): void {
    const settledAt = performance.now() + SETTLE_MS;
    this.#deadline = performance.now() + milliseconds;
    this.#code = code;
    this.#reason = reason;
    const look = () => {
      const now = performance.now();
      const activeAt = this.#outbox.size > 0 ? now : this.#activeAt;
      const quietAt = Math.max(settledAt, activeAt + quietMs);
      const lateAt = this.#deadline + SETTLE_MS;
      if (now < Math.min(quietAt, lateAt)) {
        this.#wait(Math.min(quietAt, lateAt) - now, look);
      } else if (now < quietAt && this.#state === "draining") {
        // Without answers it soon has nothing more to send.
        this.#state = "deaf";
        this.#closeWhenQuiet(code, reason, quietMs, milliseconds / 2);
      } else this.#close();
    };
    look();
  }

  #close(): void {
    this.#state = "closing";
    this.#outbox.drop();
    this.#socket.close(this.#code, this.#reason);
    this.#wait(HANDSHAKE_MS, () => this.#over(CLOSE.ABNORMAL));
  }

  #vanished(): void {
    this.#over(CLOSE.ABNORMAL, "the peer left during the handshake");
  }

  /**
   * @param code Of the close event; 0 if there was no close frame.
   * @param failure What ended it, if it was not a closing handshake.
   */
  #over(code: number, failure?: string): void {
    // A close event may follow a timeout or an error.
    if (this.#state === "over") return;
    this.#state = "over";
    this.#stopWaiting();
    this.#outbox[Symbol.dispose]();
    const { metrics, notices } = this.#shared;
    const label = this.#code || code || CLOSE.ABNORMAL;
    metrics.close(label);
    if (this.#code ? this.#code !== CLOSE.GOING_AWAY : failure !== undefined) {
      const why = this.#reason || failure ||
        "it ended without a closing handshake";
      notices.add({
        kind: `close_${label}`,
        what: (count) => `${plural(count, "connection")} closed with ${label}`,
        why,
        peer: this.#peer,
      });
    }
    this.#onOver();
  }

  #wait(milliseconds: number, then: () => void): void {
    this.#stopWaiting();
    const timer = this.#timer = setTimeout(() => {
      // Deno 2.6.8 has called back a timer that was cleared when it was due.
      if (timer === this.#timer) then();
    }, milliseconds);
  }

  #stopWaiting(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

function countLines(text: string): number {
  let lines = 1;
  for (let at = -1; (at = text.indexOf("\n", at + 1)) !== -1;) lines++;
  return lines;
}
