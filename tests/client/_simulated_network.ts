/**
 * A network and a clock that are made up, for one run of the client. It plays the
 * peers that a script describes, and keeps its own account of what came to pass,
 * by the rules that the README has for users: a short and slow one, with lists.
 *
 * @module
 */

import { assert } from "@std/assert";
import type { Socket, World } from "../../lib/client/environment.ts";
import { seeded } from "../../harness/helpers.ts";
import {
  Connection,
  type Outstanding,
  type Peer,
} from "./_simulated_connection.ts";

/** What a network is to do. */
export interface Script {
  /** The first connection is with the first of them, and so on, and again. */
  peers: Peer[];
  /** All requests that may be sent. */
  texts: string[];
  /** Most in flight on a connection. */
  window: number;
  lines: boolean;
  /** Whether responses may come in any order. */
  unordered: boolean;
  /** In milliseconds. */
  timeout: number;
  /** Requests per second, if there is a rate. */
  rate: number | null;
  /** Milliseconds in which new requests are sent, if they are limited. */
  duration: number | null;
  /** How many connections there are at a time, at most. */
  together: number;
  /** Milliseconds from one connection to the next at the start. */
  step: number;
}

/** What became of a request when a connection ended that it was in flight on;
 * `either` if that depends on the ticks of the client's watch. */
type End = "lost" | "resent" | "either";

/** The end of a connection that was not the client's own. */
interface Break {
  at: number;
  inFlight: number;
  /** What the client is to call it, in part. */
  cause: string;
}

/** An event that is due. */
interface Due {
  at: number;
  happen: () => void;
}

/** A network with peers, a clock, and the truth about one run. */
export class Network implements World {
  readonly script: Script;
  readonly connections: Connection[] = [];
  /** Whether the run was stopped. */
  stopped = false;
  /** Whether the time for new requests is over, and that for all of them. */
  noNew = false;
  /** How many were due by then, if no connection could send them. */
  owed?: number;
  expired = false;
  /** Connections that opened, and when the first did. */
  opened = 0;
  openedAt = NaN;
  /** The most requests in flight on a connection, and in a message. */
  inFlight = 0;
  batch = 0;
  /** When something was sent again, and after what end of its connection. */
  resends: { at: number; end: End }[] = [];
  /** How often each request was sent. */
  sent = new Map<string, number>();
  answered = new Set<string>();
  wrong = new Set<string>();
  overtaken = new Set<string>();
  /** The ends that each request met before it was answered. */
  ends = new Map<string, End[]>();
  breaks: Break[] = [];
  /** When each request was first sent, and when each was answered, in order. */
  sentAt = new Map<string, number>();
  answeredAt = new Map<string, number>();
  /** When the last response came, valid or wrong. */
  settledAt = -Infinity;
  /** How long it took each connection to open. */
  handshakes: number[] = [];
  invalid = 0;
  /** What the client waits for. */
  timers = new Set<Due>();
  /** When connections ended that were not replaced so far. */
  #ended: number[] = [];
  #first = 0;
  #due: Due[] = [];
  #now = 0;
  /** Connections that the client knows as open. */
  #clients = new Set<Connection>();
  #indices: Map<string, number>;
  #random: (below: number) => number;

  constructor(script: Script) {
    this.script = script;
    this.#indices = new Map(script.texts.map((text, index) => [text, index]));
    this.#random = seeded(script.texts.length);
  }

  get lines(): boolean {
    return this.script.lines;
  }

