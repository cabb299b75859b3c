/**
 * The server: it answers every request with that request and a random number
 * from 1 to 100, and serves the page. Read from top to bottom it is the life of
 * a connection: listen, route, handshake, exchange, close.
 *
 * @module
 */

import { STATUS_CODE } from "@std/http/status";
import { type Asset, assetResponse, loadAssets } from "./lib/http.ts";
import { EXIT_OK, runCommand } from "./lib/command.ts";
import { UsageError } from "./lib/flags.ts";
import { serverCommand, type ServerOptions } from "./lib/options.ts";
import {
  asksForWebSocket,
  offersProtocol,
  type Refusal,
  refusal,
} from "./lib/handshake.ts";
import {
  closeLabel,
  count,
  createMetrics,
  type Metrics,
  prometheusText,
  uptimeSeconds,
} from "./lib/metrics.ts";
import { Outbox } from "./lib/outbox.ts";
import { answer, answerLines, LINES_PROTOCOL } from "./lib/protocol.ts";
import { reply, SECURITY_HEADERS } from "./lib/http.ts";

/** A connection is quiet when nothing has come for this long, in milliseconds:
 * all that had arrived is answered then. */
const QUIET_MS = 50;

/** How long a peer that is to be closed for a fault may go on sending before it
 * is cut off, in milliseconds. */
const LINGER_MS = 1000;

/** A server that runs. */
export interface Server {
  /** Where it listens, with the real port: `http://127.0.0.1:8000/`. */
  url: string;
  /** Takes no more connections, answers what has arrived, closes every
   * connection with 1001 and stops listening. Takes `--grace` at the most. */
  shutdown(): Promise<void>;
  /** What it has counted. */
  metrics: Metrics;
}

/** A connection that is open. */
interface Connection {
  socket: WebSocket;
  outbox: Outbox;
  /** Whether something came since this was last set to false. */
  active: boolean;
  /** The code that this side closes with; 0 while it does not. */
  closeCode: number;
  /** Looks whether it is quiet, so that it can be closed. */
  closing?: ReturnType<typeof setInterval>;
}

/** What all connections share. */
interface State {
  options: ServerOptions;
  scheme: "http" | "https";
  assets: Map<string, Asset>;
  open: Set<Connection>;
  metrics: Metrics;
  /** Whether it shuts down. */
  draining: boolean;
}

/**
 * Starts a server.
 *
 * @throws {Error} If a certificate cannot be read, or the address cannot be
 * listened on. The message says which and what to do.
 */
export async function startServer(options: ServerOptions): Promise<Server> {
  const tls = await readCertificate(options);
  const state: State = {
    options,
    scheme: tls ? "https" : "http",
    assets: await loadAssets(),
    open: new Set(),
    metrics: createMetrics(),
    draining: false,
  };
  const server = listen(state, tls);
  const host = options.host.includes(":") ? `[${options.host}]` : options.host;
  return {
    url: `${state.scheme}://${host}:${server.addr.port}/`,
    metrics: state.metrics,
    shutdown: () => shutdown(state, server),
  };
}

async function readCertificate(
  { cert, key }: ServerOptions,
): Promise<Deno.TlsCertifiedKeyPem | undefined> {
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) {
    throw new UsageError("--cert and --key go together; one is missing");
  }
  const read = (option: string, path: string) =>
    Deno.readTextFile(path).catch((error) => {
      throw new Error(`${option}: cannot read ${path}: ${error.message}`);
    });
  return {
    cert: await read("--cert", cert),
    key: await read("--key", key),
  };
}

