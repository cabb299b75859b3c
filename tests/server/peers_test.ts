// The server's connections against peers that act by chance: each follows a
// script from a seed. `PEERS_SEED=7 deno task test --filter chance` repeats one.

import { setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals } from "@std/assert";
import {
  IN_CI,
  NO_PERMISSIONS,
  run,
  serverProcess,
} from "../../harness/process.ts";
import { encode, frame, HANDSHAKE, RawSocket } from "../../harness/sockets.ts";
import {
  BINARY,
  CLOSE,
  eventually,
  PING,
  seeded,
  testOnLinux,
  TEXT,
} from "../../harness/helpers.ts";
import { PolitePeer, quietMs } from "./_polite.ts";

const PEERS = IN_CI ? 400 : 100;
const SEED = NO_PERMISSIONS
  ? 0
  : Number(Deno.env.get("PEERS_SEED") ?? Date.now() % 1_000_000);

type Random = (below: number) => number;

/** What a peer may do next; true ends it. */
const ACTIONS: ((socket: RawSocket, random: Random) => Promise<unknown>)[] = [
  // asks, and reads one frame
  async (socket, random) => {
    await socket.write(frame(TEXT, "x".repeat(random(200))));
    await read(socket);
  },
  // sends ahead and does not read
  (socket, random) => sendMany(socket, random(5000), random(100)),
  (socket, random) => sendMany(socket, random(20), random(60_000)),
  // asks some times at once, and reads as many frames
  async (socket, random) => {
    const times = random(100);
    await sendMany(socket, times, 10);
    for (let i = 0; i < times; i++) await read(socket);
  },
  // pauses
  (_, random) => delay(random(50)),
  // asks for a pong
  (socket) => socket.write(frame(PING, "")),
  // is at fault, and stays
  (socket) => socket.write(frame(BINARY, "x")),
  (socket) => socket.write(frame(TEXT, "x".repeat(70_000))),
  (socket) => socket.write(frame(3, "unknown opcode")),
  // sends half a frame
  (socket) => socket.write(frame(TEXT, "half").subarray(0, 5)),
  // closes, and reads on to the answer
  async (socket) => {
    await socket.write(frame(CLOSE, new Uint8Array([3, 232])));
    await socket.closeCode();
  },
  // half closes
  (socket) => socket.connection.closeWrite(),
  // vanishes: with something unread it is a reset
  () => Promise.resolve(true),
];

/** Reads a frame; the end of the connection is the end of the peer. */
async function read(socket: RawSocket): Promise<number> {
  const { opcode, payload } = await socket.frame() ?? {};
  if (opcode === undefined || opcode === CLOSE) {
    throw new Error(`closed: ${new TextDecoder().decode(payload?.slice(2))}`);
  }
  return opcode;
}

async function sendMany(socket: RawSocket, count: number, size: number) {
  const one = frame(TEXT, "x".repeat(size));
  await socket.write(await new Blob(new Array(count).fill(one)).bytes());
}

/** Lives one peer. */
async function live(port: number, random: Random): Promise<void> {
  using socket = await RawSocket.connect(port);
  const head = Object.entries(HANDSHAKE).map(([name, value]) =>
    `${name}: ${value}\r\n`
  );
  const bytes = encode(`GET /ws HTTP/1.1\r\n${head.join("")}\r\n`);
  if (random(10) === 0) { // leaves in the middle of its handshake
    await socket.write(bytes.subarray(0, random(bytes.length)));
    return;
  }
  await socket.write(bytes);
  if (random(10) === 0) return; // or before it has read the 101
  await socket.head();
  for (let step = 0; step < 8; step++) {
    if (await ACTIONS[random(ACTIONS.length)](socket, random) === true) return;
  }
}

testOnLinux(
  `${PEERS} peers that act by chance (PEERS_SEED=${SEED}) leave nothing behind`,
  async () => {
    // Pings after 5 s: this process, busy with all its peers, answers in time.
    const { server, url, port } = await serverProcess("--idle-timeout=10");
    await using _ = server;
    const memory = async () => {
      const { stdout } = await run(["cat", `/proc/${server.pid}/status`]);
      return Number(/VmRSS:\s+(\d+)/.exec(stdout)![1]) / 1000;
    };
    const counted = async () => {
      const text = await (await fetch(`${url}metrics`)).text();
      const sum = (name: string) =>
        [...text.matchAll(
          new RegExp(`^ws_random_${name}(?:\\{.*\\})? (\\d+)$`, "gm"),
        )].reduce((sum, [, value]) => sum + Number(value), 0);
      const open = sum("connections_open");
      assertEquals(sum("connections_total"), open + sum("closes_total"));
      return open;
    };
    const before = await memory();

    const quiet = await quietMs(port);
    const polite = new PolitePeer(port);
    await eventually(() => polite.answers > 0);
    for (let group = 0; group < PEERS; group += 100) {
      await Promise.all(
        Array.from({ length: 100 }, (_, i) =>
          // A peer that the server has cut off finds out when it writes or reads.
          live(port, seeded(SEED + group + i)).catch(() => {})),
      );
    }
    await polite.stop(quiet);

    await eventually(async () => await counted() === 0);
    const growth = await memory() - before;
    assert(growth < 250, `${growth} MB more than before`);
    using late = await RawSocket.open(port);
    await late.write(frame(TEXT, "none the worse?"));
    assertEquals((await late.frame())?.opcode, TEXT);
  },
);
