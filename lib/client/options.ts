/**
 * The table of the client's options, and that of the demo. Times are in milliseconds.
 *
 * @module
 */

import { type Command, onOff, type Options, under } from "../cli/flags.ts";
import { HIGHEST } from "../../static/proof.js";
import { DEFAULT_TEMPLATE, parseTemplate } from "./expect.ts";
import { addLimit, type Limit } from "./limits.ts";
import { decimal, integer, text, time } from "../cli/values.ts";

const SEND = under("What to send", {
  message: {
    value: "text",
    default: "Message {i}",
    any: true,
    parse: text,
    help: "text of a request; {i} is 1, 2, 3, …",
  },
  batch: {
    short: "b",
    value: "n",
    default: "1",
    parse: integer(1, 1000),
    help: "requests per message, at most; more than 1 by ws-random.lines",
  },
});

const EXPECT = under("What to expect", {
  expect: {
    value: "template",
    default: DEFAULT_TEMPLATE,
    parse: parseTemplate,
    help:
      "a valid response: {request} is the request's text, {i} its number, " +
      `{n} a number from 1 to ${HIGHEST}, {*} any text; echo is {request}`,
  },
  unordered: { ...onOff, help: "responses may come in any order" },
});

const EXTENT = under("How much, and for how long", {
  count: {
    short: "n",
    value: "n",
    parse: integer(1, 1_000_000_000),
    help: "requests in all [default: 10000, or as many as fit into --duration]",
  },
  duration: {
    short: "z",
    value: "time",
    parse: time("1ms", "1000h"),
    help: "send for so long, then wait for what is in flight; with --count, " +
      "whichever ends first",
  },
  connections: {
    short: "c",
    value: "n",
    default: "1",
    parse: integer(1, 60_000),
    help: "share the requests among so many connections",
  },
  window: {
    short: "w",
    value: "n",
    parse: integer(1, 1_000_000),
    help: "unanswered requests per connection; 1 is strict ping-pong " +
      "[default: 1000, or 1 MiB of them if that is less]",
  },
  ramp: {
    value: "time",
    default: "0s",
    parse: time("0s", "24h"),
    help: "open the connections evenly over so long",
  },
  rate: {
    value: "n",
    parse: decimal(0.001, 1_000_000),
    help: "requests per second, evenly spaced; unlimited if not given",
  },
  timeout: {
    value: "time",
    default: "10s",
    parse: time("100ms", "24h"),
    help: "a request without an answer for so long is lost",
  },
  retries: {
    value: "n",
    default: "6",
    parse: integer(0, 1_000_000),
    help: "reconnects in a row without progress before giving up",
  },
});

const ROUTE = under("Over which route", {
  ca: {
    value: "file",
    parse: text,
    help: "PEM file of a private authority to trust, for wss",
  },
  cert: {
    value: "file",
    parse: text,
    help: "PEM file of a client certificate, for wss",
  },
  key: {
    value: "file",
    parse: text,
    help: "PEM file of its private key",
  },
  connectTo: {
    value: "address",
    parse: parseAddress,
    help: "connect there and not to the URL's host, for ws: 10.0.0.7:8000",
  },
  subprotocol: {
    short: "s",
    value: "name",
    none: [] as string[],
    parse: addSubprotocol,
    help: "offer this subprotocol in the handshake; may be repeated",
  },
  header: {
    short: "H",
    value: "name: value",
    none: new Headers(),
    parse: addHeader,
    help: "send this header with the handshake; may be repeated",
  },
});

const OUTPUT = under("Output", {
  interval: {
    value: "time",
    parse: time("10ms", "24h"),
    help: "print a row of figures on stderr each time so long has passed",
  },
  jsonStream: {
    ...onOff,
    help:
      "print a JSON object a line for the start, each interval and break, " +
      "and the end, with the report",
  },
  failIf: {
    value: "limit",
    none: [] as readonly Limit[],
    parse: addLimit,
    help: "fail with status 3 where a figure is over or under a limit: " +
      "'p99>50ms', 'pause>2s', 'rate<900'; may be repeated",
  },
  quiet: { short: "q", ...onOff, help: "no response lines" },
  json: { ...onOff, help: "the report as JSON on stdout, no response lines" },
  histogram: {
    ...onOff,
    help: "draw the numbers received, and the latencies",
  },
});