function listen(
  state: State,
  tls: Deno.TlsCertifiedKeyPem | undefined,
): Deno.HttpServer<Deno.NetAddr> {
  const { host: hostname, port, cert, reusePort } = state.options;
  if (reusePort && Deno.build.os !== "linux") {
    throw new Error(
      `--reuse-port works on Linux only, not on ${Deno.build.os}; ` +
        "give each process a port of its own",
    );
  }
  try {
    return Deno.serve(
      {
        hostname,
        port,
        reusePort,
        ...tls,
        onListen() {},
        onError: () => reply(STATUS_CODE.BadRequest, "malformed request"),
      },
      (request) => route(request, state),
    );
  } catch (error) {
    const { name, message } = error as Error;
    if (name === "AddrInUse") {
      throw new Error(
        `port ${port} of ${hostname} is taken; choose another with --port`,
      );
    }
    if (name === "InvalidData" && tls) {
      throw new Error(
        `--cert ${cert} and its --key are not usable: ${message}`,
      );
    }
    throw new Error(`cannot listen on ${hostname} port ${port}: ${message}`);
  }
}

function route(request: Request, state: State): Response {
  const { pathname } = new URL(request.url);
  if (pathname === "/ws" || (pathname === "/" && asksForWebSocket(request))) {
    return handshake(request, state);
  }
  const found = content(pathname, request, state);
  if (!found) return reply(STATUS_CODE.NotFound, `nothing at ${pathname}`);
  if (request.method === "GET" || request.method === "HEAD") return found;
  return reply(
    STATUS_CODE.MethodNotAllowed,
    `${request.method} is not allowed here`,
    { allow: "GET, HEAD" },
  );
}

/** What is at a path. */
function content(
  path: string,
  request: Request,
  { assets, open, metrics, draining }: State,
): Response | undefined {
  const asset = assets.get(path);
  if (asset) return assetResponse(request, asset);
  if (path === "/healthz") {
    const health = {
      status: draining ? "draining" : "ok",
      connections: open.size,
      uptimeSeconds: uptimeSeconds(metrics),
    };
    return reply(
      draining ? STATUS_CODE.ServiceUnavailable : STATUS_CODE.OK,
      JSON.stringify(health),
      { "content-type": "application/json", "cache-control": "no-store" },
    );
  }
  if (path === "/metrics") {
    return reply(STATUS_CODE.OK, prometheusText(metrics, open.size), {
      "content-type": "text/plain; version=0.0.4; charset=utf-8",
      "cache-control": "no-store",
    });
  }
}

function handshake(request: Request, state: State): Response {
  const { options, scheme, open, metrics, draining } = state;
  const full = draining || open.size >= options.maxConnections;
  const refused = refusal(request, scheme, options.allowOrigin) ??
    (full ? FULL : undefined);
  if (refused) {
    count(metrics.refusals, refused.reason);
    return reply(refused.status, refused.message, refused.headers);
  }
  const lines = offersProtocol(request, LINES_PROTOCOL);
  const { socket, response } = Deno.upgradeWebSocket(request, {
    idleTimeout: options.idleTimeout,
    protocol: lines ? LINES_PROTOCOL : undefined,
  });
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) {
    response.headers.set(name, value);
  }
  exchange(socket, lines, state);
  return response;
}

const FULL: Refusal = {
  reason: "full",
  status: STATUS_CODE.ServiceUnavailable,
  message: "too many connections; try again later",
  headers: { "retry-after": "1" },
};

/** Answers what comes on one connection until it ends; a message holds one
 * request, or one request per line. */
