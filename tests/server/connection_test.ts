// One connection of the server, whatever its peer does.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { missing, run, serverProcess } from "../../harness/process.ts";
import { encode, frame, RawSocket } from "../../harness/sockets.ts";
import { report } from "../client/_client.ts";
import { LINES_PROTOCOL } from "../../lib/protocol.ts";
import type { Server } from "../../server.ts";
import { parseResponse } from "../../static/proof.js";
import {
  BINARY,
  CLOSE,
  eventually,
  PING,
  PONG,
  portOf,
  test,
  testIf,
  TEXT,
  withServer,
} from "../../harness/helpers.ts";
import { Clock } from "../../harness/clock.ts";

const PYTHON = "/usr/bin/python3";

/** How many connections were closed with a code. */
const closed = ({ metrics }: Server, code: number) => metrics.closes(code);

const nothingOpen = ({ metrics }: Server) =>
  eventually(() => metrics.open === 0);

const testWithPython = testIf(!missing(PYTHON, "--version"));

testWithPython(
  "a peer that resets before it reads the 101 is not counted for long",
  () =>
    withServer({}, async (ws, server) => {
      using clock = new Clock();
      // Deno has no way to send a reset.
      const script = `
import socket, struct, sys
head = sys.argv[2].encode()
for _ in range(50):
    peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    peer.sendall(head)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()`;
      const head = [
        "GET /ws HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "\r\n",
      ].join("\r\n");
      const { code } = await run([PYTHON, "-c", script, `${portOf(ws)}`, head]);
      assertEquals(code, 0);
      await eventually(async () => {
        await clock.pass(1000);
        return server.metrics.open === 0;
      });
      assertEquals(closed(server, 1006), server.metrics.connections);
    }),
);

/** Sends all requests at once while it reads, and returns the responses. */
async function converse(
  socket: RawSocket,
  requests: string[],
  last: Uint8Array = new Uint8Array(),
): Promise<string[]> {
  const bytes = await new Blob([
    ...requests.map((request) => frame(TEXT, request)),
    new Uint8Array(last),
  ]).bytes();
  const sent = socket.write(bytes);
  const responses: string[] = [];
  while (responses.length < requests.length) {
    const next = await socket.frame();
    if (next?.opcode !== TEXT) break;
    responses.push(new TextDecoder().decode(next.payload));
  }
  await sent;
  return responses;
}

/** Requests, each of this many bytes. */
const requests = (count: number, bytes: number) =>
  Array.from({ length: count }, (_, i) => `${i + 1}`.padStart(bytes, "."));

function checkResponses(responses: string[], requests: string[]): void {
  assertEquals(responses.length, requests.length);
  responses.forEach((response, i) =>
    assert(parseResponse(requests[i], response), response.slice(-20))
  );
}

for (
  const [count, bytes] of [
    [20_000, 12],
    [5000, 500],
    [1000, 10_000],
    [50, 60_000],
  ]
) {
  test(`a peer that reads is answered ${count} requests of ${bytes} bytes sent ahead`, () =>
    withServer({}, async (ws, server) => {
      using socket = await RawSocket.open(portOf(ws));
      const all = requests(count, bytes);
      checkResponses(await converse(socket, all), all);
      assertEquals(server.metrics.requests, count);
    }));
}

test("100 peers that read, with 1,000 short requests in flight each, are not closed", async () => {
  const { server, url } = await serverProcess();
  await using _ = server;
  const args = ["-n", "100k", "-c", "100"];
  const { code, answered, reconnects, stderr } = await report(url, ...args);
  assertEquals([code, answered, reconnects], [0, 100_000, 0], stderr);
});

const CLOSE_1000 = frame(CLOSE, new Uint8Array([3, 232]));

for (const [count, bytes] of [[10_000, 12], [2, 20_000]]) {
  test(`${count} requests of ${bytes} bytes and a close in one go are all answered`, () =>
    withServer({}, async (ws, server) => {
      using socket = await RawSocket.open(portOf(ws));
      const all = requests(count, bytes);
      checkResponses(await converse(socket, all, CLOSE_1000), all);
      assertEquals(await socket.closeCode(), 1000);
      await nothingOpen(server);
      assertEquals(server.metrics.requests, count);
      assertEquals(closed(server, 1000), 1);
    }));
}

