// The rule for what waits, without a network: a socket that is written by hand.

import { assert, assertEquals } from "@std/assert";
import { Backlog, SHARED_COST } from "../../lib/server/backlog.ts";
import { Outbox, OWN_COST } from "../../lib/server/outbox.ts";
import { eventually, pureTest as test } from "../../harness/helpers.ts";

const encoder = new TextEncoder();

/** A socket that writes what it holds when the test says so. */
class Sink {
  sent: string[] = [];
  unwritten = 0;
  /** Called before each look at what is unwritten. */
  onLook = () => {};
  get bufferedAmount(): number {
    this.onLook();
    return this.unwritten;
  }
  send(text: string): void {
    this.sent.push(text);
    this.unwritten += encoder.encode(text).length;
  }
}

/** A peer: its socket, how much it was handed over, and why it was given up. */
class Peer {
  sink = new Sink();
  handedOver = 0;
  givenUp: string | undefined;
  outbox = new Outbox(
    this.sink,
    () => this.handedOver++,
    (reason) => this.givenUp ??= reason,
  );

  constructor(readonly backlog: Backlog) {
    backlog.add(this.outbox);
  }

  send(count: number, text = "Message 7 42"): void {
    const { length } = new TextEncoder().encode(text);
    for (let i = 0; i < count; i++) {
      this.backlog.send(this.outbox, text, length);
    }
  }

  /** Closes its socket: Deno tells nothing of it any more. */
  close(): void {
    this.backlog.close(this.outbox);
    this.sink.unwritten = 0;
  }

  [Symbol.dispose](): void {
    this.backlog.end(this.outbox, true);
  }
}

/** With at most this many bytes queued, and for any time. */
const backlogOf = (most: number) => new Backlog(most, 0);

/** Whether the backlog has much left of what all connections share. */
function hasRoom(backlog: Backlog): boolean {
  using peer = new Peer(backlog);
  peer.send(5000);
  return peer.handedOver === 5000;
}

test("Backlog hands everything over at once while the socket is written", () => {
  using peer = new Peer(backlogOf(1000));
  for (let i = 0; i < 100_000; i++) {
    peer.send(1);
    peer.sink.unwritten = 0;
  }
  assertEquals([peer.handedOver, peer.outbox.queued], [100_000, 0]);
});

test("Backlog keeps what a socket does not write, and its order when it does", async () => {
  using peer = new Peer(backlogOf(1e9));
  const all = Array.from({ length: 50_000 }, (_, i) => String(i));
  for (const text of all) peer.send(1, text);
  assert(peer.handedOver < 50_000 && peer.outbox.queued > 0);
  await eventually(() => {
    peer.sink.unwritten = 0;
    return peer.outbox.queued === 0;
  });
  assertEquals([peer.sink.sent, peer.givenUp], [all, undefined]);
});

test("Backlog hands over 10,000 short responses to one socket that has written none", () => {
  using peer = new Peer(backlogOf(1000));
  peer.send(10_000);
  assertEquals(peer.handedOver, 10_000);
});

test("Backlog hands over something to each socket, however many write nothing", () => {
  const backlog = backlogOf(1e9);
  const peers = Array.from({ length: 500 }, () => new Peer(backlog));
  for (let i = 0; i < 1000; i++) for (const peer of peers) peer.send(1);
  for (const { handedOver } of peers) assert(handedOver >= 60, `${handedOver}`);
  const all = peers.reduce((sum, { handedOver }) => sum + handedOver, 0);
  assert(all < 500 * 70 + 13_000, `${all} at a cost of 2 KiB and more each`);
  for (const peer of peers) peer[Symbol.dispose]();
});

test("Backlog counts bytes of UTF-8, as the socket does", () => {
  using peer = new Peer(backlogOf(1e9));
  peer.send(20_000, "€".repeat(1000));
  const expected = Math.ceil((OWN_COST + SHARED_COST) / (3000 + 2048));
  assertEquals(peer.handedOver, expected);
  peer.sink.unwritten /= 2; // half of it written
  assert(peer.backlog.waits(peer.outbox));
  assertEquals(peer.handedOver, Math.ceil(expected * 1.5));
});

test("Backlog gives up a peer that does not read, and none that does", async () => {
  const backlog = backlogOf(6_000_000);
  using mute = new Peer(backlog);
  using reader = new Peer(backlog);
  mute.send(30_000);
  reader.send(15_000);
  await eventually(() => {
    // It reads steadily and asks on. Whoever measures, it has moved.
    reader.sink.unwritten -= 100;
    reader.send(1);
    if (reader.outbox.queued < 4_000_000) reader.send(1000);
    return mute.givenUp !== undefined;
  });
  assertEquals([mute.outbox.queued, reader.givenUp], [0, undefined]);
  assert(mute.givenUp!.includes("--max-backlog"));
});

