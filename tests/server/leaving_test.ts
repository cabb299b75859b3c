// How the server ends a connection, by a clock that the test moves on.

import { assert, assertEquals } from "@std/assert";
import { encode, frame, RawSocket } from "../../harness/sockets.ts";
import type { ServerOptions } from "../../lib/server/options.ts";
import { MAX_LINES } from "../../lib/protocol.ts";
import { type Server, startServer } from "../../server.ts";
import {
  BINARY,
  CLOSE,
  eventually,
  handshake,
  PING,
  PONG,
  portOf,
  test,
  TEXT,
  withServer,
} from "../../harness/helpers.ts";
import { Clock } from "../../harness/clock.ts";

/** Deno's pings go by its own clock. */
const NO_PINGS = { port: 0, idleTimeout: 0 };

/** A server for which time stands still. */
const withClock = (
  options: Partial<ServerOptions>,
  use: (clock: Clock, ws: string, server: Server) => Promise<void>,
) =>
  withServer({ ...NO_PINGS, ...options }, async (ws, server) => {
    using clock = new Clock();
    await use(clock, ws, server);
  });

/** What a peer does that knows all that it has sent. */
class Peer implements Disposable {
  #socket: RawSocket;
  #server: Server;

  constructor(socket: RawSocket, server: Server) {
    this.#socket = socket;
    this.#server = server;
  }

  static async open(server: Server, lines = false): Promise<Peer> {
    return new Peer(await RawSocket.open(portOf(server.url), lines), server);
  }

