/**
 * The server: it answers every request with that request and a random number
 * from 1 to 100, and serves the page. Here it listens, routes and shuts down; the
 * life of a connection is in `lib/server/connection.ts`.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { deadline } from "@std/async/deadline";
import { STATUS_CODE } from "@std/http/status";
import { EXIT_OK, onTermination, runCommand } from "./lib/cli/command.ts";
import { Connection, type Shared } from "./lib/server/connection.ts";
import { defaults } from "./lib/cli/flags.ts";
import { readKeyPair } from "./lib/cli/key_pair.ts";
import {
  type Admission,
  asksForWebSocket,
  DRAINING,
  full,
  offersProtocol,
  OUT_OF_MEMORY,
  peerOf,
  type Refusal,
  refusal,
} from "./lib/server/handshake.ts";
import { type Asset, loadAssets } from "./lib/server/page.ts";
import {
  bareResponse,
  type Content,
  contentResponse,
} from "./lib/server/content.ts";
import { pathOf, reply, SECURITY_HEADERS } from "./lib/server/responses.ts";
import {
  assertPortFree,
  linkHost,
  Listener,
  urlHost,
  whereText,
} from "./lib/server/listen.ts";
import { memoryLimit } from "./lib/server/memory.ts";
import { Metrics } from "./lib/server/metrics.ts";
import { Notices, stdoutLine } from "./lib/server/log.ts";
import { serverCommand, type ServerOptions } from "./lib/server/options.ts";
import { Backlog } from "./lib/server/backlog.ts";
import { CLOSE, isLoopback, LINES_PROTOCOL } from "./lib/protocol.ts";
import { Lines } from "./lib/lines.ts";
import { plural } from "./lib/text.ts";
import { outliveDeno } from "./lib/server/rejections.ts";
import { isWorker, work, Workers } from "./lib/server/workers.ts";

/** How long the last bytes may take once every connection is over or its close frame
 * is sent, in milliseconds. */
const LAST_MS = 200;

/** How long the last line may take, in milliseconds: on a busy machine more than a
 * moment, and for ever if nobody reads it. */
const LAST_LINE_MS = 1000;

export interface Server {
  /** Where it listens, with the real port: `http://127.0.0.1:8000/`. */
  url: string;
  metrics: Metrics;
  /** After `--drain-delay` takes no more connections, answers what has arrived, closes
   * every connection with 1001 and stops listening, in little more than `--grace`. */
  shutdown(): Promise<void>;
}

/**
 * Starts a server.
 *
 * @param options Those that differ from the defaults of `ws-random server`.
 * @param metrics Where it counts; the workers of a server share theirs.
 *
 * @throws {Error} If a certificate cannot be read, or the address cannot be
 * listened on. The message says which and what to do.
 */
export async function startServer(
  options: Partial<ServerOptions> = {},
  metrics: Metrics = new Metrics(),
): Promise<Server> {
  const all = { ...defaults(serverCommand), ...options };
  const { workers } = all;
  if ((all.reusePort || workers > 1) && Deno.build.os !== "linux") {
    throw new Error(
      `${workers > 1 ? "--workers" : "--reuse-port"} works on Linux only, ` +
        `not on ${Deno.build.os}; give each process a port of its own`,
    );
  }
  const tls = readKeyPair(all);
  if (workers > 1) {
    if (!all.reusePort) assertPortFree(all);
    return await new Workers(import.meta.url, all).start();
  }
  return new RunningServer(all, metrics, tls, await loadAssets());
}

class RunningServer implements Server {
  readonly url: string;
  readonly metrics: Metrics;
  #content: Content;
  #options: ServerOptions;
  #admission: Admission;
  #notices: Notices;
  #shared: Shared;
  #connections = new Set<Connection>();
  /** Called when the last connection is over. */
  #onEmpty = () => {};
  #draining = false;
  #listener: Listener;