test("a response that still waits when its peer vanishes is not counted", () =>
  withServer({}, async (ws, server) => {
    const socket = await RawSocket.open(portOf(ws));
    const one = frame(TEXT, "never read");
    const bytes = await new Blob(new Array(100_000).fill(one)).bytes();
    await socket.write(bytes); // the server reads on, whatever waits
    socket[Symbol.dispose]();
    await nothingOpen(server);
    const { requests } = server.metrics;
    assert(requests > 0 && requests < 100_000, `${requests} counted`);
  }));

test("the bytes that are counted are those of the requests that are counted", () =>
  withServer({}, async (ws, server) => {
    using socket = await RawSocket.open(portOf(ws));
    const one = frame(TEXT, "x".repeat(100));
    const requests = new Array(60_000).fill(one);
    await socket.write(await new Blob([...requests, CLOSE_1000]).bytes());
    assertEquals(await socket.closeCode(), 1000);
    await nothingOpen(server);
    const count = server.metrics.requests;
    const [, sent] = /sent_bytes_total (\d+)\n/.exec(`${server.metrics}`)!;
    // A blank, and a number of one to three digits.
    const mean = Number(sent) / count;
    assert(mean >= 102 && mean <= 104, `${sent} bytes, ${count} counted`);
  }));

test(`${LINES_PROTOCOL}: up to 1,000 requests a message`, () =>
  withServer({}, async (ws, server) => {
    using socket = await RawSocket.open(portOf(ws), true);
    await socket.write(frame(TEXT, "\n".repeat(999)));
    const { payload } = (await socket.frame())!;
    const lines = new TextDecoder().decode(payload).split("\n");
    checkResponses(lines, new Array(1000).fill(""));
    assertEquals(server.metrics.requests, 1000);
  }));

test("any text is answered: empty, markup, emoji, lines", () =>
  withServer({}, async (ws, server) => {
    const all = ["", " ", "42", "<b>&amp;", "🎲 naïve", "a\nb\r\n", "\0", "%s"];
    using socket = await RawSocket.open(portOf(ws));
    const responses = await converse(socket, all);
    checkResponses(responses, all);
    const { length } = encode(responses.join(""));
    assertStringIncludes(`${server.metrics}`, `sent_bytes_total ${length}\n`);
  }));

test("a message in fragments is one request", () =>
  withServer({}, async (ws) => {
    using socket = await RawSocket.open(portOf(ws));
    await socket.write(frame(TEXT, "Mess", { fin: false }));
    await socket.write(frame(PING, "between"));
    await socket.write(frame(0, "age", { fin: false }));
    await socket.write(frame(0, " 7"));
    assertEquals(await socket.frame(), {
      opcode: PONG,
      payload: encode("between"),
    });
    const { payload } = (await socket.frame())!;
    const response = new TextDecoder().decode(payload);
    assert(parseResponse("Message 7", response), response);
  }));

test("a silent peer is pinged; one that does not answer is dropped", () =>
  withServer({ idleTimeout: 1000 }, async (ws, server) => {
    using vanished = await RawSocket.open(portOf(ws));
    using alive = await RawSocket.open(portOf(ws));
    assertEquals((await alive.frame())?.opcode, PING);
    await alive.write(frame(PONG, ""));

    await eventually(() => server.metrics.open === 1);
    assertEquals(await vanished.closeCode(), 1001);
    assertEquals((await alive.frame())?.opcode, PING);
    await alive.write(frame(TEXT, "y"));
    assertEquals((await alive.frame())?.opcode, TEXT);
  }));

test("a peer that closes before its fault is told is counted by its own code", () =>
  withServer({}, async (ws, server) => {
    using socket = await RawSocket.open(portOf(ws));
    await socket.write(frame(BINARY, "x"));
    await socket.write(CLOSE_1000);
    assertEquals(await socket.closeCode(), 1000);
    await nothingOpen(server);
    assertEquals([closed(server, 1000), closed(server, 1003)], [1, 0]);
  }));
