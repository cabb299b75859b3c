/**
 * One connection of the server, from its handshake until it is over: the only
 * owner of its state and its timer.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import {
  atFault,
  goingAway,
  type Leaving,
  notable,
  unanswered,
  unread,
} from "./leaving.ts";
import type { Metrics } from "./metrics.ts";
import type { Notices } from "./log.ts";
import type { ServerOptions } from "./options.ts";
import type { Backlog } from "./backlog.ts";
import { Outbox } from "./outbox.ts";
import { answer, answerLines, CLOSE, MAX_LINES } from "../protocol.ts";
import { plural } from "../text.ts";

/** How long a peer counts that does not do its part of the opening or the closing
 * handshake, in milliseconds. No event tells that it reset its connection before it
 * read the 101. If it opens after all, on a busy machine, it counts again. */
const HANDSHAKE_MS = 5000;

/** How long a peer may take for the rest of its opening handshake when the server
 * shuts down, in milliseconds: one that is still there takes a few. */
const LATE_HANDSHAKE_MS = 1000;

/** How many messages of a peer may be ignored before its connection is closed, quiet or
 * not; one that does not read may also send one for each response that it is still
 * to read. Deno delivers what is ignored so fast that four peers kept all others
 * waiting for up to 26 s. */
const MAX_IGNORED = 1000;

/** In how many timers each wait is cut, so that the event loop turns as often before
 * a peer is judged: what it did may still be unread when the machine is busy. */
const TURNS = 10;

/**
 * - `opening`: the 101 is on its way
 * - `open`: requests are answered, unless it is leaving without answers
 * - `closing`: the close frame was sent
 */
type State = "opening" | "open" | "closing";

/** What the connections of a server share. */
export interface Shared {
  options: Pick<ServerOptions, "maxMessage">;
  backlog: Backlog;
  metrics: Metrics;
  notices: Notices;
}

export class Connection {
  #state: State = "opening";
  /** Whether it is no longer counted as open. */
  #over = false;
  #leaving: Leaving | undefined;
  #shared: Shared;
  #socket: WebSocket;
  #lines: boolean;
  #outbox: Outbox;
  /** The only timer there is; what it waits for depends on the state. */
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Whether a message has come since it was last looked at. */
  #heard = false;
  /** How many messages were ignored. */
  #ignored = 0;
  /** Whether the peer was seen to have several requests in flight while it leaves. */
  #pipelines = false;
  /** Whether the system says that TCP has ended. */
  #broken = false;