  connect(): Socket {
    const { peers, step } = this.script;
    const alive = this.connections.filter(({ closing, state }) =>
      !closing && state !== "closed"
    );
    assert(alive.length * step <= this.#now + 1e-6, "faster than the ramp");
    this.#checkBackoff();
    const peer = peers[this.connections.length % peers.length];
    const connection = new Connection(this, peer);
    this.connections.push(connection);
    return connection;
  }

  /** A connection is one of the first, or replaces one after 50 ms to 2 s, of which
   * half is chance. */
  #checkBackoff(): void {
    const replaced = this.#ended.findIndex((at) => {
      const waited = this.#now - at;
      return waited > 25 - 1e-6 && waited < 2000 + 1e-6;
    });
    if (replaced >= 0) this.#ended.splice(replaced, 1);
    else assert(++this.#first <= this.script.together, "tried again too soon");
  }

  now = (): number => this.#now;

  date(): number {
    return 1e12 + this.#now;
  }

  random(): number {
    return this.#random(1000) / 1000;
  }

  after(milliseconds: number, callback: () => void): () => void {
    const timer = this.schedule(milliseconds, () => {
      this.timers.delete(timer);
      callback();
    });
    this.timers.add(timer);
    return () => {
      assert(this.timers.delete(timer), "what is cancelled is over");
      this.#due.splice(this.#due.indexOf(timer), 1);
    };
  }

  schedule(milliseconds: number, happen: () => void): Due {
    const due = { at: this.#now + milliseconds, happen };
    const later = this.#due.findIndex(({ at }) => at > due.at);
    this.#due.splice(later < 0 ? this.#due.length : later, 0, due);
    return due;
  }

  /** Lets the next thing happen. */
  step(): void {
    const due = this.#due.shift();
    if (!due) throw new Error("nothing will ever happen again");
    this.#now = due.at;
    due.happen();
  }

  /** Requests in all. */
  get count(): number {
    if (!this.noNew) return this.script.texts.length;
    return this.owed ?? this.sent.size;
  }

  /** Whether every request has its response. */
  get done(): boolean {
    return this.answered.size + this.wrong.size === this.count;
  }

  get over(): boolean {
    return this.stopped || this.done || this.expired;
  }

  requestAfter(request: string): string | undefined {
    return this.script.texts[this.#indices.get(request)! + 1];
  }

  /** Milliseconds from one look of the client at its connections to the next. */
  get tick(): number {
    return Math.min(250, this.script.timeout / 20);
  }

  #begin(): void {
    this.openedAt = this.#now;
    const { duration, timeout, rate, texts } = this.script;
    if (duration === null) return;
    this.schedule(duration, () => {
      this.noNew = true;
      if (this.#clients.size === 0) {
        this.owed = Math.min(
          texts.length,
          rate === null ? this.sent.size + 1 : Math.max(
            this.sent.size,
            texts.filter((_, i) =>
              this.openedAt + i / (rate / 1000) < this.openedAt + duration
            ).length,
          ),
        );
      }
      const rest = timeout + 2 * this.tick;
      this.schedule(rest, () => this.expired = true);
    });
  }

  onOpen(connection: Connection): void {
    if (this.opened++ === 0) this.#begin();
    this.handshakes.push(this.#now - connection.begunAt);
    this.#clients.add(connection);
  }

  /**
   * A connection ends that the client did not mean to end, by a close or an error, or
   * since the client thinks that it hangs.
   *
   * @param cause The text of an error, or what the client found.
   */
  onEnd(connection: Connection, code: number, cause: string): void {
    if (cause === "Invalid UTF-8") this.invalid++;
    this.#ended.push(this.#now);
    const wasOpen = this.#clients.delete(connection);
    if (this.over || !wasOpen) return;
    const { outstanding } = connection;
    this.breaks.push({
      at: this.#now,
      inFlight: outstanding.length,
      cause: cause || (code === 0 ? "connection lost" : `closed with ${code}`),
    });
    const { timeout } = this.script;
    for (const { request, sentAt, passed } of outstanding) {
      const age = cause === "silent" ? this.#now - sentAt : 0;
      const ends = this.ends.get(request) ?? [];
      this.ends.set(request, ends);
      const skipped = passed && !this.script.unordered;
      if (skipped || age >= timeout + 2 * this.tick) ends.push("lost");
      else ends.push(age >= timeout ? "either" : "resent");
    }
  }

  onRequest(request: string): void {
    assert(this.#indices.has(request), `${request} was made up`);
    assert(!this.answered.has(request), `${request} was answered before`);
    assert(!this.wrong.has(request), `${request} had a wrong answer before`);
    const elsewhere = this.connections.some(({ closing, state, outstanding }) =>
      state === "open" && !closing &&
      outstanding.some((other) => other.request === request)
    );
    assert(!elsewhere, `${request} is in flight`);
    if (!this.sentAt.has(request)) this.sentAt.set(request, this.#now);
    const isNew = !this.sent.has(request);
    const owes = this.owed !== undefined && this.script.rate !== null;
    assert(!(isNew && this.noNew && !owes), `${request} was sent too late`);
    this.sent.set(request, (this.sent.get(request) ?? 0) + 1);
    if (isNew) return;
    this.resends.push({ at: this.#now, end: this.ends.get(request)!.at(-1)! });
  }

  /** When a request was due: at its place in the rate, or when it was sent. */
  due(request: string): number {
    const { rate } = this.script;
    const place = this.#indices.get(request)!;
    return rate === null
      ? this.sentAt.get(request)!
      : this.openedAt + place / rate * 1000;
  }

  /** The times in which a request was due and no valid response came, the longest
   * first, without those of no length. */
  pauses(endedAt: number): { at: number; length: number }[] {
    let last = -Infinity;
    const pauses = [...this.answeredAt].map(([request, now]) => {
      const at = Math.max(last, this.due(request));
      last = now;
      return { at, length: now - at };
    });
    const waiting = this.script.texts
      .filter((text) => !this.answered.has(text) && !this.wrong.has(text))
      .filter((text) =>
        this.sent.has(text) || (this.script.rate !== null &&
          (!this.noNew || this.owed !== undefined) &&
          this.due(text) < this.openedAt + (this.script.duration ?? Infinity))
      )
      .map((text) => Math.max(last, this.due(text)));
    const at = Math.min(...waiting);
    pauses.push({ at, length: endedAt - at });
    return pauses.filter(({ length }) => length > 0)
      .sort((a, b) => b.length - a.length);
  }

  /** What a response means, by the rules. */
  onResponse(response: unknown, outstanding: Outstanding[]): void {
    const take = (place: number) => {
      this.settledAt = this.#now;
      return outstanding.splice(place, 1)[0].request;
    };
    const place = outstanding.findIndex(({ request }) =>
      response === `${request} 7`
    );
    if (place >= 0) {
      for (const older of outstanding.slice(0, place)) older.passed = true;
      if (outstanding[place].passed && !this.script.unordered) {
        this.overtaken.add(outstanding[place].request);
      }
      const request = take(place);
      this.answered.add(request);
      this.answeredAt.set(request, this.#now);
      return;
    }
    this.invalid++;
    const wrong = [0, outstanding.findIndex(({ passed }) => !passed)]
      .find((place) => response === `${outstanding[place]?.request} 101`);
    if (wrong !== undefined) this.wrong.add(take(wrong));
  }
}
