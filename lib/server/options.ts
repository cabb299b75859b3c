/**
 * The table of the server's options.
 *
 * @module
 */

import type { Command, Options } from "../cli/flags.ts";

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
