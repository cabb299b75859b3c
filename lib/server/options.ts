/**
 * The table of the server's options. Times are in milliseconds.
 *
 * @module
 */

import { type Command, onOff, type Options, under } from "../cli/flags.ts";
import { integer, text, time } from "../cli/values.ts";

/** Deno does not receive longer messages. */
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

/** Each takes some 10 MB, busy or not. */
const MAX_WORKERS = 256;

const LISTEN = under("Where to listen", {
  host: {
    value: "text",
    default: "127.0.0.1",
    parse: parseHost,
    help: "address to listen on; 0.0.0.0 for all",
  },
  port: {
    short: "p",
    value: "n",
    default: "8000",
    env: "PORT",
    parse: integer(0, 65_535),
    help: "port to listen on; 0 takes a free one",
  },
  cert: {
    value: "file",
    parse: text,
    help: "PEM file of the certificate chain, for https and wss",
  },
  key: {
    value: "file",
    parse: text,
    help: "PEM file of its private key",
  },
  reusePort: {
    ...onOff,
    help: "let several processes listen on one port (Linux)",
  },
  workers: {
    value: "n",
    default: "1",
    parse: parseWorkers,
    help: "threads that share the port; max for one a core (Linux)",
  },
});

const ADMIT = under("Whom to admit, and how much", {
  allowOrigin: {
    value: "text",
    none: [],
    parse: (text: string, before: readonly string[]): readonly string[] => [
      ...before,
      parseOrigin(text),
    ],
    help: "let pages of this origin connect too; may be repeated; * for any",
  },
  maxConnections: {
    value: "n",
    default: "10000",
    parse: integer(1, 1_000_000),
    help: "open connections; more get 503",
  },
  maxMessage: {
    value: "n",
    default: "65536",
    parse: integer(1, MAX_MESSAGE_BYTES),
    help: "bytes of a message; larger ones close with 1009",
  },
  maxBacklog: {
    value: "n",
    default: "25165824",
    parse: integer(1024, 1_073_741_824),
    help: "bytes waiting for slow readers of a worker; over it those that " +
      "do not read get 1008",
  },
  idleTimeout: {
    value: "time",
    default: "30s",
    parse: time("0s", "24h"),
    help: "a peer that is silent for so long is dropped; 0 for never",
  },
});

const STOP = under("How to stop, and what to tell", {
  grace: {
    value: "time",
    default: "5s",
    parse: time("0s", "1h"),
    help: "how long open connections may take at shutdown",
  },
  drainDelay: {
    value: "time",
    default: "0",
    parse: time("0s", "1h"),
    help: "how long it first goes on taking connections, though not ready",
  },
  logFormat: {
    value: "format",
    default: "text",
    parse: parseLogFormat,
    help: "lines for the operator: text, or json for what collects them",
  },
});

/** `ws-random server` */
export const serverCommand = {
  name: "server",
  summary: "Serve the page and the WebSocket endpoint.",
  flags: {
    ...LISTEN,
    ...ADMIT,
    ...STOP,
  },
} as const satisfies Command;

/** What `ws-random server` takes. */
export type ServerOptions = Options<typeof serverCommand.flags>;

/** An IPv6 address may be written as in a URL. */
function parseHost(text: string): string {
  return text.replace(/^\[(.*)\]$/, "$1");
}

/** @returns As a browser writes it. */
function parseOrigin(text: string): string {
  if (text === "*") return text;
  const { href, origin } = URL.parse(text) ?? { href: "", origin: "" };
  const one = !origin.includes("*"); // a browser names one host
  if (one && href === `${origin}/` && href.startsWith("http")) return origin;
  throw new Error("is not * or an origin like https://example.com");
}

function parseLogFormat(text: string): "text" | "json" {
  if (text === "text" || text === "json") return text;
  throw new Error("is not text or json");
}

function parseWorkers(text: string): number {
  if (text === "max") return navigator.hardwareConcurrency;
  try {
    return integer(1, MAX_WORKERS)(text);
  } catch {
    throw new Error(`is not max or a whole number from 1 to ${MAX_WORKERS}`);
  }
}
