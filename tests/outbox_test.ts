// The rule for what waits, without a network: a socket that is written by hand.

import { assert, assertEquals } from "@std/assert";
import { Backlog, Outbox } from "../lib/outbox.ts";
import { eventually } from "./helpers.ts";

/** A socket that writes what it holds only when it is told to. */
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

Deno.test("Outbox hands everything over at once while the socket is written", () => {
  const { outbox, sink } = open(new Backlog(1000));
  for (let i = 0; i < 100_000; i++) {
    outbox.send(`response ${i}`);
    sink.write();
  }
  assertEquals(sink.sent.length, 100_000);
  assertEquals(outbox.size, 0);
});

Deno.test("Outbox keeps what a socket does not write, and its order when it does", async () => {
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

Deno.test("Outbox hands over 10,000 short responses to one socket that has written none", () => {
  const peer = open(new Backlog(1000));
  for (let i = 0; i < 10_000; i++) peer.outbox.send("Message 7 42");
  assertEquals(peer.handedOver, 10_000);
  peer.outbox[Symbol.dispose]();
});

Deno.test("Outbox hands over something to each socket, however many write nothing", () => {
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

Deno.test("Backlog overflows the outbox whose socket has not moved for longest", async () => {
  const backlog = new Backlog(3_000_000);
  const [mute, reader] = [open(backlog), open(backlog)];
  const fill = ({ outbox }: ReturnType<typeof open>) => {
    for (let i = 0; i < 15_000; i++) outbox.send("Message 7 42");
  };
  fill(mute);
  fill(reader);
  assert(mute.outbox.size > 0 && reader.outbox.size > 0);
  const { length } = reader.sink.sent;
  await eventually(() => { // the reader is seen to move
    reader.sink.write();
    return reader.sink.sent.length > length;
  });
  for (let i = 0; i < 50_000 && !mute.overflowed; i++) {
    reader.outbox.send("Message 7 42");
  }
  assertEquals([mute.overflowed, reader.overflowed], [true, false]);
  assertEquals(mute.outbox.size, 0);
  for (const { outbox } of [mute, reader]) outbox[Symbol.dispose]();
});

Deno.test("Outbox gives back what is shared as its socket writes, and when it ends", () => {
  const backlog = new Backlog(1e9);
  const { outbox, sink } = open(backlog);
  const fill = () => {
    for (let i = 0; i < 5000; i++) outbox.send("Message 7 42");
  };
  fill();
  const shared = backlog.shared;
  assert(shared > 0);
  sink.bufferedAmount /= 2; // half of it written
  outbox.send("Message 7 42");
  assert(backlog.shared < shared / 2, "half is not given back");
  fill();
  outbox[Symbol.dispose]();
  assertEquals(backlog.shared, 0);
});
