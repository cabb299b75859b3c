/**
 * What a run takes from outside: the network, the clock and chance. Tests simulate
 * them.
 *
 * @module
 */

import { connectedUrl, connector } from "./handshake.ts";
import type { ClientOptions } from "./options.ts";
import { proxyFor } from "./proxy.ts";

/** The part of a `WebSocket` that a run uses. */
export interface Socket {
  readonly protocol: string;
  readonly extensions: string;
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
  onerror: ((event: Event) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  send(message: string): void;
  close(code?: number): void;
}

export interface World {
  /** The proxy that connections go through, and its variable. */
  proxy?: string;
  /** Opens a connection. */
  connect(): Socket;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  /** Milliseconds since 1970. */
  date(): number;
  /** A number from 0 up to, but not including, 1. */
  random(): number;
  /** Calls back later; the function that it returns cancels that. */
  after(milliseconds: number, callback: () => void): () => void;
}

/** @throws {UsageError} If a file of the options cannot be used. */
export function realWorld(options: ClientOptions): World {
  return {
    proxy: proxyFor(connectedUrl(options)),
    connect: connector(options),
    now: () => performance.now(),
    date: Date.now,
    random: Math.random,
    after(milliseconds, callback) {
      const timer = setTimeout(callback, milliseconds);
      return () => clearTimeout(timer);
    },
  };
}
