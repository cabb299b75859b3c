// A connection from its opening on, by a socket that does what the test wants, when it
// wants it.

import { assert, assertEquals } from "@std/assert";
import { Backlog } from "../../lib/server/backlog.ts";
import { Connection } from "../../lib/server/connection.ts";
import { Notices } from "../../lib/server/log.ts";
import { Metrics } from "../../lib/server/metrics.ts";
import { pureTest as test } from "../../harness/tests.ts";
import { Clock } from "../../harness/clock.ts";

/** Notices, and what was done so far, of which they are a part. */
function record() {
  const done: string[] = [];
  const notices = new Notices("text", {
    write(bytes) {
      done.push(...new TextDecoder().decode(bytes).trimEnd().split("\n"));
      return Promise.resolve(bytes.length);
    },
  });
  return { done, notices };
}

/** A connection whose handshake takes as long as a test wants, which Deno's does not:
 * a socket without an end, on which nothing was opened yet. */
function halfOpen(mayBeLate = () => true, { done, notices } = record()) {
  const socket = {
    bufferedAmount: 0,
    readyState: WebSocket.OPEN,
    send: (text: string) => done.push(`sent ${text.split(" ")[0]}`),
    close: (code: number) => done.push(`closed ${code}`),
  } as unknown as WebSocket;
  const metrics = new Metrics();
  metrics.accept(1);
  const connection = new Connection(
    {
      options: { maxMessage: 1 },
      backlog: new Backlog(1000, 0),
      metrics,
      notices,
    },
    "a peer",
    socket,
    false,
    () => done.push("ended"),
    mayBeLate,
  );
  connection.start();
  return { connection, socket, metrics, notices, done };
}

/** What the operator is told of a peer that did not open. */
const UNOPENED = "ws-random: 1 connection closed with 1006, from a peer: " +
  "it did not complete its opening handshake";

test("a peer that does not open is over after five seconds, or one at shutdown", async () => {
  for (const [milliseconds, drains] of [[5000, false], [1000, true]] as const) {
    using clock = new Clock();
    const { connection, metrics, notices, done } = halfOpen();
    await using _ = notices;
    if (drains) connection.drain(600_000);
    assertEquals(clock.timers, 1);
    await clock.pass(milliseconds * 0.99);
    assertEquals([metrics.open, done], [1, []]);
    await clock.pass(milliseconds * 0.02);
    assertEquals([metrics.open, metrics.closes(1006)], [0, 1]);
    assertEquals(done.toSorted(), ["ended", UNOPENED]);
  }
});

test("a peer that opens while the server shuts down is told so", async () => {
  using clock = new Clock();
  const { connection, socket, metrics, notices, done } = halfOpen();
  await using _ = notices;
  connection.drain(600_000);
  socket.onopen?.(new Event("open"));
  socket.onmessage?.(new MessageEvent("message", { data: "a" }));
  await clock.pass(1000);
  assertEquals(done, ["sent a", "closed 1001"]);
  // What comes after the close is not answered.
  socket.onmessage?.(new MessageEvent("message", { data: "b" }));
  await clock.pass(5000);
  assertEquals(done, ["sent a", "closed 1001", "ended"]);
  assertEquals([metrics.open, metrics.closes(1001)], [0, 1]);
  assertEquals(clock.timers, 0);
});

test("a peer that leaves is closed and over when the server stops, once", async () => {
  for (const closing of [false, true]) {
    using clock = new Clock();
    const { connection, socket, metrics, done } = halfOpen();
    socket.onopen?.(new Event("open"));
    connection.drain(600_000);
    if (closing) await clock.pass(1000);
    assertEquals([metrics.open, done], [1, closing ? ["closed 1001"] : []]);
    connection[Symbol.dispose]();
    assertEquals(done, ["closed 1001", "ended"]);
    assertEquals([metrics.open, metrics.closes(1001)], [0, 1]);
    assertEquals(clock.timers, 0);
  }
});

test("an error ends a handshake, and nothing later", async () => {
  for (const opens of [false, true]) {
    using _clock = new Clock();
    const { socket, metrics, notices } = halfOpen();
    await using _ = notices;
    if (opens) socket.onopen?.(new Event("open"));
    const init = { message: "no matter", cancelable: true };
    const event = new ErrorEvent("error", init);
    socket.onerror?.(event);
    assert(event.defaultPrevented);
    assertEquals(metrics.open, opens ? 1 : 0);
  }
});

