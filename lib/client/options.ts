/**
 * The table of the client's options, and that of the demo.
 *
 * @module
 */

import type { Command, Options } from "../cli/flags.ts";

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

/** A URL without its password. */
export function publicUrl(text: string): string {
  const url = new URL(text);
  if (url.password) url.password = "***";
  return url.href;
}
