/**
 * The options of each command, in one table each.
 *
 * @module
 */

import type { Command, Options } from "./cli/flags.ts";

/** Deno does not receive longer messages. */
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

/** Each takes some 10 MB, busy or not. */
const MAX_WORKERS = 256;

/** `ws-random server` */
export const serverCommand = {
  name: "server",
  summary: "Serve the page and the WebSocket endpoint.",
  flags: {
    host: {
      type: "text",
      default: "127.0.0.1",
      env: "HOST",
      help: "address to listen on; 0.0.0.0 for all",
    },
    port: {
      type: "integer",
      short: "p",
      default: 8000,
      env: "PORT",
      min: 0,
      max: 65535,
      help: "port to listen on; 0 takes a free one",
    },
    allowOrigin: {
      type: "list",
      check: checkOrigin,
      help: "let pages of this origin connect too; may be repeated; * for any",
    },
    maxConnections: {
      type: "integer",
      default: 10_000,
      min: 1,
      max: 1_000_000,
      help: "open connections; more get 503",
    },
    maxMessage: {
      type: "integer",
      default: 65_536,
      min: 1,
      max: MAX_MESSAGE_BYTES,
      help: "bytes of a message; larger ones close with 1009",
    },
    maxBacklog: {
      type: "integer",
      default: 25_165_824,
      min: 1024,
      max: 1_073_741_824,
      help: "bytes waiting for slow readers of a worker; over it those that " +
        "do not read get 1008",
    },
    idleTimeout: {
      type: "decimal",
      default: 30,
      min: 0,
      max: 86_400,
      help: "seconds until a silent peer is dropped; 0 for never",
    },
    grace: {
      type: "decimal",
      default: 5,
      min: 0,
      max: 3600,
      help: "seconds for open connections at shutdown",
    },
    cert: {
      type: "text",
      help: "PEM file of the certificate chain, for https and wss",
    },
    key: { type: "text", help: "PEM file of its private key" },
    reusePort: {
      type: "boolean",
      help: "let several processes listen on one port (Linux)",
    },
    workers: {
      type: "text",
      default: "1",
      placeholder: "n",
      check: checkWorkers,
      help: "threads that share the port; max for one a core (Linux)",
    },
  },
} as const satisfies Command;

/** What `ws-random server` takes. */
export type ServerOptions = Options<typeof serverCommand.flags>;

/** `ws-random client` */
export const clientCommand = {
  name: "client",
  summary: "Send requests, print the responses and check every one.",
  flags: {
    url: {
      type: "text",
      positional: true,
      default: "ws://127.0.0.1:8000/ws",
      check: checkUrl,
      help: "the server; http(s):// is taken as ws(s)://",
    },
    count: {
      type: "integer",
      short: "n",
      default: 10_000,
      min: 1,
      max: 1_000_000_000,
      help: "requests in all",
    },
    connections: {
      type: "integer",
      short: "c",
      default: 1,
      min: 1,
      max: 60_000,
      help: "share the requests among so many connections",
    },
    window: {
      type: "integer",
      short: "w",
      min: 1,
      max: 1_000_000,
      help: "unanswered requests per connection; 1 is strict ping-pong " +
        "[default: 1000, or 1 MiB of them if that is less]",
    },
    batch: {
      type: "integer",
      short: "b",
      default: 1,
      min: 1,
      max: 1000,
      help: "requests per message, at most; more than 1 by ws-random.lines",
    },
    message: {
      type: "text",
      default: "Message {i}",
      any: true,
      help: "text of a request; {i} is 1, 2, 3, …",
    },
    rate: {
      type: "decimal",
      min: 0.001,
      max: 1_000_000,
      help: "requests per second, evenly spaced; unlimited if not given",
    },
    timeout: {
      type: "decimal",
      default: 10,
      min: 0.1,
      max: 86_400,
      help: "seconds without an answer until a connection counts as dead",
    },
    retries: {
      type: "integer",
      default: 5,
      min: 0,
      max: 1_000_000,
      help: "reconnects in a row without progress before giving up",
    },
    ca: {
      type: "text",
      placeholder: "file",
      help: "PEM file of a private authority to trust, for wss",
    },
    header: {
      type: "list",
      placeholder: "name: value",
      check: checkHeader,
      help: "send this header with the handshake; may be repeated",
    },
    quiet: { type: "boolean", short: "q", help: "no response lines" },
    json: {
      type: "boolean",
      help: "the report as JSON on stdout, no response lines",
    },
    histogram: { type: "boolean", help: "draw the numbers received" },
  },
} as const satisfies Command;

/** What `ws-random client` takes. */
export type ClientOptions = Options<typeof clientCommand.flags>;

const { url: _url, ca: _ca, header: _header, ...demoFlags } =
  clientCommand.flags;

/** `ws-random demo`: the client's options but for those of another server. */
export const demoCommand = {
  name: "demo",
  summary: "Start a server on a free port and run the client against it.",
  flags: demoFlags,
} as const satisfies Command;

function checkUrl(text: string): string {
  const url = URL.parse(text.replace(/^http(?=s?:)/i, "ws"));
  if (!url || !/^wss?:$/.test(url.protocol)) {
    throw new Error("is not a URL like ws://127.0.0.1:8000/ws");
  }
  try {
    decodeURIComponent(url.username + url.password);
  } catch {
    throw new Error("has a % in its user or password that is not %25");
  }
  url.hash = ""; // never sent, and the WebSocket constructor refuses it
  return url.href;
}

/** Headers that Deno sends itself: its `WebSocket` drops another value or sends it as
 * well, or (`Content-Length`) the server waits for a body. */
const HANDSHAKE_HEADERS =
  /^(?:host|connection|upgrade|user-agent|transfer-encoding|content-length|sec-websocket-.*)$/i;

function checkHeader(text: string): string {
  const [name, value] = text.split(/:\s*(.*)/s, 2);
  if (HANDSHAKE_HEADERS.test(name)) {
    throw new Error(`is not possible: Deno sends its own ${name}`);
  }
  try {
    if (value === undefined) throw new TypeError();
    new Headers([[name, value]]);
  } catch {
    throw new Error("is not a header like Authorization: Bearer secret");
  }
  return text;
}

function checkOrigin(text: string): string {
  if (text === "*") return text;
  const origin = URL.parse(text)?.origin ?? "null";
  if (origin === "null") {
    throw new Error("is not * or an origin like https://example.com");
  }
  return origin;
}

function checkWorkers(text: string): string {
  const count = /^\d+$/.test(text) ? Number(text) : 0;
  if (text !== "max" && !(count >= 1 && count <= MAX_WORKERS)) {
    throw new Error(`is not max or a whole number from 1 to ${MAX_WORKERS}`);
  }
  return text;
}