/** `ws-random client` */
export const clientCommand = {
  name: "client",
  summary: "Send requests, print the responses and check every one.",
  flags: {
    url: {
      positional: true,
      default: "ws://127.0.0.1:8000/ws",
      parse: parseUrl,
      help: "the server; ws:// if it says no more than localhost:8000",
    },
    ...SEND,
    ...EXPECT,
    ...EXTENT,
    ...ROUTE,
    ...OUTPUT,
  },
  foreign: {
    "-k --insecure":
      "certificates are always checked; --ca <file> trusts your own",
    "--cacert": "it is --ca <file> here",
    "--origin": 'write --header "Origin: https://example.com"',
    "-p --port --host": "it is part of the URL: ws://127.0.0.1:8000/ws",
    "-o --output": "responses go to stdout: write > file, or --json > file",
    "-v --verbose":
      "the report tells why connections broke; --json tells all of it",
    "--no-color": "set the environment variable NO_COLOR=1",
    "-d --data": "it is --message <text> here",
    "-t": "it is --timeout <time> here",
    "--size": "the size is that of --message <text>",
    "-r": "it is --rate <n> here",
    "--resolve": "it is --connect-to <address> here",
    "--proxy": "a proxy is taken from HTTP_PROXY, HTTPS_PROXY and NO_PROXY",
  },
} as const satisfies Command;

/** What `ws-random client` takes. */
export type ClientOptions = Options<typeof clientCommand.flags>;

/** `ws-random demo`: the client's options but for those of another server. */
export const demoCommand = {
  name: "demo",
  summary: "Start a server on a free port and run the client against it.",
  flags: { ...SEND, ...EXTENT, ...OUTPUT },
} as const satisfies Command;

/** Takes http(s):// as ws(s)://, `localhost:8000` and `example.com/ws` as ws://, and
 * `:8000` as a port of this machine. */
function parseUrl(text: string): URL {
  const whole = /^\w+:\/\//.test(text)
    ? text.replace(/^http(?=s?:)/i, "ws")
    : text.startsWith(":")
    ? `ws://127.0.0.1${text}`
    : `ws://${text}`;
  const url = URL.parse(whole);
  // A word alone is more likely a slip than a host.
  const word = /^[^.:/]*$/.test(text) && text !== "localhost";
  const path = /^(?:[./]|[a-z]+:\/[^/])/i.test(text);
  if (word || path || !url || !/^wss?:$/.test(url.protocol)) {
    throw new Error("is not a URL like ws://127.0.0.1:8000/ws");
  }
  try {
    decodeURIComponent(url.username + url.password);
  } catch {
    throw new Error("has a % in its user or password that is not %25");
  }
  url.hash = ""; // never sent, and the WebSocket constructor refuses it
  return url;
}

/** A host, and a port if it is not the URL's. */
function parseAddress(text: string): { hostname: string; port?: string } {
  // Of a scheme without a port of its own, or 80 would be left out.
  const url = URL.parse(`tcp://${text}`);
  if (!url || url.host !== text || url.hostname === "") {
    throw new Error("is not an address like 10.0.0.7:8000");
  }
  return { hostname: url.hostname, ...(url.port && { port: url.port }) };
}

/** The name of a subprotocol: a token (RFC 9110 section 5.6.2). */
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;

function addSubprotocol(name: string, before: string[]): string[] {
  if (!TOKEN.test(name)) {
    throw new Error("is not a name like graphql-transport-ws");
  }
  if (before.includes(name)) throw new Error("is given twice");
  return [...before, name];
}

/** Headers that Deno sends itself: its `WebSocket` drops another value or sends it as
 * well, or (`Content-Length`) the server waits for a body. */
const HANDSHAKE_HEADERS =
  /^(?:host|connection|upgrade|user-agent|transfer-encoding|content-length|sec-websocket-.*)$/i;

function addHeader(text: string, before: Headers): Headers {
  const [name, value] = text.split(/:\s*(.*)/s, 2);
  if (HANDSHAKE_HEADERS.test(name)) {
    throw new Error(`is not possible: Deno sends its own ${name}`);
  }
  const headers = new Headers(before);
  try {
    if (value === undefined) throw new TypeError();
    // There is only one Cookie (RFC 6265 section 5.4), and no comma in it.
    const cookies = /^cookie$/i.test(name) && headers.get(name);
    if (cookies) headers.set(name, `${cookies}; ${value}`);
    else headers.append(name, value);
  } catch {
    throw new Error("is not a header like Authorization: Bearer secret");
  }
  return headers;
}
