/**
 * What several tests need. What the bench needs too is in `harness/`.
 *
 * @module
 */

import { setTimeout as delay } from "node:timers/promises";
import { assertEquals, assertMatch } from "@std/assert";
import { run } from "./process.ts";
import { HANDSHAKE, RawSocket } from "./sockets.ts";
import { loadAssets } from "../lib/server/page.ts";
import { Metrics } from "../lib/server/metrics.ts";
import type { ServerOptions } from "../lib/server/options.ts";
import { type Server, startServer } from "../server.ts";

export * from "./tests.ts";

/** The server has as much memory as so many workers: what this process takes is not
 * its own, but that of all tests that run in it. */
const WORKERS = 64;

/** A server in this process, and its WebSocket URL. */
export async function withServer(
  options: Partial<ServerOptions>,
  use: (url: string, server: Server) => Promise<void>,
): Promise<void> {
  const metrics = new Metrics(Metrics.memory(WORKERS));
  const all = { port: 0, grace: 500, ...options };
  const server = await startServer(all, metrics);
  try {
    await use(`${server.url.replace(/^http/, "ws")}ws`, server);
  } finally {
    await server.shutdown();
  }
}

/** Opcodes (RFC 6455 section 5.2). */
export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

export function portOf(url: string): number {
  return Number(new URL(url).port);
}

/** Asserts that a response carries the headers that every one does. */
export function assertSecurityHeaders(headers: Headers): void {
  const policy = headers.get("content-security-policy") ?? "";
  assertMatch(policy, /^default-src 'none';/);
  assertEquals(/unsafe|\*|data:/.test(policy), false, policy);
  const rest = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
  };
  for (const [name, value] of Object.entries(rest)) {
    assertEquals(headers.get(name), value, name);
  }
}

/** The response to a handshake with these changes. */
export async function handshake(
  ws: string,
  changes: Record<string, string | undefined>,
  line = "GET /ws",
) {
  using socket = await RawSocket.connect(portOf(ws));
  const headers = Object.entries({ ...HANDSHAKE, ...changes })
    .filter((entry): entry is [string, string] => entry[1] !== undefined);
  const response = await socket.request(line, Object.fromEntries(headers));
  assertSecurityHeaders(response.headers);
  return response;
}

/** Asserts that the server at this address serves the same page, with the same
 * ETags, as this program does. */
export async function assertServesPage(url: string): Promise<void> {
  for (const [path, { body, headers }] of await loadAssets()) {
    const response = await fetch(new URL(path, url));
    assertEquals(await response.bytes(), body, path);
    for (const [name, value] of Object.entries(headers)) {
      assertEquals(response.headers.get(name), value, `${name} of ${path}`);
    }
  }
}

/** Makes a folder for $DENO_DIR that holds npm packages only: nothing else has
 * been downloaded into it. */
export async function freshDenoDir(): Promise<string> {
  const { stdout } = await run([Deno.execPath(), "info", "--json"]);
  const folder = await Deno.makeTempDir();
  await Deno.symlink(JSON.parse(stdout).npmCache, `${folder}/npm`);
  return folder;
}

/** Waits for the next event of this type. */
export function next<T extends Event>(
  target: EventTarget,
  type: string,
): Promise<T> {
  return new Promise((resolve) =>
    target.addEventListener(type, (event) => resolve(event as T), {
      once: true,
    })
  );
}

/** Asks again, after so many milliseconds, until the answer is as wanted. */
export async function eventually(
  holds: () => boolean | Promise<boolean>,
  pause = 10,
): Promise<void> {
  const givenUp = AbortSignal.timeout(120_000);
  while (!await holds()) {
    if (givenUp.aborted) throw new Error(`never came true: ${holds}`);
    await delay(pause);
  }
}

/** Numbers that are the same in every run: a linear congruential generator with
 * the constants of Numerical Recipes. Returns integers from 0 to `below` - 1. */
export function seeded(seed: number): (below: number) => number {
  return (below) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor(seed / 2 ** 32 * below);
  };
}