test("an end without a close frame is told, by its code and once", async () => {
  using clock = new Clock();
  const all = record();
  await using _ = all.notices;
  const ends: CloseEventInit[] = [
    { reason: "broken" },
    {}, // counted with the one before
    { code: 1011 },
  ];
  for (const end of ends) {
    const { socket } = halfOpen(() => true, all);
    socket.onopen?.(new Event("open"));
    socket.onclose?.(new CloseEvent("close", end));
    socket.onclose?.(new CloseEvent("close", end));
  }
  await clock.pass(60_000);
  const line = (code: number, why: string) =>
    `ws-random: 1 connection closed with ${code}, from a peer: ${why}`;
  const nothing = "it ended without a closing handshake";
  assertEquals(all.done.filter((text) => text !== "ended"), [
    line(1006, "broken"),
    line(1011, nothing),
    line(1006, nothing),
  ]);
});

test("a peer at fault is told once, when it is over", async () => {
  using clock = new Clock();
  const { socket, metrics, notices, done } = halfOpen();
  await using _ = notices;
  socket.onopen?.(new Event("open"));
  const data = new ArrayBuffer(1);
  socket.onmessage?.(new MessageEvent("message", { data }));
  await clock.pass(1000);
  assertEquals(done, ["closed 1003"]);
  socket.onclose?.(new CloseEvent("close", { code: 1005 }));
  await clock.pass(60_000);
  assertEquals(done.slice(1).toSorted(), [
    "ended",
    "ws-random: 1 connection closed with 1003, from a peer: " +
    "binary data; text messages only",
  ]);
  assertEquals([metrics.open, metrics.closes(1003)], [0, 1]);
});

test("a peer at fault that reads when it is over is closed, and all is done", async () => {
  using clock = new Clock();
  const { socket, metrics, notices, done } = halfOpen();
  await using _ = notices;
  socket.onopen?.(new Event("open"));
  Object.assign(socket, { bufferedAmount: 1000 });
  for (const data of ["a", new ArrayBuffer(1)]) {
    socket.onmessage?.(new MessageEvent("message", { data }));
  }
  await clock.pass(5000);
  assertEquals([metrics.open, metrics.closes(1003)], [0, 1]);
  assert(!done.includes("closed 1003") && !done.includes("ended"));
  Object.assign(socket, { bufferedAmount: 0 });
  await clock.pass(1000);
  assert(done.includes("closed 1003") && done.includes("ended"));
  assertEquals(metrics.open, 0);
});

test("a peer is not taken for gone while this process was too busy to see it", async () => {
  using clock = new Clock();
  const { socket, metrics, done } = halfOpen();
  clock.stall(6000); // it has less
  await clock.pass(1);
  socket.onopen?.(new Event("open"));
  assertEquals([metrics.open, metrics.closes(1006)], [1, 0]);
  // As Deno 2.6 does when it drops a peer while a message arrives.
  socket.onmessage?.(new MessageEvent("message", { data: null }));
  assertEquals(metrics.requests, 0);
  await clock.pass(10_000);
  socket.onclose?.(new CloseEvent("close", { code: 1000, wasClean: true }));
  assertEquals([metrics.open, metrics.closes(1000)], [0, 1]);
  assertEquals(done, ["ended"]);
});

test("a peer that opens when it was taken for gone is counted again, if it may", async () => {
  for (const mayBeLate of [true, false]) {
    const { connection, socket, metrics, notices, done } = halfOpen(
      () => mayBeLate && metrics.accept(1),
    );
    await using _ = notices;
    connection[Symbol.dispose](); // as when its time is over
    assertEquals([metrics.open, metrics.closes(1006)], [0, 1]);
    socket.onopen?.(new Event("open"));
    assertEquals(metrics.open, mayBeLate ? 1 : 0);
    assertEquals(done.includes("closed 1013"), !mayBeLate);
    socket.onclose?.(new CloseEvent("close", { code: 1000, wasClean: true }));
    assertEquals([metrics.open, metrics.closes(1006)], [0, 1]);
    assertEquals(metrics.closes(1000), mayBeLate ? 1 : 0);
  }
});
