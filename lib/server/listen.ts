/**
 * What a server listens on: its address and its certificate, and messages that say
 * what to do when they cannot be used.
 *
 * @module
 */

import { STATUS_CODE } from "@std/http/status";
import { reply } from "./responses.ts";
import type { Notices } from "./log.ts";
import type { ServerOptions } from "./options.ts";
import { plural } from "../text.ts";

/** How long a server that could not listen again waits before it tries once more,
 * in milliseconds. */
const LISTEN_AGAIN_MS = 100;

/** Answers a request of the peer at this address. */
type Route = (request: Request, address: string) => Response;

/** Takes HTTP requests on one address until it is shut down, and listens again when
 * Deno has stopped. */
export class Listener {
  readonly address: Deno.NetAddr;
  #options: Deno.ServeTcpOptions;
  #notices: Notices;
  #route: Route;
  #server: Deno.HttpServer<Deno.NetAddr>;
  #stopped = false;

  /** @throws {Error} If the address cannot be listened on. The message says what
   * to do. */
  constructor(
    options: ServerOptions,
    tls: Deno.TlsCertifiedKeyPem | undefined,
    notices: Notices,
    route: Route,
  ) {
    const { host: hostname, port, reusePort } = options;
    this.#options = { hostname, port, reusePort, ...tls };
    this.#notices = notices;
    this.#route = route;
    try {
      this.#server = this.#listen();
    } catch (error) {
      throw listenError(error as Error, options);
    }
    this.address = this.#server.addr;
    this.#options.port = this.address.port; // 0 became a free one
  }

  #listen(): Deno.HttpServer<Deno.NetAddr> {
    const server = Deno.serve({
      ...this.#options,
      onListen() {},
      onError: (error) => this.#failed(error),
    }, (request, { remoteAddr }) => this.#route(request, remoteAddr.hostname));
    server.finished.catch((error) => this.#listenAgain(error));
    return server;
  }

  /** Deno stops listening when there are no descriptors left to accept with; the
   * connections that are open go on. */
  #listenAgain(error: unknown): void {
    if (this.#stopped) return;
    this.#notices.add({
      kind: "listen",
      what: () => "cannot take connections",
      why: `${(error as Error).message}; trying again; for more file ` +
        "descriptors raise `ulimit -n`",
    });
    setTimeout(() => {
      try {
        if (!this.#stopped) this.#server = this.#listen();
      } catch (error) {
        this.#listenAgain(error);
      }
    }, LISTEN_AGAIN_MS);
  }

  /** An exception is a fault of this program, never of the peer. */
  #failed(error: unknown): Response {
    this.#notices.add({
      kind: "exception",
      what: (count) => `${plural(count, "request")} answered with 500`,
      why: String((error as Error).stack),
    });
    return reply(STATUS_CODE.InternalServerError, "internal error");
  }

  /** Stops listening. Deno closes every WebSocket then, and never resolves if a peer
   * is half way through an HTTP request. */
  async shutdown(): Promise<void> {
    this.#stopped = true;
    await this.#server.shutdown().catch(() => {});
  }
}

/**
 * Workers share their port with every process that shares it too; without
 * `--reuse-port` that would be a mistake.
 *
 * @throws {Error} If the port is taken.
 */
export function assertPortFree(options: ServerOptions): void {
  const { host: hostname, port } = options;
  try {
    Deno.listen({ hostname, port }).close();
  } catch (error) {
    throw listenError(error as Error, options);
  }
}

/** Turns an error of `Deno.serve` into one that says what to do. */
export function listenError(
  { name, message }: Error,
  { host, port }: Pick<ServerOptions, "host" | "port">,
): Error {
  if (name === "AddrInUse") {
    return new Error(
      `port ${port} of ${host} is taken; choose another with --port`,
    );
  }
  if (name === "PermissionDenied") {
    return new Error(
      `port ${port} of ${host} is for privileged programs; choose one from 1024 ` +
        "on, put a proxy in front, or under systemd set " +
        "AmbientCapabilities=CAP_NET_BIND_SERVICE",
    );
  }
  return new Error(`cannot listen on ${host} port ${port}: ${message}`);
}

/** Where a server listens, for people. */
export function whereText(url: string, { host }: ServerOptions): string {
  return ["0.0.0.0", "::"].includes(host)
    ? `${url} and every other address of this machine`
    : url;
}

/** The host in a URL that a browser on this machine can open. */
export function linkHost(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  return host === "::" ? "[::1]" : urlHost(host);
}

/** A host or address as a URL has it. */
export function urlHost(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
