/**
 * What the tests of the client need: the client run as a process, servers that do
 * as they are told, and a check of what was printed.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { runClient } from "../../harness/process.ts";
import type { Report } from "../../lib/client/report.ts";
import { parseResponse } from "../../static/proof.js";

/** Each request of the default message has exactly one line, and a valid one. */
export function checkLines(stdout: string, count: number): void {
  const lines = stdout.trimEnd().split("\n");
  assertEquals(lines.length, count);
  const seen = new Set<number>();
  for (const line of lines) {
    const index = Number(/^Message (\d+) \d+$/.exec(line)?.[1]);
    assert(parseResponse(`Message ${index}`, line), line);
    assert(!seen.has(index), `${line} came twice`);
    seen.add(index);
  }
  assertEquals(Math.max(...seen), count);
}

/** Runs the client with `--json`. */
export async function report(
  ...args: string[]
): Promise<Report & { code: number; stderr: string }> {
  const { code, stdout, stderr } = await runClient("--json", ...args);
  return { ...JSON.parse(stdout), code, stderr };
}

/** A WebSocket server that leaves each message to `onMessage`, to answer it or not. */
export async function withLiar(
  onMessage: (socket: WebSocket, request: string, nth: number) => void,
  use: (url: string) => Promise<void>,
): Promise<void> {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => {
      const { socket, response } = Deno.upgradeWebSocket(request);
      let nth = 0;
      socket.onmessage = ({ data }) => onMessage(socket, data, nth++);
      socket.onerror = (event) => event.preventDefault();
      return response;
    },
  );
  try {
    await use(`ws://127.0.0.1:${server.addr.port}/`);
  } finally {
    await server.shutdown();
  }
}