test("Backlog gives up no peer that reads, however long it alone has too much queued", async () => {
  using reader = new Peer(backlogOf(2_000_000));
  reader.send(22_000);
  assert(reader.outbox.queued > 2_000_000);
  for (let polls = 0; polls < 200; polls++) {
    reader.sink.unwritten -= 10;
    reader.send(1, "");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assertEquals(reader.givenUp, undefined);
});

test("Backlog gives up no peer for the time in which the process did nothing", async () => {
  const backlog = backlogOf(2_000_000);
  using reader = new Peer(backlog);
  reader.send(22_000);
  const until = performance.now() + 800;
  while (performance.now() < until);
  // Nothing of it is written before the first look, and some before each other one.
  let looks = 0;
  reader.sink.onLook = () => {
    if (looks++ > 0) reader.sink.unwritten--;
  };
  await eventually(() => looks > 10);
  assertEquals(reader.givenUp, undefined);
});

test("Backlog gives up the peer with most queued at twice its size, moving or not", () => {
  const backlog = backlogOf(2_000_000);
  using small = new Peer(backlog);
  using big = new Peer(backlog);
  small.send(15_000);
  assert(small.outbox.queued > 0);
  while (!big.givenUp) {
    big.send(1);
    assert(small.outbox.queued + big.outbox.queued <= 4_000_000);
  }
  assertEquals(small.givenUp, undefined);
});

test("Backlog goes on polling when one of two peers has ended", async () => {
  const backlog = backlogOf(1e9);
  const gone = new Peer(backlog);
  using peer = new Peer(backlog);
  for (const each of [gone, peer]) each.send(15_000);
  gone[Symbol.dispose]();
  await eventually(() => {
    peer.sink.unwritten = 0;
    return peer.handedOver === 15_000;
  });
});

test("Backlog takes back what is shared when it was written, without another send", async () => {
  const backlog = backlogOf(1e9);
  using peer = new Peer(backlog);
  peer.send(12_000);
  assert(peer.outbox.queued === 0 && !hasRoom(backlog));
  peer.sink.unwritten = 0;
  await eventually(() => hasRoom(backlog));
});

test("Backlog counts what a closed socket holds until its end is told", () => {
  const backlog = backlogOf(1e9);
  const peer = new Peer(backlog);
  peer.send(12_000);
  peer.close();
  assert(!hasRoom(backlog));
  backlog.end(peer.outbox, false); // a close event that does not tell
  assert(!hasRoom(backlog));
  backlog.end(peer.outbox, true);
  assert(hasRoom(backlog));
});

test("Backlog counts nothing of a socket that was written before it was closed", () => {
  const backlog = backlogOf(1e9);
  const peer = new Peer(backlog);
  peer.send(12_000);
  peer.sink.unwritten = 0;
  peer.close();
  assert(hasRoom(backlog) && !backlog.isFull());
});

test("Backlog is full when connections that are over hold too much, and not when they read", () => {
  const backlog = backlogOf(6_000_000);
  const peers: Peer[] = [];
  while (!backlog.isFull()) {
    const peer = new Peer(backlog);
    peer.send(1000);
    backlog.abandon(peer.outbox);
    assertEquals(peer.outbox.queued, 0);
    peers.push(peer);
    assert(peers.length * OWN_COST < 10_000_000, "never full");
  }
  const [first, second] = peers;
  first.close(); // as after too many messages
  assert(backlog.isFull());
  second.sink.unwritten = 0;
  assert(!backlog.waits(second.outbox) && !backlog.isFull());
  for (const peer of peers) peer[Symbol.dispose]();
});

test("Backlog gives up an idle peer: it reads nothing of what waits, however little", async () => {
  const backlog = new Backlog(1e9, 200);
  using mute = new Peer(backlog);
  using flooding = new Peer(backlog);
  using slow = new Peer(backlog);
  using silent = new Peer(backlog);
  mute.send(1);
  flooding.send(30_000);
  slow.send(20);
  await eventually(() => {
    slow.sink.unwritten--;
    if (slow.sink.unwritten < 10) slow.send(1);
    return Boolean(mute.givenUp && flooding.givenUp);
  });
  assert(mute.givenUp!.includes("0.2 s (--idle-timeout)"), mute.givenUp);
  assertEquals([slow.givenUp, silent.givenUp], [undefined, undefined]);
});