function exchange(socket: WebSocket, lines: boolean, state: State): void {
  const { open, metrics, options: { maxMessage, maxBacklog } } = state;
  const outbox = new Outbox(socket);
  const connection: Connection = {
    socket,
    outbox,
    active: false,
    closeCode: 0,
  };
  const close = (code: number, reason: string) =>
    closeWhenQuiet(connection, code, reason, LINGER_MS);
  open.add(connection);
  metrics.connections++;

  socket.onmessage = ({ data }) => {
    connection.active = true;
    const { closeCode } = connection;
    if (closeCode !== 0 && closeCode !== GOING_AWAY) return; // at fault before
    if (typeof data !== "string") return close(1003, "text messages only");
    if (exceeds(data, maxMessage)) {
      return close(1009, `at most ${maxMessage} bytes`);
    }
    if (outbox.bytes > maxBacklog) {
      outbox.clear();
      connection.closeCode = 1008;
      return socket.close(1008, "responses are not being read");
    }
    if (lines) {
      const responses = answerLines(data);
      outbox.send(responses.join("\n"));
      metrics.requests += responses.length;
    } else {
      outbox.send(answer(data));
      metrics.requests++;
    }
  };
  socket.onclose = ({ code }) => {
    if (!open.delete(connection)) return; // Deno tells of a dropped peer twice
    clearInterval(connection.closing);
    outbox.clear();
    count(metrics.closes, closeLabel(connection.closeCode || code || 1006));
  };
  // A peer that resets its connection is no news; the close event follows.
  socket.onerror = (event) => event.preventDefault();
}

/** The close code of a server that shuts down (RFC 6455 section 7.4.1). */
const GOING_AWAY = 1001;

/** Closes a connection once nothing more comes, or after a while. A connection
 * closed with something unread is reset, and its peer may never learn why. */
function closeWhenQuiet(
  connection: Connection,
  code: number,
  reason: string,
  milliseconds: number,
): void {
  const deadline = performance.now() + milliseconds;
  connection.closeCode = code;
  connection.active = false;
  connection.closing = setInterval(() => {
    const quiet = !connection.active && connection.outbox.bytes === 0;
    connection.active = false;
    if (!quiet && performance.now() < deadline) return;
    clearInterval(connection.closing);
    connection.socket.close(code, reason);
  }, QUIET_MS);
}

function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Whether a text is longer than this in UTF-8, without encoding the usual one. */
function exceeds(text: string, bytes: number): boolean {
  return text.length * 3 > bytes &&
    (text.length > bytes || new TextEncoder().encode(text).length > bytes);
}

/** Deno's own `shutdown` closes every WebSocket at once, so it comes last; until
 * then new connections are turned away. */
async function shutdown(state: State, server: Deno.HttpServer): Promise<void> {
  const { open, options: { grace } } = state;
  const deadline = performance.now() + grace * 1000;
  state.draining = true;
  for (const connection of open) {
    if (connection.closeCode !== 0) continue;
    closeWhenQuiet(connection, GOING_AWAY, "server shuts down", grace * 500);
  }
  while (open.size > 0 && performance.now() < deadline) await delay(QUIET_MS);
  // A peer that is half way through an HTTP request would hold it up.
  let timer;
  const rest = Math.max(QUIET_MS, deadline - performance.now());
  const timeUp = new Promise((resolve) => timer = setTimeout(resolve, rest));
  await Promise.race([server.shutdown(), timeUp]);
  clearTimeout(timer);
}

/**
 * `ws-random server`: serves until SIGINT or SIGTERM.
 *
 * @returns The exit status.
 */
export function main(args: string[]): Promise<number> {
  return runCommand(serverCommand, args, async (options) => {
    const server = await startServer(options);
    console.log(`Listening on ${server.url}`);
    await Deno.permissions.revoke({ name: "read" });
    await Deno.permissions.revoke({ name: "env" });

    await terminationSignal();
    terminationSignal().then((status) => Deno.exit(status));
    await server.shutdown();
    const { connections, requests } = server.metrics;
    console.log(
      `Stopped after ${connections} connections and ${requests} requests`,
    );
    return EXIT_OK;
  });
}

/** Waits for SIGINT or SIGTERM. */
function terminationSignal(): Promise<number> {
  return new Promise((resolve) => {
    Deno.addSignalListener("SIGINT", () => resolve(130));
    if (Deno.build.os === "windows") return; // it knows no SIGTERM
    Deno.addSignalListener("SIGTERM", () => resolve(143));
  });
}

if (import.meta.main) Deno.exit(await main(Deno.args));
