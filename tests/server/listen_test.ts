// What the server listens on, and what peers may leave there.

import { assertEquals, assertMatch } from "@std/assert";
import { listenError } from "../../lib/server/listen.ts";
import { frame, RawSocket } from "../../harness/sockets.ts";
import {
  portOf,
  pureTest,
  test,
  TEXT,
  withServer,
} from "../../harness/helpers.ts";

/** Requests that HTTP/2 allows on a connection, by Deno's default. */
const STREAMS = 200;

/** As many GETs of `/` by HTTP/2 (RFC 9113), in cleartext, of a peer that takes not a
 * byte of a body: its window is 0. */
function withoutWindow(): Uint8Array {
  const frame = (
    type: number,
    flags: number,
    stream: number,
    body: number[],
  ) => [
    0,
    0,
    body.length,
    type,
    flags,
    0,
    0,
    stream >> 8,
    stream & 255,
    ...body,
  ];
  const [HEADERS, SETTINGS, END, WINDOW_SIZE] = [1, 4, 5, 4];
  // HPACK's own numbers for GET, http and /, and `:authority: a`.
  const get = [0x82, 0x86, 0x84, 0x01, 1, 97];
  return new Uint8Array([
    ...new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ...frame(SETTINGS, 0, 0, [0, WINDOW_SIZE, 0, 0, 0, 0]),
    ...Array.from({ length: STREAMS })
      .flatMap((_, index) => frame(HEADERS, END, index * 2 + 1, get)),
  ]);
}

/** Reads the heads of so many responses, and returns the flags of their frames. */
async function heads(socket: RawSocket, responses: number): Promise<number[]> {
  const flags: number[] = [];
  while (flags.length < responses) {
    const [high, middle, low, type, flag] = await socket.read(9);
    await socket.read(high << 16 | middle << 8 | low);
    if (type === 1) flags.push(flag); // HEADERS
  }
  return flags;
}

test("HTTP/2 in cleartext leaves no body with a peer that takes none", () =>
  withServer({}, async (ws) => {
    using open = new DisposableStack();
    await Promise.all(Array.from({ length: 5 }, async () => {
      const socket = open.use(await RawSocket.connect(portOf(ws)));
      await socket.write(withoutWindow());
      for (const flags of await heads(socket, STREAMS)) {
        assertEquals(flags & 1, 1, "a body follows"); // END_STREAM
      }
    }));
    using socket = await RawSocket.open(portOf(ws));
    await socket.write(frame(TEXT, "still there"));
    assertEquals((await socket.frame())?.opcode, TEXT);
  }));

test("a check by HTTP/1.0 gets the status alone", () =>
  withServer({}, async (ws) => {
    const cases: [string, number][] = [
      ["/livez", 200],
      ["/readyz", 200],
      ["/healthz", 200],
      ["/", 400],
      ["/metrics", 400],
    ];
    for (const [path, status] of cases) {
      using socket = await RawSocket.connect(portOf(ws));
      const response = await socket.request(`GET ${path}`, {});
      assertEquals(response.status, status, path);
      assertEquals(response.headers.get("content-length") ?? "0", "0", path);
    }
  }));

test("clients that ask at once are all answered", () =>
  withServer({}, async (ws) => {
    const sockets = await Promise.all(
      Array.from({ length: 600 }, () => RawSocket.connect(portOf(ws))),
    );
    using open = new DisposableStack();
    for (const socket of sockets) open.use(socket);
    for (let round = 0; round < 2; round++) {
      await Promise.all(sockets.map(async (socket) => {
        const { status, headers } = await socket.request("GET /proof.js", {
          Host: "a",
        });
        assertEquals(status, 200);
        await socket.read(Number(headers.get("content-length")));
      }));
    }
  }));

pureTest("listenError() says what to do", () => {
  const options = { host: "::1", port: 80, cert: undefined, key: undefined };
  const denied = new Deno.errors.PermissionDenied("Permission denied");
  assertMatch(
    listenError(denied, options).message,
    /^port 80 of ::1 .* AmbientCapabilities=CAP_NET_BIND_SERVICE$/,
  );
});