  constructor(
    options: ServerOptions,
    metrics: Metrics,
    tls: Deno.TlsCertifiedKeyPem | undefined,
    assets: Map<string, Asset>,
  ) {
    this.#options = options;
    this.metrics = metrics;
    this.#content = { assets, metrics, ready: true };
    this.#notices = new Notices(options.logFormat);
    this.#shared = {
      options,
      metrics,
      notices: this.#notices,
      backlog: new Backlog(options.maxBacklog, options.idleTimeout),
    };
    this.#listener = new Listener(
      options,
      tls,
      this.#notices,
      (request, address) => this.#route(request, address),
    );
    const { port, hostname } = this.#listener.address;
    this.#admission = {
      scheme: tls ? "https" : "http",
      loopback: isLoopback(urlHost(hostname)),
      allowOrigin: options.allowOrigin,
    };
    this.url = `${this.#admission.scheme}://${linkHost(options.host)}:${port}/`;
  }

  #route(request: Request, address: string): Response {
    const pathname = pathOf(request);
    if (
      pathname === "/ws" || pathname?.startsWith("/ws/") ||
      ((pathname ?? "/") === "/" && asksForWebSocket(request))
    ) {
      return this.#handshake(request, peerOf(request, address));
    }
    if (pathname === undefined) {
      return reply(STATUS_CODE.BadRequest, "the Host header is not a host");
    }
    if (this.#admission.scheme === "http" && !request.headers.has("host")) {
      return bareResponse(pathname, this.#content);
    }
    return contentResponse(request, pathname, this.#content);
  }

  #handshake(request: Request, peer: string): Response {
    const { maxConnections, idleTimeout } = this.#options;
    const refused = refusal(request, this.#admission) ??
      (this.#draining ? DRAINING : undefined) ??
      (this.#outOfMemory() ? OUT_OF_MEMORY : undefined) ??
      (this.metrics.accept(maxConnections) ? undefined : full(maxConnections));
    if (refused) return this.#refuse(refused, peer);
    const lines = offersProtocol(request, LINES_PROTOCOL);
    const { socket, response } = this.#upgrade(request, idleTimeout);
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) {
      response.headers.set(name, value);
    }
    // Deno's own option wants a blank after each comma of the client's list.
    if (lines) response.headers.set("sec-websocket-protocol", LINES_PROTOCOL);
    const onEnd = () => {
      this.#connections.delete(connection);
      if (this.#connections.size === 0) this.#onEmpty();
    };
    const onLate = () => {
      if (this.#draining || !this.metrics.accept(maxConnections)) return false;
      this.#connections.add(connection);
      return true;
    };
    const connection = new Connection(
      this.#shared,
      peer,
      socket,
      lines,
      onEnd,
      onLate,
    );
    this.#connections.add(connection);
    connection.start();
    return response;
  }

  #outOfMemory(): boolean {
    const limit = memoryLimit(this.#options, this.metrics.workers);
    return this.#shared.backlog.isFull() || Deno.memoryUsage().rss > limit;
  }

  #upgrade(request: Request, idleTimeout: number): Deno.WebSocketUpgrade {
    try {
      return Deno.upgradeWebSocket(request, {
        idleTimeout: idleTimeout / 1000, // it takes seconds
      });
    } catch (error) {
      this.metrics.close(CLOSE.INTERNAL_ERROR); // it was counted as open
      throw error;
    }
  }

  #refuse(
    { reason, status, message, headers }: Refusal,
    peer: string,
  ): Response {
    this.metrics.refuse(reason);
    this.#notices.add({
      kind: `refusal_${reason}`,
      what: (count) => `refused ${plural(count, "handshake")}`,
      why: message,
      peer,
    });
    return reply(status, message, headers);
  }

  /** Deno's own `shutdown` closes every WebSocket at once, so it comes last; until
   * then new connections are refused. */
  async shutdown(): Promise<void> {
    const { drainDelay, grace } = this.#options;
    this.#content.ready = false;
    await delay(drainDelay);
    this.#draining = true;
    // The second half is for the closing handshakes.
    for (const each of this.#connections) each.drain(grace / 2);
    const empty = new Promise<void>((resolve) => this.#onEmpty = resolve);
    if (this.#connections.size > 0) await within(grace, empty);
    for (const each of this.#connections) each[Symbol.dispose]();
    await within(LAST_MS, this.#listener.shutdown());
    await this.#notices[Symbol.asyncDispose]();
  }
}

/** Waits for a promise, but no longer than this. */
function within(milliseconds: number, promise: Promise<void>): Promise<void> {
  return deadline(promise, milliseconds).catch(() => {});
}

/**
 * `ws-random server`: serves until SIGINT, SIGTERM or SIGHUP.
 *
 * @returns The exit status.
 */
export function main(args: string[]): Promise<number> {
  return runCommand(serverCommand, args, async (options) => {
    const signalled = new Promise<number>(onTermination);
    outliveDeno(options.logFormat);
    const server = await startServer(options);
    const stdout = new Lines(Deno.stdout);
    const say = (kind: string, message: string) =>
      stdout.write(stdoutLine(options.logFormat, kind, message));
    say("start", `Listening on ${whereText(server.url, options)}`);
    await Deno.permissions.revoke({ name: "env" });
    // All workers have the same permissions, and to start one takes this.
    if (options.workers === 1) {
      await Deno.permissions.revoke({ name: "read" });
    }

    await signalled;
    await server.shutdown();
    const { connections, requests } = server.metrics;
    say(
      "stop",
      `Stopped after ${plural(connections, "connection")} and ${
        plural(requests, "request")
      }`,
    );
    await within(LAST_LINE_MS, stdout.written);
    return EXIT_OK;
  });
}

if (import.meta.main) {
  if (isWorker()) work(startServer);
  else Deno.exit(await main(Deno.args));
}
