// What becomes of promises that reject with nobody to take them, Deno's and this
// program's.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { isDenos } from "../../lib/server/rejections.ts";
import { encode, frame, HANDSHAKE, RawSocket } from "../../harness/sockets.ts";
import {
  eventually,
  pureTest,
  test,
  testOnLinux,
  TEXT,
} from "../../harness/helpers.ts";
import { faultyProtocol, withFaultyServer } from "./_faulty.ts";
import { get } from "./_workers.ts";

/** In place of `lib/server/handshake.ts`: it lets pass what Deno 2.9 fails at. */
const careless = (module: string) =>
  `export * from "${module}";
  import { asksForWebSocket, refusal as right } from "${module}";
  export function refusal(request, admission) {
    if (!asksForWebSocket(request)) return right(request, admission);
  }`;

/** How many connections a server keeps while others come and go. */
const KEPT = 8;

/** Makes a handshake that Deno 2.9 fails at, and leaves without an answer; returns
 * whether it did. */
async function fails(port: number): Promise<boolean> {
  const metric = async (name: RegExp) => {
    const [, value] = name.exec(await get(port, "/metrics"))!;
    return Number(value);
  };
  const ended = () => metric(/code="1006"} (\d+)/);
  // Or the one before, if it was answered, is yet to end.
  await eventually(async () => await metric(/_open (\d+)/) === KEPT);
  const before = await ended();
  using socket = await RawSocket.connect(port);
  const fields = [["Upgrade", "h2c"], ...Object.entries(HANDSHAKE)]
    .map(([name, value]) => `${name}: ${value}\r\n`);
  await socket.write(encode(`GET /ws HTTP/1.1\r\n${fields.join("")}\r\n`));
  let answered: boolean | undefined;
  socket.read(1).then(({ length }) => answered = length > 0);
  await eventually(async () => answered || await ended() > before);
  return !answered;
}

for (const workers of [1, 2]) {
  const here = workers > 1 ? testOnLinux : test;
  here(
    `what fails in Deno is told, and ends none of ${workers}`,
    () =>
      withFaultyServer(
        "lib/server/handshake.ts",
        careless,
        [`--workers=${workers}`],
        async (server, port) => {
          const sockets = await Promise.all(
            Array.from({ length: KEPT }, () => RawSocket.open(port)),
          );
          const failures: boolean[] = [];
          for (let i = 0; i < 8; i++) failures.push(await fails(port));
          for (const socket of sockets) {
            await socket.write(frame(TEXT, "still there"));
            assertEquals((await socket.frame())?.opcode, TEXT);
            socket[Symbol.dispose]();
          }
          server.kill("SIGTERM");
          const [code, stderr] = await Promise.all([
            server.end(),
            server.stderr(),
          ]);
          assertEquals(code, 0, stderr);
          const told = /^ws-random: \d+ requests? failed in Deno: TypeError: /m;
          assertEquals(told.test(stderr), failures.includes(true), stderr);
          assert(!/died|Uncaught/.test(stderr), stderr);
        },
      ),
  );
}

test("a rejection of this program's own ends it", () =>
  withFaultyServer(
    "lib/protocol.ts",
    faultyProtocol,
    [],
    async (server, port) => {
      using socket = await RawSocket.open(port);
      await socket.write(frame(TEXT, "reject"));
      const [code, stderr] = await Promise.all([server.end(), server.stderr()]);
      assertEquals(code, 1);
      assertMatch(stderr, /RangeError: a fault later/);
    },
  ));

pureTest("isDenos() is true of Deno's HTTP code alone", () => {
  const error = (...frames: string[]) =>
    Object.assign(new TypeError(), {
      stack: ["TypeError: x", ...frames.map((at) => `    at ${at}`)].join("\n"),
    });
  const deno = "InnerRequest.get headerList (ext:deno_http/00_serve.ts:1:6428)";
  const core = "eventLoopTick (ext:core/01_core.js:1:1)";
  const own = "Connection.onEnd (file:///a/server.ts:174:32)";
  assertEquals(isDenos(error(deno)), true);
  assertEquals(isDenos(error(deno, core)), true);
  assertEquals(isDenos(error("ext:deno_http/00_serve.ts:1:6428")), true);
  assertEquals(isDenos(error(deno, own)), false);
  assertEquals(isDenos(error(own, deno)), false);
  assertEquals(isDenos(error(core)), false);
  assertEquals(isDenos(error()), false);
  assertEquals(isDenos(`at ${deno}`), false);
  assertEquals(isDenos(undefined), false);
});
