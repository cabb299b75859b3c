/**
 * The responses that wait for a peer to read. Handed to the socket at once they
 * cost far more memory than their text, and when thousands wait they hold up
 * every other connection; so most of them wait here, where they can be counted.
 *
 * @module
 */

/** Bytes that the socket may hold unsent before responses wait here instead. */
const SOCKET_BYTES = 16_384;

/** And how many responses since it was last empty: each costs some 600 bytes
 * there, however short. A window far over 10,000 meets these bounds. */
const SOCKET_RESPONSES = 16_384;

/** How often a socket that was full is looked at, in milliseconds; no event
 * tells that it has room again. */
const REFILL_MS = 1;

/** What a waiting response counts beside its text: about its cost in memory. The
 * default limit of 1 MiB then holds 10,000 short responses, so a client that
 * sends so many before it reads the first is served. */
const RESPONSE_OVERHEAD_BYTES = 64;

/** The way out of one connection. */
export class Outbox {
  #socket: WebSocket;
  /** Responses handed to the socket since it was last seen empty. */
  #handed = 0;
  #waiting: string[] = [];
  #bytes = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** The way out through this socket. */
  constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  /** Sends a response now, or after those that wait. */
  send(response: string): void {
    if (this.#waiting.length === 0 && this.#hasRoom()) {
      this.#hand(response);
      return;
    }
    this.#waiting.push(response);
    this.#bytes += response.length + RESPONSE_OVERHEAD_BYTES;
    this.#timer ??= setTimeout(() => this.#refill(), REFILL_MS);
  }

  /** How much waits, in bytes: the backlog. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Forgets what waits. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#waiting = [];
    this.#bytes = 0;
  }

  #hasRoom(): boolean {
    const unsent = this.#socket.bufferedAmount;
    if (unsent === 0) this.#handed = 0;
    return unsent < SOCKET_BYTES && this.#handed < SOCKET_RESPONSES;
  }

  #hand(response: string): void {
    this.#handed++;
    this.#socket.send(response);
  }

  #refill(): void {
    let sent = 0;
    while (sent < this.#waiting.length && this.#hasRoom()) {
      const response = this.#waiting[sent++];
      this.#bytes -= response.length + RESPONSE_OVERHEAD_BYTES;
      this.#hand(response);
    }
    this.#waiting.splice(0, sent);
    this.#timer = this.#waiting.length > 0
      ? setTimeout(() => this.#refill(), REFILL_MS)
      : undefined;
  }
}
