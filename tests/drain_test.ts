// A server that shuts down: what has arrived is answered, and every peer is told.

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  NO_PERMISSIONS,
  Process,
  serverProcess,
  task,
} from "../harness/process.ts";
import { encode, frame, HANDSHAKE, RawSocket } from "../harness/sockets.ts";
import { startServer } from "../server.ts";
import { parseResponse } from "../static/proof.js";
import { BINARY, CLOSE, eventually, portOf, TEXT } from "./helpers.ts";

const ignore = NO_PERMISSIONS;

const numbered = (count: number) =>
  Array.from({ length: count }, (_, i) => `Message ${i + 1}`);

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`${signal}: what has arrived is answered, close 1001, exit 0`, {
    ignore,
  }, async () => {
    const { server, url, port } = await serverProcess();
    await using _ = server;
    const sockets = await Promise.all(
      Array.from({ length: 5 }, () => RawSocket.open(port)),
    );
    for (const socket of sockets) {
      for (const text of numbered(500)) await socket.write(frame(TEXT, text));
    }
    server.kill(signal);
    for (const socket of sockets) {
      for (const request of numbered(500)) {
        const { opcode, payload } = (await socket.frame())!;
        assertEquals(opcode, TEXT, request);
        assert(parseResponse(request, new TextDecoder().decode(payload)));
      }
      assertEquals(await socket.closeCode(), 1001);
      socket[Symbol.dispose]();
    }
    assertEquals(await server.end(), 0);
    assertMatch(
      server.stdout,
      /^Listening on \S+\nStopped after 5 connections and 2500 requests\n$/,
    );
    assert(await fetch(url).then(() => false, () => true), "it listens still");
  });
}

Deno.test(
  "50 peers that ask one by one without a pause: each is answered and sees 1001",
  {
    ignore,
  },
  async () => {
    const server = await startServer({ port: 0 });
    /** Asks until the close frame comes; the number of requests unanswered then. */
    const ask = async () => {
      using socket = await RawSocket.open(portOf(server.url));
      for (;;) {
        await socket.write(frame(TEXT, "and one more"));
        const response = await socket.frame();
        if (response?.opcode === TEXT) continue;
        return response?.opcode === CLOSE ? "unanswered" : "no close frame";
      }
    };
    /** The close frame may come when a response was due, never instead of it. */
    const talk = async () => {
      using socket = await RawSocket.open(portOf(server.url));
      await socket.write(frame(TEXT, "first"));
      for (;;) {
        const response = await socket.frame();
        if (
          response?.opcode !== TEXT
        ) return `instead of a response: ${response}`;
        // Closed right after the response: seen before the next request is sent.
        const next = await socket.peek();
        if (next === CLOSE) return await socket.closeCode();
        await socket.write(frame(TEXT, "and one more"));
      }
    };
    void ask;
    const talks = Array.from({ length: 50 }, talk);
    await eventually(() => server.metrics.requests > 1000);
    const stopped = server.shutdown();
    assertEquals(await Promise.all(talks), new Array(50).fill(1001));
    await stopped;
  },
);
