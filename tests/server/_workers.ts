/**
 * What the tests of workers look at from outside: who listens, and what is counted.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { run } from "../../harness/process.ts";
import { frame, RawSocket } from "../../harness/sockets.ts";
import { eventually } from "../../harness/helpers.ts";

/** The inodes of the sockets that listen on a port of IPv4, of all processes. */
export async function listeners(port: number): Promise<string[]> {
  const { stdout } = await run(["cat", "/proc/net/tcp"]);
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  return stdout.split("\n").map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) =>
      local?.endsWith(`:${hex}`) && state === "0A"
    )
    .map((fields) => fields[9]);
}

/** Waits until one that listened before does so no more. */
export async function untilOneIsGone(
  port: number,
  before: string[],
): Promise<void> {
  await eventually(async () => {
    const now = await listeners(port);
    return !before.every((inode) => now.includes(inode));
  });
}

export async function connectionsOpen(port: number): Promise<number> {
  return Number(/"connections":(\d+)/.exec(await get(port, "/healthz"))![1]);
}

/** Asks on a connection of its own, so that another worker may answer. */
export async function get(port: number, path: string): Promise<string> {
  using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { client });
  return `${response.status} ${await response.text()}`;
}

/** The samples of `/metrics` by name; the same whoever answers. */
export async function metrics(port: number): Promise<Record<string, number>> {
  const texts = await Promise.all(
    Array.from({ length: 16 }, async () =>
      (await get(port, "/metrics"))
        .replace(/\nprocess_resident_memory_bytes \d+/, "")),
  );
  assertEquals(new Set(texts).size, 1, "workers differ");
  return Object.fromEntries(
    [...texts[0].matchAll(/^ws_random_(\S+) (\d+)$/gm)]
      .map(([, name, value]) => [name, Number(value)]),
  );
}

export function openSockets(port: number, count: number): Promise<RawSocket[]> {
  return Promise.all(
    Array.from({ length: count }, () => RawSocket.open(port)),
  );
}

export function dispose(sockets: RawSocket[]): void {
  for (const socket of sockets) socket[Symbol.dispose]();
}

/** The response to a request; nothing if the connection ends instead. */
export async function ask(socket: RawSocket, text: string) {
  await socket.write(frame(1, text)).catch(() => {});
  const answer = await socket.frame();
  return answer && new TextDecoder().decode(answer.payload);
}
