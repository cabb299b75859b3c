/**
 * The opening handshake: its headers, its TLS, and why it failed.
 *
 * @module
 */

import { LINES_PROTOCOL } from "../protocol.ts";
import { readKeyPair, readPem } from "../cli/key_pair.ts";
import { UsageError } from "../text.ts";
import type { ClientOptions } from "./options.ts";

/** What a handshake is made of. */
interface Handshake {
  /** Where to connect to. */
  url: URL;
  protocols: string[];
  headers: Headers;
  client: Deno.HttpClient;
  /** How long it may take, in milliseconds. */
  timeout: number;
}

/** The DOM's types, which the page's tests load, do not know Deno's options. */
const OpenWebSocket = WebSocket as unknown as new (
  url: URL,
  options: WebSocketOptions,
) => WebSocket;

/** The subprotocols that a client offers. */
export function offered({ batch, subprotocol }: ClientOptions): string[] {
  return batch > 1 ? [LINES_PROTOCOL] : subprotocol;
}

/** The URL that is connected to: the one given, with the address of `--connect-to`,
 * and without a user, who goes into a header. */
export function connectedUrl({ url, connectTo }: ClientOptions): URL {
  const connected = new URL(url);
  connected.username = connected.password = "";
  if (connectTo) connected.hostname = connectTo.hostname;
  if (connectTo?.port) connected.port = connectTo.port;
  return connected;
}

/**
 * Returns a function that opens connections as the options say.
 *
 * @throws {UsageError} If a file cannot be used, or if options exclude each other.
 */
export function connector(options: ClientOptions): () => WebSocket {
  const handshake = prepare(options);
  const ask = asker(handshake);
  return () => {
    const socket = new OpenWebSocket(handshake.url, handshake);
    socket.binaryType = "arraybuffer";
    replaceReason(socket, ask);
    return socket;
  };
}

function prepare(options: ClientOptions): Handshake {
  const { url, connectTo } = options;
  const headers = new Headers(options.header);
  if ((url.username || url.password) && !headers.has("authorization")) {
    // Deno 2.6 leaves it out.
    const user = decodeURIComponent(`${url.username}:${url.password}`);
    const base64 = new TextEncoder().encode(user).toBase64();
    headers.set("authorization", `Basic ${base64}`);
  }
  if (connectTo) {
    if (url.protocol === "wss:") {
      throw new UsageError(
        "--connect-to is for ws:// only: over TLS Deno would check that address " +
          "and not the URL's host; let a line of /etc/hosts lead there",
      );
    }
    headers.set("host", url.host);
  }
  return {
    url: connectedUrl(options),
    protocols: offered(options),
    headers,
    client: httpClient(options),
    timeout: options.timeout,
  };
}

function httpClient(
  { ca, cert, key }: Pick<ClientOptions, "ca" | "cert" | "key">,
): Deno.HttpClient {
  return Deno.createHttpClient({
    ...readKeyPair({ cert, key }),
    caCerts: ca === undefined ? [] : [certificates(ca)],
    allowHost: true, // what --connect-to sends, and nobody else
    // Over TLS Deno would try HTTP/2 after any failure, and tell of that only.
    http2: false,
    poolMaxIdlePerHost: 0, // no connection outlives what it was opened for
  });
}

/** The certificates of a PEM file. */
function certificates(path: string): string {
  const pem = readPem("--ca", path);
  if (pem.includes("-----BEGIN CERTIFICATE-----")) return pem;
  throw new UsageError(`--ca: cannot use ${path}: no certificate in it`);
}

/** What Deno's error says before the cause of a handshake that failed. */
const FAILED = "failed to connect to WebSocket: ";

/** Causes that are not the whole: why there was no TCP connection, or where a redirect
 * leads. Over TLS none is, for there a second try by HTTP/2 hides the first. */
const HALF_TOLD = /^tcp |status code: 3/;

/** Replaces the reason in the error event of a handshake that fails. The events come as
 * from Deno, a little later. */
function replaceReason(
  socket: WebSocket,
  ask: () => Promise<string | undefined>,
): void {
  let asking = false;
  const hold = (event: Event) => {
    if (asking) event.stopImmediatePropagation();
  };
  socket.addEventListener("close", hold);
  socket.addEventListener("error", async (event) => {
    const [, told] = (event as ErrorEvent).message.split(FAILED, 2);
    const whole = socket.url.startsWith("ws:") && !HALF_TOLD.test(told);
    if (told === undefined || whole) return;
    asking = true;
    hold(event);
    event.preventDefault();
    const message = FAILED + (await ask() ?? told);
    asking = false;
    socket.dispatchEvent(
      new ErrorEvent("error", { message, cancelable: true }),
    );
    socket.dispatchEvent(new CloseEvent("close"));
  }, { once: true });
}

/** Returns a function that makes a handshake again by `fetch`, which tells why it
 * fails. Connections that fail meanwhile share the answer. */
function asker(handshake: Handshake): () => Promise<string | undefined> {
  let answer: Promise<string | undefined> | undefined;
  return () =>
    answer ??= fetchReason(handshake).finally(() => answer = undefined);
}

async function fetchReason(
  { url, headers, client, timeout }: Handshake,
): Promise<string | undefined> {
  const target = new URL(url);
  target.protocol = url.protocol.replace("ws", "http");
  const asked = new Headers(headers);
  asked.set("connection", "Upgrade");
  asked.set("upgrade", "websocket");
  asked.set("sec-websocket-version", "13");
  asked.set("sec-websocket-key", btoa("ws-random-asks-y"));
  try {
    const response = await fetch(target, {
      client,
      headers: asked,
      redirect: "manual",
      signal: AbortSignal.timeout(timeout),
    });
    await response.body?.cancel();
    return responseReason(response, target);
  } catch (error) {
    // Deno 2.9 has it in the cause of the error, Deno 2.6 in the error.
    const { message, cause } = error as Error;
    const chain = cause instanceof Error ? cause.message : message;
    return /client error \(\w+\): (.*)/s.exec(chain)?.[1];
  }
}

/** In the words of Deno's `WebSocket`, with where a redirect leads. */
function responseReason({ status, headers }: Response, target: URL): string {
  if (status !== 101) {
    const location = headers.get("location");
    const url = location !== null && URL.parse(location, target);
    return `Invalid status code: ${status}${url ? ` ${url.href}` : ""}`;
  }
  return /^upgrade$/i.test(headers.get("connection") ?? "")
    ? "a second handshake succeeded"
    : "Invalid connection header";
}

/** What a handshake was answered with and must not be (RFC 6455 section 4.1), or
 * `undefined` if nothing. */
export function unasked(
  { protocol, extensions }: Pick<WebSocket, "protocol" | "extensions">,
  { batch, protocols }: { batch: number; protocols: string[] },
): string | undefined {
  if (extensions !== "") {
    return `chose an extension that was not asked for: ${extensions}`;
  }
  if (batch > 1 && protocol === "") {
    return `does not speak ${LINES_PROTOCOL}; leave out --batch`;
  }
  if (protocol !== "" && !protocols.includes(protocol)) {
    return `chose a subprotocol that was not asked for: ${protocol}`;
  }
}
