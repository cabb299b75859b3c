/**
 * The responses of one connection on their way to its socket: handed over to Deno, or
 * queued here.
 *
 * @module
 */

import { TextQueue } from "./text_queue.ts";

/** The memory of a response in Deno from `send` until it is written, beside its
 * text, in bytes. */
const SEND_COST = 2048;

/** What a connection may always have handed over and not written, in bytes. */
export const OWN_COST = 131_072;

/** What a queued response counts beside its bytes. It takes less memory, but many
 * of them keep other connections waiting. */
const WAIT_COST = 256;

type Sink = Pick<WebSocket, "send" | "bufferedAmount" | "readyState">;

/** The responses of one connection on their way to its socket. Its
 * {@linkcode Backlog} alone changes it. */
export class Outbox {
  #sink: Sink;
  #queue = new TextQueue();
  /** Bytes of UTF-8 handed over and not written, when last measured. */
  #unwritten = 0;
  /** Of how many responses, if they are of one length. */
  responses = 0;
  /** How long the socket has not moved with something unwritten, in milliseconds. */
  stalledMs = 0;

  /**
   * @param onHandedOver Called with each response that the socket has taken, and its
   * bytes of UTF-8.
   * @param onUnread Called with the reason when the peer is given up: what was queued
   * for it is dropped.
   */
  constructor(
    sink: Sink,
    readonly onHandedOver: (response: string, bytes: number) => void,
    readonly onUnread: (reason: string) => void,
  ) {
    this.#sink = sink;
  }

  /** The memory of what was handed over and not written, when last measured. */
  get handed(): number {
    return this.#unwritten + this.responses * SEND_COST;
  }

  /** The part of it that is taken from what all connections share. */
  get shared(): number {
    return Math.max(0, this.handed - OWN_COST);
  }

  /** What is queued: its bytes, and {@linkcode WAIT_COST} for each response. */
  get queued(): number {
    return this.#queue.bytes + this.#queue.length * WAIT_COST;
  }

  /**
   * Hands over a response if, even with nothing written since it was last measured, so
   * little is unwritten that it need not be measured: that takes as long as a tenth of
   * an answer.
   *
   * @param bytes Of the response as UTF-8.
   */
  handOverLight(response: string, bytes: number): boolean {
    // When anything is queued, so much is unwritten.
    if (this.handed + bytes > OWN_COST / 2) return false;
    if (!this.#takes()) return true;
    this.#sink.send(response);
    this.#unwritten += bytes;
    this.responses++;
    this.onHandedOver(response, bytes);
    return true;
  }

  /** Looks how much was written. */
  measure(): void {
    const unwritten = this.#sink.bufferedAmount;
    if (unwritten >= this.#unwritten) return;
    this.responses *= unwritten / this.#unwritten;
    this.#unwritten = unwritten;
    this.stalledMs = 0;
  }

  /** Hands over what is queued, and then this response, up to a cost; the rest waits. */
  advance(most: number, response?: string): void {
    while (this.#queue.length > 0 && this.handed < most) {
      this.#handOver(this.#queue.shift());
    }
    if (response === undefined) return;
    if (this.handed < most) this.#handOver(response);
    else this.#queue.push(response);
  }

  /** Deno answers a peer's close at once, before the program is told, and drops what
   * it is sent from then on. */
  #takes(): boolean {
    return this.#sink.readyState === WebSocket.OPEN;
  }

  #handOver(response: string): void {
    if (!this.#takes()) return;
    this.#sink.send(response);
    const unwritten = this.#sink.bufferedAmount;
    this.onHandedOver(response, unwritten - this.#unwritten);
    this.#unwritten = unwritten;
    this.responses++;
  }

  /** Drops what is queued. */
  clear(): void {
    this.#queue.clear();
  }

  /** Counts what was handed over as written. */
  forget(): void {
    this.#unwritten = this.responses = 0;
  }
}
