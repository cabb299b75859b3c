// Peers that do not read: what they cost, and what others notice.

import { assert, assertEquals } from "@std/assert";
import { type Process, run, serverProcess } from "../../harness/process.ts";
import { frame, HANDSHAKE, RawSocket } from "../../harness/sockets.ts";
import { memoryLimit } from "../../lib/server/memory.ts";
import { ask, PolitePeer, quietMs } from "./_polite.ts";
import { eventually, testOnLinux, TEXT } from "../../harness/helpers.ts";

/** The highest resident memory there was, in MB. Deno itself may read /proc with
 * -A only. */
async function peakMemory({ pid }: Process): Promise<number> {
  const { stdout } = await run(["cat", `/proc/${pid}/status`]);
  return Number(/VmHWM:\s+(\d+)/.exec(stdout)![1]) / 1000;
}

/** Sends requests without reading, over and over, whenever it is closed. */
async function flood(port: number, size: number, stop: AbortSignal) {
  const one = frame(TEXT, "x".repeat(size));
  const bytes = await new Blob(
    new Array(Math.floor(65_536 / one.length)).fill(one),
  ).bytes();
  while (!stop.aborted) {
    using socket = await RawSocket.connect(port);
    try {
      await socket.request("GET /ws", HANDSHAKE);
      while (!stop.aborted) await socket.write(bytes);
    } catch { // closed by the server: once more
    }
  }
}

/** Answers to a polite peer that a flood lasts for, some 4 s. Measured after 5 s:
 * growth by 55 MB with empty requests and by 194 MB with 100 bytes (75 and 220 MB after
 * 11 s); where all is handed to `send` at once, by 811 and 1,999 MB. */
const FLOOD_ANSWERS = 10;

for (const size of [0, 100]) {
  testOnLinux(
    `ten peers that flood with requests of ${size} bytes: memory stays flat, others are answered`,
    async () => {
      const { server, port } = await serverProcess();
      await using _ = server;
      const before = await peakMemory(server);
      const quiet = await quietMs(port);
      const stop = new AbortController();
      const floods = Array.from(
        { length: 10 },
        () => flood(port, size, stop.signal).catch(() => {}),
      );
      const polite = new PolitePeer(port);
      await eventually(() => polite.answers >= FLOOD_ANSWERS);
      await polite.stop(quiet);
      stop.abort();
      const growth = await peakMemory(server) - before;
      // A connection that the server has closed may be read no more; a write that
      // waits for that ends with the server.
      server.kill("SIGKILL");
      await Promise.all(floods);
      assert(growth < 250, `it grew by ${growth} MB`);
    },
  );
}

testOnLinux(
  "200 peers that send 20,000 empty requests each and never read: others are answered",
  async () => {
    const { server, url, port } = await serverProcess();
    await using _ = server;
    const before = await peakMemory(server);
    const quiet = await quietMs(port);
    const polite = new PolitePeer(port);
    const mute = await Promise.all(
      Array.from({ length: 200 }, () => RawSocket.open(port)),
    );
    const bytes = await new Blob(
      new Array(20_000).fill(frame(TEXT, "")),
    ).bytes();
    const sending = mute.map((socket) => socket.write(bytes).catch(() => {}));
    using late = await RawSocket.open(port);
    await ask(late);
    await polite.stop(quiet);
    const growth = await peakMemory(server) - before;
    assert(growth < 400, `it grew by ${growth} MB`);
    // Those that have waited longest are closed.
    await eventually(async () => {
      const metrics = await (await fetch(`${url}metrics`)).text();
      return /closes_total\{code="1008"\} [1-9]/.test(metrics);
    });
    server.kill("SIGKILL"); // a write may wait for what is read no more
    await Promise.all(sending);
    for (const socket of mute) socket[Symbol.dispose]();
  },
);

/** With these, one peer that does not read holds as much as may be held. */
const SMALL = { maxConnections: 100, maxBacklog: 1024 };

for (const goesOn of [false, true]) {
  testOnLinux(
    `what peers hold that were given up and stay is bounded, ${
      goesOn ? "and they send on" : "until they leave"
    }: new ones are refused, others are answered`,
    async () => {
      const { server, url, port } = await serverProcess(
        `--max-connections=${SMALL.maxConnections}`,
        `--max-backlog=${SMALL.maxBacklog}`,
      );
      await using _ = server;
      const counted = async (name: string) => {
        const metrics = await (await fetch(`${url}metrics`)).text();
        return Number(metrics.split(`\nws_random_${name} `)[1].split("\n")[0]);
      };
      using polite = await RawSocket.open(port);
      const some = await new Blob(
        new Array(1000).fill(frame(TEXT, "x".repeat(100))),
      ).bytes();
      const staying: RawSocket[] = [];
      for (let peers = 0; peers < 12; peers++) {
        const socket = await RawSocket.connect(port);
        staying.push(socket);
        const { status } = await socket.request("GET /ws", HANDSHAKE);
        if (status === 503) break;
        let answered = -1;
        // So few at a time that the kernel takes them when the server reads no more.
        while (await counted('closes_total{code="1008"}') < staying.length) {
          const before = answered;
          answered = await counted("requests_total");
          if (goesOn || answered !== before) await socket.write(some);
        }
      }
      assertEquals(await counted('refusals_total{reason="full"}'), 1);
      const limit = memoryLimit(SMALL, 1) / 1e6;
      const peak = await peakMemory(server);
      assert(peak < limit, `it takes ${peak} MB, more than ${limit}`);
      await polite.write(frame(TEXT, "and me?"));
      assertEquals((await polite.frame())?.opcode, TEXT);

      for (const socket of staying) socket[Symbol.dispose]();
      if (goesOn) return; // Deno does not tell when they leave
      await eventually(() =>
        RawSocket.open(port).then(
          (late) => (late[Symbol.dispose](), true),
          () => false,
        )
      );
    },
  );
}
