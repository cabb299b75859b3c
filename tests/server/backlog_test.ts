// The rule for what waits, without a network: a socket that is written by hand, and
// a clock that stands still.

import { assert, assertEquals } from "@std/assert";
import { Backlog, SHARED_COST } from "../../lib/server/backlog.ts";
import { Outbox, OWN_COST } from "../../lib/server/outbox.ts";
import { pureTest as test, seeded } from "../../harness/helpers.ts";
import { Clock } from "../../harness/clock.ts";

const encoder = new TextEncoder();

/** A socket that writes what it holds when the test says so. */
class Sink {
  readyState: WebSocket["readyState"] = WebSocket.OPEN;
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

/** How many short responses a peer is handed over that reads nothing, and how many
 * bytes are queued for it before it is given up. */
function room(backlog: Backlog): [responses: number, queued: number] {
  using peer = new Peer(backlog);
  let most = 0;
  while (!peer.givenUp) {
    most = peer.outbox.queued;
    peer.send(1);
  }
  return [peer.handedOver, most];
}

/** Whether the backlog has much left of what all connections share. */
function hasRoom(backlog: Backlog): boolean {
  using peer = new Peer(backlog);
  peer.send(5000);
  return peer.handedOver === 5000;
}

test("Backlog hands everything over at once while the socket is written", () => {
  using peer = new Peer(backlogOf(1000));
  for (let i = 0; i < 20_000; i++) {
    peer.send(1);
    peer.sink.unwritten = 0;
  }
  assertEquals([peer.handedOver, peer.outbox.queued], [20_000, 0]);
});

test("Backlog keeps what a socket does not write, and its order when it does", async () => {
  using clock = new Clock();
  using peer = new Peer(backlogOf(1e9));
  const all = Array.from({ length: 50_000 }, (_, i) => String(i));
  for (const text of all) peer.send(1, text);
  assert(peer.handedOver < 50_000 && peer.outbox.queued > 0);
  while (peer.outbox.queued > 0) {
    peer.sink.unwritten = 0;
    await clock.pass(100);
  }
  assertEquals([peer.sink.sent, peer.givenUp], [all, undefined]);
});

test("Backlog hands nothing over to a socket whose peer has closed", async () => {
  using clock = new Clock();
  using peer = new Peer(backlogOf(1e9));
  peer.send(50_000);
  const { handedOver } = peer;
  peer.sink.readyState = WebSocket.CLOSED;
  peer.sink.unwritten = 0;
  peer.send(1);
  await clock.pass(100);
  assertEquals(peer.handedOver, handedOver);
  assertEquals(peer.sink.sent.length, handedOver);
});

test("Backlog hands over 10,000 short responses to one socket that has written none", () => {
  using _ = new Clock();
  using peer = new Peer(backlogOf(1000));
  peer.send(10_000);
  assertEquals(peer.handedOver, 10_000);
});

test("Backlog hands over something to each socket, however many write nothing", () => {
  using _ = new Clock();
  const backlog = backlogOf(1e9);
  const peers = Array.from({ length: 500 }, () => new Peer(backlog));
  for (let i = 0; i < 300; i++) for (const peer of peers) peer.send(1);
  for (const { handedOver } of peers) assert(handedOver >= 60, `${handedOver}`);
  const all = peers.reduce((sum, { handedOver }) => sum + handedOver, 0);
  assert(all < 500 * 70 + 13_000, `${all} at a cost of 2 KiB and more each`);
  for (const peer of peers) peer[Symbol.dispose]();
});

test("Backlog counts bytes of UTF-8, as the socket does", () => {
  using _ = new Clock();
  using peer = new Peer(backlogOf(1e9));
  peer.send(20_000, "€".repeat(1000));
  const expected = Math.ceil((OWN_COST + SHARED_COST) / (3000 + 2048));
  assertEquals(peer.handedOver, expected);
  peer.sink.unwritten /= 2; // half of it written
  assert(peer.backlog.waits(peer.outbox));
  assertEquals(peer.handedOver, Math.ceil(expected * 1.5));
});

test("Backlog gives up a peer that has not read for half a second, and none that does", async () => {
  using clock = new Clock();
  const backlog = backlogOf(6_000_000);
  using mute = new Peer(backlog);
  using reader = new Peer(backlog);
  reader.send(15_000);
  mute.send(22_000);
  /** It reads steadily and asks on. Whoever measures, it has moved. */
  const readOn = async (milliseconds: number) => {
    for (let i = 0; i < milliseconds / 10; i++) {
      reader.sink.unwritten -= 100;
      reader.send(1);
      if (reader.outbox.queued < 4_000_000) reader.send(1000);
      await clock.pass(10);
    }
  };
  await readOn(490);
  assertEquals([mute.givenUp, reader.givenUp], [undefined, undefined]);
  await readOn(20);
  assertEquals([mute.outbox.queued, reader.givenUp], [0, undefined]);
  assert(mute.givenUp!.includes("--max-backlog"));
});

test("Backlog gives up a peer for which too much is queued, not who waits longest", async () => {
  using clock = new Clock();
  const backlog = backlogOf(2_000_000);
  using waiting = new Peer(backlog);
  using flooding = new Peer(backlog);
  waiting.send(11_000);
  await clock.pass(10_000);
  flooding.send(10_000);
  await clock.pass(400);
  assertEquals([waiting.givenUp, flooding.givenUp], [undefined, undefined]);
  assert(waiting.outbox.queued === 0 && flooding.outbox.queued > 2_000_000);
  await clock.pass(200);
  assertEquals(waiting.givenUp, undefined);
  assert(flooding.givenUp);
});

test("Backlog gives up no peer that reads, however long it alone has too much queued", async () => {
  using clock = new Clock();
  using reader = new Peer(backlogOf(2_000_000));
  reader.send(22_000);
  assert(reader.outbox.queued > 2_000_000);
  for (let polls = 0; polls < 200; polls++) {
    reader.sink.unwritten -= 10;
    reader.send(1, "");
    await clock.pass(100);
  }
  assertEquals(reader.givenUp, undefined);
});

test("Backlog gives up no peer for the time in which the process did nothing", async () => {
  using clock = new Clock();
  const backlog = backlogOf(2_000_000);
  using reader = new Peer(backlog);
  reader.send(22_000);
  clock.stall(800);
  // Nothing of it is written before the first look, and some before each other one.
  let looks = 0;
  reader.sink.onLook = () => {
    if (looks++ > 0) reader.sink.unwritten--;
  };
  await clock.pass(100);
  assert(looks > 10, `${looks} looks`);
  assertEquals(reader.givenUp, undefined);
});

test("Backlog gives up the peer with most queued at twice its size, moving or not", () => {
  using _ = new Clock();
  const backlog = backlogOf(2_000_000);
  using small = new Peer(backlog);
  using big = new Peer(backlog);
  small.send(15_000);
  assert(small.outbox.queued > 0);
  let most = 0;
  while (!big.givenUp) {
    big.send(1);
    most = Math.max(most, small.outbox.queued + big.outbox.queued);
  }
  assert(most > 3_990_000 && most <= 4_000_000, `${most}`);
  assertEquals(small.givenUp, undefined);
});

test("Backlog goes on polling when one of two peers has ended", async () => {
  using clock = new Clock();
  const backlog = backlogOf(1e9);
  const gone = new Peer(backlog);
  using peer = new Peer(backlog);
  for (const each of [gone, peer]) each.send(15_000);
  gone[Symbol.dispose]();
  while (peer.handedOver < 15_000) {
    peer.sink.unwritten = 0;
    await clock.pass(100);
  }
});

test("Backlog polls often while a socket moves, seldom while none does, and never for nothing", async () => {
  using clock = new Clock();
  const backlog = backlogOf(1e9);
  using peer = new Peer(backlog);
  peer.send(1000);
  let looks = 0;
  peer.sink.onLook = () => void looks++;
  await clock.pass(1000);
  assert(looks > 10 && looks < 50, `${looks} looks, and nothing was written`);
  looks = 0;
  for (let i = 0; i < 1000; i++) {
    peer.sink.unwritten--;
    await clock.pass(1);
  }
  assert(looks > 900, `${looks} looks while something was written`);
  peer.sink.unwritten = 0;
  await clock.pass(100);
  assertEquals(clock.timers, 0);
  assert(!backlog.waits(peer.outbox));
  peer.send(20);
  assert(backlog.waits(peer.outbox));
  assertEquals(clock.timers, 0, "for what may always be handed over");
  peer.send(100);
  await clock.pass(1000);
  peer[Symbol.dispose]();
  assertEquals(clock.timers, 0);
});

test("Backlog takes back what is shared when it was written, without another send", async () => {
  using clock = new Clock();
  const backlog = backlogOf(1e9);
  using peer = new Peer(backlog);
  peer.send(12_000);
  assert(peer.outbox.queued === 0 && !hasRoom(backlog));
  peer.sink.unwritten = 0;
  await clock.pass(100);
  assert(hasRoom(backlog));
});

test("Backlog has as much room as at first when all that came has gone", async () => {
  using clock = new Clock();
  const backlog = backlogOf(1_000_000);
  const first = room(backlog);
  const random = seeded(7);
  const sizes = [0, 12, 1000, 60_000, 5_000_000];
  /** How a peer ends, once or twice. */
  const ends: ((peer: Peer) => void)[] = [
    (peer) => backlog.end(peer.outbox, true),
    (peer) => backlog.end(peer.outbox, false),
    (peer) => peer.close(),
    (peer) => backlog.abandon(peer.outbox),
  ];
  for (let round = 0; round < 8; round++) {
    const peers = Array.from({ length: 5 }, () => new Peer(backlog));
    for (let step = 0; step < 20; step++) {
      const peer = peers[random(5)];
      const text = "x".repeat(sizes[random(sizes.length)]);
      peer.send(text.length > 1000 ? 2 : random(2000), text);
      if (random(2)) peer.sink.unwritten = random(peer.sink.unwritten + 1);
      if (random(4) === 0) await clock.pass(random(100));
    }
    for (const peer of peers) {
      for (const end of [ends[random(4)], ends[random(4)]]) end(peer);
      backlog.end(peer.outbox, true);
    }
    assertEquals(room(backlog), first);
    assertEquals([backlog.isFull(), clock.timers], [false, 0]);
  }
});

test("Backlog counts what a closed socket holds until its end is told", () => {
  using _ = new Clock();
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
  using _ = new Clock();
  const backlog = backlogOf(1e9);
  const peer = new Peer(backlog);
  peer.send(12_000);
  peer.sink.unwritten = 0;
  peer.close();
  assert(hasRoom(backlog) && !backlog.isFull());
});

test("Backlog hands over nothing more when it closes", () => {
  using _ = new Clock();
  const peer = new Peer(backlogOf(1e9));
  peer.send(15_000);
  const { handedOver } = peer;
  peer.sink.unwritten = 10;
  peer.close();
  assertEquals([peer.handedOver, peer.outbox.queued], [handedOver, 0]);
});

/** Adds peers that end so, until what is held is too much. */
function fill(backlog: Backlog, end: (peer: Peer) => void): Peer[] {
  const peers: Peer[] = [];
  while (!backlog.isFull()) {
    const peer = new Peer(backlog);
    peer.send(1000);
    end(peer);
    assertEquals(peer.outbox.queued, 0);
    peers.push(peer);
    assert(peers.length * OWN_COST < 10_000_000, "never full");
  }
  return peers;
}

test("Backlog is full when connections that are over hold too much, and not when they read", () => {
  using _ = new Clock();
  const backlog = backlogOf(6_000_000);
  const peers = fill(backlog, ({ outbox }) => backlog.abandon(outbox));
  const held = peers.reduce((sum, { outbox }) => sum + outbox.handed, 0);
  const least = SHARED_COST + 6_000_000;
  assert(held >= least && held < least + 2 * OWN_COST, `${held}`);
  const [first, second] = peers;
  first.close(); // as after too many messages
  assert(backlog.isFull());
  second.sink.unwritten = 0;
  assert(!backlog.waits(second.outbox) && !backlog.isFull());
  for (const peer of peers) peer[Symbol.dispose]();
});

test("Backlog forgets after a while what nobody tells the end of", async () => {
  const cases: [seconds: number, end: (peer: Peer) => void][] = [
    [60, (peer) => peer.close()],
    [10, ({ backlog, outbox }) => backlog.end(outbox, false)],
  ];
  for (const [seconds, end] of cases) {
    using clock = new Clock();
    const backlog = backlogOf(1000);
    fill(backlog, end);
    await clock.pass(990 * seconds);
    assert(backlog.isFull());
    await clock.pass(20 * seconds);
    assert(!backlog.isFull() && hasRoom(backlog));
  }
});

test("Backlog gives up an idle peer: it takes nothing of what waits, however little", async () => {
  using clock = new Clock();
  const backlog = new Backlog(1e9, 10_000);
  using mute = new Peer(backlog);
  using flooding = new Peer(backlog);
  using slow = new Peer(backlog);
  using silent = new Peer(backlog);
  using over = new Peer(backlog);
  mute.send(1);
  flooding.send(30_000);
  slow.send(20);
  over.send(1);
  backlog.abandon(over.outbox);
  const readOn = async (seconds: number) => {
    for (let i = 0; i < seconds; i++) {
      slow.sink.unwritten--;
      if (slow.sink.unwritten < 10) slow.send(1);
      await clock.pass(1000);
    }
  };
  await readOn(9);
  assertEquals([mute.givenUp, flooding.givenUp], [undefined, undefined]);
  await readOn(5);
  for (const peer of [mute, flooding]) {
    const why = "it took no response for 10 s (--idle-timeout)";
    assertEquals(peer.givenUp, why);
  }
  assertEquals([slow.givenUp, silent.givenUp], [undefined, undefined]);
  assertEquals(over.givenUp, undefined);
});

test("Backlog watches over idle peers as long as there are any", async () => {
  using clock = new Clock();
  const backlog = new Backlog(1e9, 1000);
  for (let round = 0; round < 2; round++) {
    using first = new Peer(backlog);
    const second = new Peer(backlog);
    backlog.end(second.outbox, round === 0);
    first.send(1);
    await clock.pass(2000);
    assert(first.givenUp);
    first[Symbol.dispose]();
    assertEquals(clock.timers, 0);
  }
  using unlimited = new Peer(backlogOf(1e9));
  unlimited.send(1);
  await clock.pass(1e9);
  assertEquals([unlimited.givenUp, clock.timers], [undefined, 0]);
});