  /**
   * @param peer Who is on the other end, for the operator.
   * @param socket As `Deno.upgradeWebSocket` returns it.
   * @param lines Whether a message holds a request per line.
   * @param onEnd Called when there is nothing more to do for it.
   * @param onLate Called when it opens after its end; returns whether it may.
   */
  constructor(
    shared: Shared,
    readonly peer: string,
    socket: WebSocket,
    lines: boolean,
    readonly onEnd: () => void,
    readonly onLate: () => boolean,
  ) {
    this.#shared = shared;
    this.#socket = socket;
    this.#lines = lines;
    this.#outbox = new Outbox(
      socket,
      (response, bytes) =>
        shared.metrics.answer(lines ? response.split("\n").length : 1, bytes),
      (reason) => this.#unread(reason),
    );
  }

  /** Lets it live, once its owner has it: Deno may say at once that it failed. */
  start(): void {
    this.#socket.onopen = () => this.#opened();
    this.#socket.onmessage = ({ data }) => this.#receive(data);
    this.#socket.onclose = (event) => this.#closed(event);
    this.#socket.onerror = (event) => {
      event.preventDefault();
      this.#broken ||= (event as ErrorEvent).message.includes("os error");
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
    } else if (this.#state === "open" && !this.#leaving) {
      this.#leave(goingAway(milliseconds));
    }
  }

  /** Ends it at once: the server stops. */
  [Symbol.dispose](): void {
    const leaving = this.#leaving;
    if (!leaving) return this.#vanished();
    if (this.#state === "open") this.#close(leaving);
    this.#left(leaving);
  }

  #opened(): void {
    if (this.#over && !this.onLate()) {
      return this.#socket.close(CLOSE.TRY_AGAIN_LATER);
    }
    this.#over = false;
    this.#shared.backlog.add(this.#outbox);
    this.#state = "open";
    this.#stopWaiting();
  }

  /** @param data `null` from Deno 2.6, if it drops a peer while a message arrives. */
  #receive(data: string | ArrayBuffer | null): void {
    if (data === null) return;
    const bytes = Buffer.byteLength(data);
    this.#shared.metrics.receive(bytes);
    if (this.#state === "closing") return;
    const leaving = this.#leaving;
    if (leaving) {
      this.#heard = true;
      if (leaving.answersMs === 0) {
        if (++this.#ignored > MAX_IGNORED) this.#close(leaving);
        return;
      }
      this.#pipelines ||= this.#socket.bufferedAmount > 0;
    }
    const { options: { maxMessage }, backlog } = this.#shared;
    if (typeof data !== "string") {
      return this.#leave(atFault(
        CLOSE.UNSUPPORTED_DATA,
        "binary data; text messages only",
      ));
    }
    if (bytes > maxMessage) {
      return this.#leave(atFault(
        CLOSE.TOO_BIG,
        `a message of more than ${maxMessage} bytes (--max-message)`,
      ));
    }
    const response = this.#lines ? answerLines(data)?.join("\n") : answer(data);
    if (response === undefined) {
      return this.#leave(atFault(
        CLOSE.TOO_BIG,
        `a message of more than ${MAX_LINES} lines`,
      ));
    }
    const added = response.length - data.length; // blanks and digits
    backlog.send(this.#outbox, response, bytes + added);
    // A peer that asks one by one sends nothing before it has this response, so it
    // will see the close frame.
    if (leaving && !this.#pipelines && performance.now() > leaving.until) {
      this.#close(leaving);
    }
  }

  /** What waited for this peer was dropped, for it does not read. */
  #unread(reason: string): void {
    if (this.#state !== "open" || this.#leaving?.answersMs === 0) return;
    this.#ignored = -this.#outbox.responses;
    this.#leave(unread(reason));
  }

  #leave(leaving: Leaving): void {
    this.#leaving = leaving;
    this.#wait(leaving.quietMs, () => this.#look(leaving));
  }

  /** Closes the connection once its peer is quiet and has been written everything. The
   * socket of a peer that does not read stays open for Deno, which tells how much it
   * holds as long as it is; the connection is over all the same. */
  #look(leaving: Leaving): void {
    const { quietMs, until, answersMs } = leaving;
    const waits = this.#shared.backlog.waits(this.#outbox);
    const quiet = !this.#heard && !waits;
    const late = performance.now() >= until;
    this.#heard = false;
    if (quiet || late && !waits && answersMs === 0) return this.#close(leaving);
    if (late && answersMs > 0 && (waits || this.#pipelines)) {
      return this.#leave(unanswered(leaving));
    }
    if (late && answersMs === 0 && !this.#over) {
      this.#shared.backlog.abandon(this.#outbox);
      this.#count(leaving.code, notable(leaving));
    }
    this.#wait(quietMs, () => this.#look(leaving));
  }

  #close(leaving: Leaving): void {
    this.#state = "closing";
    this.#shared.backlog.close(this.#outbox);
    this.#socket.close(leaving.code, leaving.reason);
    if (this.#over) this.#left(leaving);
    else this.#wait(HANDSHAKE_MS, () => this.#left(leaving));
  }

  /** Comes once or twice: Deno also says so when a message comes after `close()`, and
   * again when what it still holds cannot be written. */
  #closed({ code, wasClean, reason }: CloseEvent): void {
    const closing = this.#state === "closing";
    // A peer's close frame is told after everything was written. That there is none is
    // code 0, and 1005 after a close frame of this side.
    const answered = code !== 0 && !(closing && code === 1005);
    this.#shared.backlog.end(this.#outbox, answered || this.#broken);
    if (closing) return this.#left(this.#leaving!);
    const failure = reason || "it ended without a closing handshake";
    this.#end(code || CLOSE.ABNORMAL, wasClean ? undefined : failure);
  }

  #vanished(): void {
    this.#end(CLOSE.ABNORMAL, "it did not complete its opening handshake");
  }

  #left(leaving: Leaving): void {
    this.#end(leaving.code, notable(leaving));
  }

  /**
   * @param code How it ended, for the metrics.
   * @param failure What ended it, if that is something to tell.
   */
  #end(code: number, failure?: string): void {
    this.#count(code, failure);
    this.#stopWaiting();
    this.onEnd();
  }

  /** Counts the connection as open no more. */
  #count(code: number, failure?: string): void {
    if (this.#over) return;
    this.#over = true;
    const { metrics, notices } = this.#shared;
    metrics.close(code);
    if (failure === undefined) return;
    notices.add({
      kind: `close_${code}`,
      what: (count) => `${plural(count, "connection")} closed with ${code}`,
      why: failure,
      peer: this.peer,
    });
  }

  #wait(milliseconds: number, then: () => void, turns = TURNS): void {
    this.#stopWaiting();
    const timer = this.#timer = setTimeout(() => {
      // Deno 2.6.8 has called back one that was cleared when it was due; one way to that
      // was mended by https://github.com/denoland/deno_core/pull/616.
      if (timer !== this.#timer) return;
      if (turns > 1) this.#wait(milliseconds, then, turns - 1);
      else then();
    }, milliseconds / TURNS);
  }

  #stopWaiting(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
