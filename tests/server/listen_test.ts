// What the server listens on, and how many responses it lets wait.

import { assertEquals, assertMatch } from "@std/assert";
import { listenError } from "../../lib/server/listen.ts";
import { Process, task } from "../../harness/process.ts";
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

/** Reads until so many responses have begun: frames of the type HEADERS. */
async function begun(socket: RawSocket, responses: number): Promise<void> {
  while (responses > 0) {
    const [high, middle, low, type] = await socket.read(9);
    await socket.read(high << 16 | middle << 8 | low);
    if (type === 1) responses--;
  }
}

test("responses that no peer takes are few, and everything else goes on", async () => {
  await using server = new Process([...task("server"), "--port=0"], {
    stderr: "piped",
  });
  const port = Number((await server.until(/^Listening on \S+:(\d+)\/\n/))[1]);
  const status = async (path: string, headers = {}) => {
    using socket = await RawSocket.connect(port);
    return (await socket.request(`GET ${path}`, { Host: "a", ...headers }))
      .status;
  };
  using open = new DisposableStack();
  const floods = await Promise.all(Array.from({ length: 5 }, async () => {
    const socket = open.use(await RawSocket.connect(port));
    await socket.write(withoutWindow());
    return begun(socket, STREAMS);
  }));
  await Promise.all(floods);
  for (const path of ["/", "/healthz", "/metrics", "/livez", "/readyz"]) {
    assertEquals(await status(path), 200, path);
  }
  using socket = await RawSocket.open(port);
  await socket.write(frame(TEXT, "still there"));
  assertEquals((await socket.frame())?.opcode, TEXT);
  server.kill("SIGTERM");
  assertEquals(await socket.closeCode(), 1001);
  socket.connection.closeWrite();
  const [code, stderr] = await Promise.all([server.end(), server.stderr()]);
  assertEquals(code, 0);
  // 5 are the first of their connection, and 500 more may wait.
  const why = "500 responses wait for peers to take them";
  assertEquals(
    stderr,
    `ws-random: refused 1 HTTP request, from 127.0.0.1: ${why}\n` +
      `ws-random: refused 494 HTTP requests, the last from 127.0.0.1: ${why}\n`,
  );
});

test("clients that ask at once are all answered, also more than may wait", () =>
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
