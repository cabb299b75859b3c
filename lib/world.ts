/**
 * What a run takes from outside: the network, time and chance. A test has a world
 * of its own.
 *
 * @module
 */

import { UsageError } from "./flags.ts";
import type { ClientOptions } from "./options.ts";
import { LINES_PROTOCOL } from "./protocol.ts";

/** What is used of a `WebSocket`. */
export interface Socket {
  readonly protocol: string;
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
  onerror: ((event: Event) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  send(message: string): void;
  close(code?: number): void;
}

/** What a run takes from outside. */
export interface World {
  /** Opens a connection. */
  connect(): Socket;
  /** Milliseconds, never going back. */
  now(): number;
  /** From 0 to 1, without 1. */
  random(): number;
  /** Calls back later, unless the function that it returns is called before. */
  after(milliseconds: number, callback: () => void): () => void;
}

/**
 * The real one.
 *
 * @throws {UsageError} If the file of `--ca` is of no use.
 */
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

/** Where the DOM's types are loaded too, for the page's tests, they do not know
 * these options of Deno's. */
const OpenWebSocket = WebSocket as unknown as new (
  url: URL,
  options: WebSocketOptions,
) => WebSocket;

/** Returns a function that opens connections as the options say. */
function connector({ url, ca, header, batch }: ClientOptions): () => WebSocket {
  const target = new URL(url);
  const headers = new Headers(
    header.map((line) => line.split(/:\s*(.*)/s, 2) as [string, string]),
  );
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

/** A client that trusts the certificates of a file, too. */
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

/** A URL without its password. */
export function publicUrl(text: string): string {
  const url = new URL(text);
  if (url.password) url.password = "***";
  return url.href;
}
