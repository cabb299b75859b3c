// Peers that were given up and stay: what they hold is bounded.

import { setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals } from "@std/assert";
import { serverProcess } from "../../harness/process.ts";
import { frame, HANDSHAKE, RawSocket } from "../../harness/sockets.ts";
import { memoryLimit } from "../../lib/server/memory.ts";
import { eventually, testOnLinux, TEXT } from "../../harness/helpers.ts";
import { peakMemory } from "./_memory.ts";

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
          else await delay(4); // until it is given up
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