  /** Sends messages in one go, and waits until the server has read them. */
  async send(...messages: (string | Uint8Array)[]): Promise<void> {
    let bytes = received(this.#server);
    const frames = new Map<string | Uint8Array, Uint8Array<ArrayBuffer>>();
    for (const message of new Set(messages)) { // many are alike
      const opcode = typeof message === "string" ? TEXT : BINARY;
      frames.set(message, frame(opcode, message));
    }
    const all = messages.map((message) => {
      const payload = typeof message === "string" ? encode(message) : message;
      bytes += payload.length;
      return frames.get(message)!;
    });
    await this.#socket.write(await new Blob(all).bytes());
    await eventually(() => received(this.#server) >= bytes);
  }

  /** Sends so many messages to a server that may read them no more. */
  async sendBlindly(count: number): Promise<void> {
    const frames = new Array(count).fill(frame(TEXT, ""));
    await this.#socket.write(await new Blob(frames).bytes()).catch(() => {});
  }

  /** The frames before the next one of another kind, and that one. */
  async read(): Promise<{ texts: number; end: string }> {
    for (let texts = 0;; texts++) {
      const { opcode, payload } = await this.#socket.frame() ?? {};
      if (opcode === TEXT) continue;
      if (opcode !== CLOSE) return { texts, end: String(opcode) };
      const code = payload![0] << 8 | payload![1];
      const reason = new TextDecoder().decode(payload!.subarray(2));
      return { texts, end: `${code} ${reason}` };
    }
  }

  /** Asserts that it was not told a close; returns how many responses it got. */
  async isOpen(): Promise<number> {
    await this.#socket.write(frame(PING, ""));
    const { texts, end } = await this.read();
    assertEquals(end, String(PONG));
    return texts;
  }

  /** Sends what RFC 6455 forbids. */
  misbehave(): Promise<void> {
    return this.#socket.write(frame(3, ""));
  }

  close(): Promise<void> {
    return this.#socket.write(frame(CLOSE, new Uint8Array([3, 232])));
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }
}

/** Bytes that a server has received. */
function received({ metrics }: Server): number {
  return Number(/received_bytes_total (\d+)/.exec(String(metrics))![1]);
}

const FAULTS: [reason: string, message: string | Uint8Array, lines?: true][] = [
  ["1003 binary data; text messages only", encode("x")],
  [
    "1009 a message of more than 65536 bytes (--max-message)",
    "x".repeat(65_537),
  ],
  [
    `1009 a message of more than ${MAX_LINES} lines`,
    "\n".repeat(MAX_LINES),
    true,
  ],
];

for (const [reason, message, lines] of FAULTS) {
  test(`a peer at fault is closed with ${reason}, once it is quiet for a second`, () =>
    withClock({}, async (clock, _, server) => {
      using peer = await Peer.open(server, lines);
      await peer.send(...new Array(100).fill("before"), message, "after");
      await clock.pass(950);
      await peer.send("once more");
      await clock.pass(950);
      assertEquals(await peer.isOpen(), 100);
      await clock.pass(100);
      assertEquals(await peer.read(), { texts: 0, end: reason });
      assertEquals(server.metrics.requests, 100);
      // It does not answer the close, and counts for as long as that may take.
      await clock.pass(4900);
      assertEquals(server.metrics.open, 1);
      await clock.pass(200);
      assertEquals(server.metrics.open, 0);
      assertEquals(server.metrics.closes(Number(reason.split(" ")[0])), 1);
    }));
}

test("a peer at fault that does not become quiet is closed after five seconds", () =>
  withClock({}, async (clock, _, server) => {
    using peer = await Peer.open(server);
    await peer.send(encode("x"));
    for (let second = 1; second < 5; second++) {
      await peer.send("on and on");
      await clock.pass(1000);
      assertEquals(await peer.isOpen(), 0);
    }
    await peer.send("on and on");
    await clock.pass(1000);
    assertEquals((await peer.read()).end.slice(0, 4), "1003");
    await peer.close();
    await eventually(() => server.metrics.open === 0);
  }));

test("a peer at fault that sends a lot is closed at once", () =>
  withClock({}, async (_clock, _, server) => {
    using peer = await Peer.open(server);
    await peer.send(encode("x"), ...new Array(1000).fill("y"));
    assertEquals(await peer.isOpen(), 0);
    await peer.send("y");
    assertEquals((await peer.read()).end.slice(0, 4), "1003");
    await peer.close();
    await eventually(() => server.metrics.closes(1003) === 1);
  }));

test("--max-message counts bytes of UTF-8", () =>
  withClock({ maxMessage: 12 }, async (clock, _, server) => {
    using peer = await Peer.open(server);
    await peer.send("123456789012", "éééééé", "🎲🎲🎲", "€€€€");
    assertEquals(await peer.isOpen(), 4);
    for (const long of ["1234567890123", "ééééééé", "🎲🎲🎲1", "€€€€€"]) {
      using peer = await Peer.open(server);
      await peer.send(long);
      await clock.pass(1000);
      assertEquals((await peer.read()).end.slice(0, 4), "1009", long);
    }
  }));

/** Asks for more than the system and the server keep for a peer that does not read,
 * until it is given up. */
async function overflow(peer: Peer, server: Server): Promise<void> {
  const some = new Array(400).fill("x".repeat(4000));
  for (let answered = -1; server.metrics.requests > answered;) {
    answered = server.metrics.requests;
    await peer.send(...some);
  }
}

test("a peer that does not read is over after five seconds, and told when it reads", () =>
  withClock({ maxBacklog: 1024 }, async (clock, ws, server) => {
    using peer = await Peer.open(server);
    await overflow(peer, server);
    await clock.pass(4900);
    assertEquals(server.metrics.open, 1);
    await clock.pass(300);
    const { metrics } = server;
    assertEquals([metrics.open, metrics.closes(1008)], [0, 1]);
    assertEquals(await admitted(ws), 503, "for what it holds");
    // It may send as much as it did not read.
    await peer.send(...new Array(2000).fill("y"));
    assertEquals(await peer.isOpen(), metrics.requests);
    await clock.pass(600);
    assertEquals(await admitted(ws), 101);
    const why = "too many responses wait to be read (--max-backlog)";
    assertEquals(await peer.read(), { texts: 0, end: `1008 ${why}` });
    await peer.close();
    assertEquals(metrics.closes(1008), 1);
  }));

test("a peer that does not read and sends on is closed, and what it holds counts for a minute", () =>
  withClock({ maxBacklog: 1024 }, async (clock, ws, server) => {
    using peer = await Peer.open(server);
    await overflow(peer, server);
    await eventually(async () => {
      await peer.sendBlindly(1000);
      return server.metrics.closes(1008) === 1;
    });
    assertEquals(await admitted(ws), 503);
    await clock.pass(50_000);
    assertEquals([server.metrics.open, await admitted(ws)], [0, 503]);
    await clock.pass(20_000);
    assertEquals(await admitted(ws), 101);
  }));

test("a fault keeps its code, though its peer does not read", () =>
  withClock({ idleTimeout: 2000 }, async (clock, _, server) => {
    using peer = await Peer.open(server);
    await peer.send(...new Array(3000).fill("x".repeat(4000)), encode("x"));
    await clock.pass(6000);
    assertEquals([server.metrics.open, server.metrics.closes(1003)], [0, 1]);
  }));

test("a fault keeps its code when the server shuts down", async () => {
  using clock = new Clock();
  const server = await startServer({ ...NO_PINGS, grace: 600_000 });
  using peer = await Peer.open(server);
  await peer.send(encode("x"));
  const [stopped] = await shutDown(server, clock);
  await clock.pass(1000);
  assertEquals((await peer.read()).end.slice(0, 4), "1003");
  await peer.close();
  await stopped;
  assertEquals(server.metrics.closes(1003), 1);
});

test("a peer that reads nothing for --idle-timeout is closed with 1008", () =>
  withClock({ idleTimeout: 60_000 }, async (clock, _, server) => {
    using peer = await Peer.open(server);
    await peer.send(...new Array(3000).fill("x".repeat(4000)));
    await clock.pass(50_000);
    assertEquals([server.metrics.open, server.metrics.requests], [1, 3000]);
    await clock.pass(30_000);
    assertEquals([server.metrics.open, server.metrics.closes(1008)], [0, 1]);
  }));

/** The status of a handshake with the server. */
const admitted = async (ws: string) => (await handshake(ws, {})).status;

test("what a peer holds is free again when it closes, or ten seconds after a reset", () =>
  withClock({ maxBacklog: 1024 }, async (clock, ws, server) => {
    const reading = await Peer.open(server);
    await overflow(reading, server);
    await reading.close();
    assertEquals((await reading.read()).end.slice(0, 4), "1000");
    reading[Symbol.dispose]();
    await eventually(() => server.metrics.open === 0);
    assertEquals(await admitted(ws), 101);

    const resetting = await Peer.open(server);
    await overflow(resetting, server);
    resetting[Symbol.dispose]();
    await eventually(() => server.metrics.open === 0); // the admitted one has left, too
    await clock.pass(10_100); // Deno tells mostly that it was a reset, but not always
    assertEquals(await admitted(ws), 101);
  }));

test("what a peer holds that breaks the protocol and stays counts for ten seconds", () =>
  withClock({ maxBacklog: 1024 }, async (clock, ws, server) => {
    using peer = await Peer.open(server);
    await overflow(peer, server);
    assertEquals(await admitted(ws), 101);
    await peer.misbehave();
    await eventually(() => server.metrics.open === 0);
    assertEquals(await admitted(ws), 503);
    await clock.pass(9900);
    assertEquals(await admitted(ws), 503);
    await clock.pass(200);
    assertEquals(await admitted(ws), 101);
  }));

/** Begins to shut a server down; the promise in the array is for its end. */
async function shutDown(
  server: Server,
  clock: Clock,
): Promise<[stopped: Promise<void>]> {
  const stopped = server.shutdown();
  await eventually(async () => {
    await clock.pass(1);
    return await admitted(server.url) === 503;
  });
  return [stopped];
}

/** Lets a peer ask while a server with a grace of 2.2 s shuts down; it is then told so,
 * after so many responses. */
async function untilToldOfShutdown(
  texts: number,
  ask: (peer: Peer, clock: Clock) => Promise<void>,
): Promise<void> {
  using clock = new Clock();
  const server = await startServer({ ...NO_PINGS, grace: 2200 });
  using peer = await Peer.open(server);
  const [stopped] = await shutDown(server, clock);
  await ask(peer, clock);
  const end = "1001 server shuts down";
  assertEquals(await peer.read(), { texts, end });
  await peer.close();
  await stopped;
  assertEquals(server.metrics.closes(1001), 1);
}

test("a peer that asks one by one while the server shuts down is answered until it must go", () =>
  untilToldOfShutdown(1, async (peer, clock) => {
    for (let i = 0; i < 4; i++) {
      await peer.send("on and on");
      await clock.pass(250);
      assertEquals(await peer.isOpen(), 1);
    }
    await clock.pass(100); // half of the grace is over
    await peer.send("on and on");
  }));

test("a peer that asks now and then while the server shuts down is closed with an answer", () =>
  untilToldOfShutdown(1, async (peer, clock) => {
    for (let i = 0; i < 5; i++) {
      await peer.send("now and then");
      assertEquals(await peer.isOpen(), 1);
      await clock.pass(260);
    }
    // Half of the grace is over, and it was looked since it asked.
    await peer.send("now and then");
  }));

test("a peer that asks ahead while the server shuts down is answered no more when half of the grace is over", () =>
  untilToldOfShutdown(0, async (peer, clock) => {
    const some = new Array(50).fill("on and on");
    for (let i = 0; i < 4; i++) {
      await peer.send(...some);
      await clock.pass(250);
      assertEquals(await peer.isOpen(), 50);
    }
    await clock.pass(100);
    await peer.send(...some);
    assertEquals(await peer.isOpen(), 50, "it cannot see a close yet");
    await clock.pass(150);
    for (let i = 0; i < 2; i++) {
      await peer.send(...some);
      assertEquals(await peer.isOpen(), 0);
      await clock.pass(250);
    }
  }));

test("a peer is told that the server shuts down with a --grace of 0, too", async () => {
  const server = await startServer({ ...NO_PINGS, grace: 0 });
  using peer = await Peer.open(server);
  const stopped = server.shutdown();
  assertEquals((await peer.read()).end.slice(0, 4), "1001");
  await stopped;
  assert(server.metrics.closes(1001) === 1 && server.metrics.open === 0);
});
