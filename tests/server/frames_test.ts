// What Deno makes of frames that RFC 6455 forbids: it ends their connection, and
// no other. None of this is this program's own; a Deno that does otherwise shows
// here.

import { assertEquals } from "@std/assert";
import { frame, RawSocket } from "../../harness/sockets.ts";
import {
  CLOSE,
  eventually,
  PING,
  portOf,
  seeded,
  test,
  TEXT,
  withServer,
} from "../../harness/helpers.ts";

// RFC 6455 sections 5.2, 5.4, 5.5, 7.4.1 and 8.1
const MALFORMED: Record<string, Uint8Array<ArrayBuffer>[]> = {
  "reserved bit 1": [frame(TEXT, "x", { reserved: 4 })],
  "reserved bit 2": [frame(TEXT, "x", { reserved: 2 })],
  "reserved bit 3": [frame(TEXT, "x", { reserved: 1 })],
  "unknown opcode 3": [frame(3, "x")],
  "unknown opcode 7": [frame(7, "x")],
  "unknown opcode 11": [frame(11, "x")],
  "unknown opcode 15": [frame(15, "x")],
  "bad UTF-8": [frame(TEXT, new Uint8Array([0xc3, 0x28]))],
  "cut UTF-8": [frame(TEXT, new Uint8Array([0xe2, 0x82]))],
  "a surrogate in UTF-8": [frame(TEXT, new Uint8Array([0xed, 0xa0, 0x80]))],
  "a ping of 126 bytes": [frame(PING, new Uint8Array(126))],
  "a close of 126 bytes": [frame(CLOSE, new Uint8Array(126))],
  "a fragmented ping": [frame(PING, "x", { fin: false })],
  "a fragmented close": [frame(CLOSE, "", { fin: false })],
  "a close of one byte": [frame(CLOSE, new Uint8Array([3]))],
  "a close with code 999": [frame(CLOSE, new Uint8Array([3, 231]))],
  "a close with code 1005": [frame(CLOSE, new Uint8Array([3, 237]))],
  "a close with code 1006": [frame(CLOSE, new Uint8Array([3, 238]))],
  "a close with bad UTF-8": [
    frame(CLOSE, new Uint8Array([3, 232, 0xff, 0xff])),
  ],
  "a continuation without a start": [frame(0, "x")],
  "a start within a fragmented message": [
    frame(TEXT, "x", { fin: false }),
    frame(TEXT, "y"),
  ],
  "a length over the limit": [
    new Uint8Array([0x81, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
  ],
  "a length with the top bit": [
    new Uint8Array([0x81, 0xff, ...new Array(8).fill(255), 0, 0, 0, 0]),
  ],
};

/** Those that Deno answers with a close frame; the others it just drops. */
const ANSWERED: Record<string, number> = {
  "a close of 126 bytes": 1002,
  "a close with code 999": 1002,
  "a close with code 1005": 1002,
  "a close with code 1006": 1002,
};

for (const [name, frames] of Object.entries(MALFORMED)) {
  test(`${name} ends its connection and is not answered`, () =>
    withServer({}, async (ws, { metrics }) => {
      using bystander = await RawSocket.open(portOf(ws));
      using socket = await RawSocket.open(portOf(ws));
      for (const bytes of frames) await socket.write(bytes);
      assertEquals(await socket.closeCode(), ANSWERED[name] ?? 1006);
      await eventually(() => metrics.open === 1);
      assertEquals(metrics.requests, 0);
      await bystander.write(frame(TEXT, "untouched"));
      assertEquals((await bystander.frame())?.opcode, TEXT);
    }));
}

test("a close is answered with its code", () =>
  withServer({}, async (ws) => {
    for (const code of [1000, 1001, 1011, 3000, 4999]) {
      using socket = await RawSocket.open(portOf(ws));
      await socket.write(
        frame(CLOSE, new Uint8Array([code >> 8, code & 255])),
      );
      assertEquals(await socket.closeCode(), code);
    }
  }));

test("a header cut at any byte leaves nothing behind", () =>
  withServer({ idleTimeout: 0 }, async (ws, { metrics }) => {
    const whole = frame(TEXT, "x".repeat(200));
    for (let length = 1; length < 12; length++) {
      using socket = await RawSocket.open(portOf(ws));
      await socket.write(whole.subarray(0, length));
    }
    await eventually(() => metrics.open === 0);
    assertEquals([metrics.connections, metrics.requests], [11, 0]);
  }));

test("2,000 connections of random bytes leave nothing behind", () =>
  withServer({}, async (ws, { metrics }) => {
    const random = seeded(2000);
    const port = portOf(ws);
    for (let group = 0; group < 40; group++) {
      await Promise.all(Array.from({ length: 50 }, async (_, i) => {
        const bytes = Uint8Array.from(
          { length: random(300) },
          () => random(256),
        );
        // Every second one first opens a WebSocket.
        using socket = i % 2
          ? await RawSocket.open(port)
          : await RawSocket.connect(port);
        await socket.write(bytes).catch(() => {}); // it may be cut already
      }));
    }
    await eventually(() => metrics.connections === 1000 && metrics.open === 0);
  }));
