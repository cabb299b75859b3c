// The rule for what waits, without a network: a socket that is written by hand.

import { assert, assertEquals } from "@std/assert";
import { Backlog, Outbox } from "../../lib/server/outbox.ts";
import { eventually, pureTest as test } from "../../harness/helpers.ts";

/** A socket that writes what it holds when the test says so. */
class Sink {
  sent: string[] = [];
  bufferedAmount = 0;
  send(text: string): void {
    this.sent.push(text);
    this.bufferedAmount += text.length;
  }
  write(): void {
    this.bufferedAmount = 0;
  }
}

/** An outbox, its socket, what was handed over and whether it overflowed. */
function open(backlog: Backlog) {
  const sink = new Sink();
  const peer = { sink, handedOver: 0, overflowed: false };
  const outbox = new Outbox(
    backlog,
    sink,
    () => peer.handedOver++,
    () => peer.overflowed = true,
  );
  return Object.assign(peer, { outbox });
}

test("Outbox hands everything over at once while the socket is written", () => {
  const { outbox, sink } = open(new Backlog(1000));
  for (let i = 0; i < 100_000; i++) {
    outbox.send(`response ${i}`);
    sink.write();
  }
  assertEquals(sink.sent.length, 100_000);
  assertEquals(outbox.size, 0);
});

test("Outbox keeps what a socket does not write, and its order when it does", async () => {
  const { outbox, sink, ...peer } = open(new Backlog(1e9));
  for (let i = 0; i < 50_000; i++) outbox.send(String(i));
  assert(sink.sent.length < 50_000 && outbox.size > 0);
  await eventually(() => {
    sink.write();
    return outbox.size === 0;
  });
  assertEquals(sink.sent, Array.from({ length: 50_000 }, (_, i) => String(i)));
  assert(!peer.overflowed);
  outbox[Symbol.dispose]();
});

test("Outbox hands over 10,000 short responses to one socket that has written none", () => {
  const peer = open(new Backlog(1000));
  for (let i = 0; i < 10_000; i++) peer.outbox.send("Message 7 42");
  assertEquals(peer.handedOver, 10_000);
  peer.outbox[Symbol.dispose]();
});

test("Outbox hands over something to each socket, however many write nothing", () => {
  const backlog = new Backlog(1e9);
  const peers = Array.from({ length: 500 }, () => open(backlog));
  for (let i = 0; i < 1000; i++) {
    for (const { outbox } of peers) outbox.send("Message 7 42");
  }
  for (const { handedOver } of peers) assert(handedOver >= 60, `${handedOver}`);
  const all = peers.reduce((sum, { handedOver }) => sum + handedOver, 0);
  assert(all < 500 * 70 + 13_000, `${all} at a cost of 2 KiB and more each`);
  for (const { outbox } of peers) outbox[Symbol.dispose]();
});

/** Fills an outbox so far that most of this waits. */
function fill({ outbox }: ReturnType<typeof open>): void {
  for (let i = 0; i < 15_000; i++) outbox.send("Message 7 42");
}

test("Backlog overflows an outbox whose socket does not move, and none whose does", async () => {
  const backlog = new Backlog(6_000_000);
  const [mute, reader] = [open(backlog), open(backlog)];
  fill(mute);
  fill(mute);
  fill(reader);
  await eventually(() => {
    reader.sink.bufferedAmount -= 100;
    if (reader.outbox.size < 2_000_000) fill(reader);
    return mute.overflowed;
  });
  assertEquals([mute.outbox.size, reader.overflowed], [0, false]);
  for (const { outbox } of [mute, reader]) outbox[Symbol.dispose]();
});

test("Backlog overflows the fullest outbox at twice its size, moving or not", () => {
  const backlog = new Backlog(2_000_000);
  const [small, big] = [open(backlog), open(backlog)];
  fill(small);
  assert(small.outbox.size > 0);
  while (!big.overflowed) {
    big.outbox.send("Message 7 42");
    assert(small.outbox.size + big.outbox.size <= 4_000_000);
  }
  assertEquals(small.overflowed, false);
  for (const { outbox } of [small, big]) outbox[Symbol.dispose]();
});

test("Outbox gives back what is shared as its socket writes, and when it ends", () => {
  const backlog = new Backlog(1e9);
  const { outbox, sink } = open(backlog);
  const send = () => {
    for (let i = 0; i < 5000; i++) outbox.send("Message 7 42");
  };
  send();
  const shared = backlog.shared;
  assert(shared > 0);
  sink.bufferedAmount /= 2; // half of it written
  outbox.send("Message 7 42");
  assert(backlog.shared < shared / 2, "half is not given back");
  send();
  outbox[Symbol.dispose]();
  assertEquals(backlog.shared, 0);
});
