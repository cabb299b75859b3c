/**
 * What a run takes from outside: the network, the clock and chance. Tests simulate
 * them.
 *
 * @module
 */

import { UsageError } from "../text.ts";
import type { ClientOptions } from "./options.ts";
import { LINES_PROTOCOL } from "../protocol.ts";

/** The part of a `WebSocket` that a run uses. */
export interface Socket {
  readonly protocol: string;
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
  onerror: ((event: Event) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  send(message: string): void;
  close(code?: number): void;
}

export interface World {
  /** Opens a connection. */
  connect(): Socket;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  /** A number from 0 up to, but not including, 1. */
  random(): number;
  /** Calls back later; the function that it returns cancels that. */
  after(milliseconds: number, callback: () => void): () => void;
}

/** @throws {UsageError} If the file of `--ca` cannot be used. */
export function realWorld(options: ClientOptions): World {
  return {
    connect: connector(options),
    now: () => performance.now(),
    random: Math.random,
    after(milliseconds, callback) {
      const timer = setTimeout(callback, milliseconds);
      return () => clearTimeout(timer);
    },
  };
}

/** The DOM's types, which the page's tests load, do not know Deno's options. */
const OpenWebSocket = WebSocket as unknown as new (
  url: URL,
  options: WebSocketOptions,
) => WebSocket;

/** Returns a function that opens connections as the options say. */
function connector({ url, ca, header, batch }: ClientOptions): () => WebSocket {
  const target = new URL(url);
  const headers = new Headers();
  for (const line of header) {
    const [name, value] = line.split(/:\s*(.*)/s, 2);
    const cookies = /^cookie$/i.test(name) && headers.get(name);
    // There is only one (RFC 6265 section 5.4), and no comma in it.
    if (cookies) headers.set(name, `${cookies}; ${value}`);
    else headers.append(name, value);
  }
  if ((target.username || target.password) && !headers.has("authorization")) {
    // Deno 2.6 leaves it out.
    const user = decodeURIComponent(`${target.username}:${target.password}`);
    const base64 = new TextEncoder().encode(user).toBase64();
    headers.set("authorization", `Basic ${base64}`);
  }
  target.username = target.password = "";
  const client = ca === undefined ? undefined : trusting(ca);
  const protocols = batch > 1 ? [LINES_PROTOCOL] : [];
  return () => {
    const socket = new OpenWebSocket(target, { protocols, headers, client });
    socket.binaryType = "arraybuffer";
    return socket;
  };
}

/** An HTTP client that also trusts the certificates of a file. */
function trusting(path: string): Deno.HttpClient {
  try {
    const pem = Deno.readTextFileSync(path);
    if (!pem.includes("-----BEGIN CERTIFICATE-----")) {
      throw new Error("no certificate in it");
    }
    return Deno.createHttpClient({ caCerts: [pem] });
  } catch (error) {
    const { message } = error as Error;
    throw new UsageError(`--ca: cannot use ${path}: ${message}`);
  }
}
