// What the server listens on, and how many responses it lets wait.

import { assertEquals, assertMatch } from "@std/assert";
import { listenError } from "../../lib/server/listen.ts";
import { frame, HANDSHAKE, RawSocket } from "../../harness/sockets.ts";
import {
  eventually,
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
function bodiless(): Uint8Array {
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

test("responses that no peer takes are few, and everything else goes on", () =>
  withServer({}, async (ws) => {
    const port = portOf(ws);
    const status = async (path: string, headers = {}) => {
      using socket = await RawSocket.connect(port);
      return (await socket.request(`GET ${path}`, { Host: "a", ...headers }))
        .status;
    };
    using open = new DisposableStack();
    for (let i = 0; i < 5; i++) {
      const socket = open.use(await RawSocket.connect(port));
      await socket.write(bodiless());
    }
    await eventually(async () => await status("/") === 503);
    assertEquals(await status("/livez"), 200);
    assertEquals(await status("/readyz"), 200);
    using socket = await RawSocket.open(port);
    await socket.write(frame(TEXT, "still there"));
    assertEquals((await socket.frame())?.opcode, TEXT);
    assertEquals(await status("/ws", HANDSHAKE), 101);

    open.dispose();
    await eventually(async () => await status("/") === 200);
  }));

pureTest("listenError() says what to do", () => {
  const options = { host: "::1", port: 80, cert: undefined, key: undefined };
  const denied = new Deno.errors.PermissionDenied("Permission denied");
  assertMatch(
    listenError(denied, options).message,
    /^port 80 of ::1 .* AmbientCapabilities=CAP_NET_BIND_SERVICE$/,
  );
});
