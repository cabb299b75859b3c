/**
 * What the tests of the client need: the client run as a process, servers that do
 * as they are told, and a check of what was printed.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { runClient } from "../../harness/process.ts";
import { CLOSE } from "../../harness/helpers.ts";
import { encode, frame, RawSocket } from "../../harness/sockets.ts";
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

/** What a server of {@linkcode withRawLiar} does. */
export interface RawLiar {
  /** Added to its answer to each handshake. */
  headers?: string;
  /** The bytes that it sends for a request, the nth of a connection from 0 on. */
  answer(request: string, nth: number): Uint8Array[];
  /** Whether it ignores a close. */
  deaf?: boolean;
}

/** A WebSocket server that sends bytes of its own. */
export async function withRawLiar(
  { headers = "", answer, deaf = false }: RawLiar,
  use: (url: string) => Promise<void>,
): Promise<void> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serve = async (connection: Deno.Conn) => {
    using socket = new RawSocket(connection);
    const head = await socket.head();
    const key = /^sec-websocket-key: (.*)\r$/im.exec(head)![1];
    await socket.write(encode(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" +
        `Connection: Upgrade\r\nSec-WebSocket-Accept: ${await acceptKey(
          key,
        )}\r\n` +
        `${headers}\r\n`,
    ));
    for (let nth = 0;; nth++) {
      const request = await socket.frame();
      if (!request) return;
      if (request.opcode === CLOSE) {
        if (deaf) continue;
        return await socket.write(frame(CLOSE, request.payload, UNMASKED));
      }
      const text = new TextDecoder().decode(request.payload);
      // In one go: what comes with a response arrives with it.
      await socket.write(Uint8Array.from(
        answer(text, nth).flatMap((bytes) => [...bytes]),
      ));
    }
  };
  (async () => {
    for await (const connection of listener) {
      serve(connection).catch(() => {}); // the client went away
    }
  })().catch(() => {});
  await use(`ws://127.0.0.1:${listener.addr.port}/`);
}

export const UNMASKED = { masked: false };

/** RFC 6455 section 4.2.2. */
async function acceptKey(key: string): Promise<string> {
  const text = `${key.trim()}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  const digest = await crypto.subtle.digest("SHA-1", encode(text));
  return new Uint8Array(digest).toBase64();
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
