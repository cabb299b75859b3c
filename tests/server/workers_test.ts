import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { defaults } from "../../lib/cli/flags.ts";
import { serverCommand, type ServerOptions } from "../../lib/server/options.ts";
import { Workers } from "../../lib/server/workers.ts";
import {
  type Process,
  run,
  runClient,
  serverProcess,
  task,
} from "../../harness/process.ts";
import { frame, HANDSHAKE, RawSocket } from "../../harness/sockets.ts";
import { eventually, test, testOnLinux } from "../../harness/helpers.ts";
import { Clock } from "../../harness/clock.ts";
import { faultyProtocol, withFaultyServer } from "./_faulty.ts";
import {
  ask,
  connectionsOpen,
  dispose,
  get,
  listeners,
  metrics,
  openSockets,
  untilOneIsGone,
} from "./_workers.ts";

testOnLinux("workers share one port and count together", async () => {
  const { server, url, port } = await serverProcess("--workers", "3");
  await using _server = server;
  assertEquals((await listeners(port)).length, 3);
  const client = await runClient(url, "--connections=30", "--quiet");
  assertEquals(client.code, 0, client.stderr);
  await eventually(async () => await connectionsOpen(port) === 0);
  const counted = await metrics(port);
  assertEquals(counted.connections_total, 30);
  assertEquals(counted.requests_total, 10_000);
  assertEquals(counted['closes_total{code="1000"}'], 30);
  server.kill("SIGTERM");
  assertEquals(await server.end(), 0);
  assertEquals(
    server.stdout,
    `Listening on ${url}\n` +
      "Stopped after 30 connections and 10000 requests\n",
  );
});

testOnLinux("--workers max is a worker for each core", async () => {
  const { server, port } = await serverProcess("--workers=max");
  await using _server = server;
  assertEquals((await listeners(port)).length, navigator.hardwareConcurrency);
});

testOnLinux("all workers together keep --max-connections", async () => {
  const { server, port } = await serverProcess(
    "--workers=2",
    "--max-connections=50",
  );
  await using _server = server;
  for (let round = 0; round < 5; round++) {
    const sockets = await Promise.all(
      Array.from({ length: 200 }, () => RawSocket.connect(port)),
    );
    const statuses = await Promise.all(
      sockets.map(async (socket) =>
        (await socket.request("GET /ws", HANDSHAKE)).status
      ),
    );
    assertEquals(statuses.filter((status) => status === 101).length, 50);
    assertEquals(statuses.filter((status) => status === 503).length, 150);
    assertEquals((await metrics(port)).connections_open, 50);
    assertMatch(await get(port, "/healthz"), /"connections":50,/);
    dispose(sockets);
    await eventually(async () => await connectionsOpen(port) === 0);
  }
});

/** Two workers, of which a request can end one. */
const withFaultyWorkers = (
  use: (server: Process, port: number) => Promise<void>,
) =>
  withFaultyServer(
    "lib/protocol.ts",
    faultyProtocol,
    ["--workers=2", "--grace=20"],
    use,
  );

testOnLinux(
  "a worker that dies is said and replaced, and the rest goes on",
  () =>
    withFaultyWorkers(async (server, port) => {
      const before = await listeners(port);
      const sockets = await openSockets(port, 32);
      for (const socket of sockets) {
        assertMatch(await ask(socket, "a") ?? "", /^a /);
      }
      assertEquals(await ask(sockets[0], "die"), undefined);

      // The connections of the other worker, and new ones, are answered.
      const answers = await Promise.all(
        sockets.map((socket) => ask(socket, "b")),
      );
      const alive = answers.filter((answer) => answer !== undefined).length;
      assert(alive > 0 && alive < 32, `${alive} of 32`); // by chance 1 in 2^31
      await untilOneIsGone(port, before);
      dispose(await openSockets(port, 8));
      await eventually(async () => await connectionsOpen(port) === alive);
      const counted = await metrics(port);
      assertEquals(counted.connections_total, 40);
      assertEquals(counted.requests_total, 32 + alive);
      assertEquals(counted['closes_total{code="1006"}'], 40 - alive);

      await eventually(async () => (await listeners(port)).length === 2);
      const more = await openSockets(port, 32);
      for (const socket of more) {
        assertMatch(await ask(socket, "c") ?? "", /^c /);
      }
      assertEquals((await metrics(port)).connections_open, alive + 32);
      server.kill("SIGTERM");
      for (const socket of more) {
        assertEquals(await socket.closeCode(), 1001);
      }
      dispose([...sockets, ...more]);
      assertEquals(await server.end(), 0);
      assertMatch(
        server.stdout,
        /Stopped after 72 connections and \d+ requests\n$/,
      );
      const lines = (await server.stderr()).trimEnd().split("\n");
      const died =
        /^ws-random: 1 worker died, to be replaced: RangeError: a fault of the test at /;
      assertEquals(lines.filter((line) => died.test(line)).length, 1);
      // Each thread writes its own lines, so that others may come before.
      for (const line of lines.filter((line) => !died.test(line))) {
        assertMatch(line, /^ws-random: .* closed with /);
      }
    }),
);

testOnLinux(
  "a server whose workers are all dead drains at once",
  () =>
    withFaultyWorkers(async (server, port) => {
      const before = await listeners(port);
      const sockets = await openSockets(port, 32);
      await Promise.all(sockets.map((socket) => ask(socket, "reject")));
      for (const inode of before) await untilOneIsGone(port, [inode]);
      server.kill("SIGTERM");
      assertEquals(await server.end(), 0);
      dispose(sockets);
    }),
);

testOnLinux(
  "a worker that dies while it drains is said, and not replaced",
  () =>
    withFaultyWorkers(async (server, port) => {
      const [socket] = await openSockets(port, 1);
      let drains = false;
      const asking = (async () => { // it drains as long as this peer asks
        while (!drains) assertMatch(await ask(socket, "a") ?? "", /^a /);
        return await ask(socket, "die");
      })();
      server.kill("SIGTERM");
      // The other worker has nothing to wait for, and may reset what it had accepted.
      await eventually(async () =>
        drains = (await get(port, "/healthz").catch(String)).startsWith("503")
      );
      assertEquals(await asking, undefined);
      const [code, stderr] = await Promise.all([server.end(), server.stderr()]);
      assertEquals(code, 0);
      assertMatch(
        stderr,
        /^ws-random: 1 worker died: RangeError: a fault of the/,
      );
      dispose([socket]);
    }),
);

/** Workers that run this in place of a server. */
function workersOf(script: string, options: Partial<ServerOptions> = {}) {
  const module = `data:text/javascript,${encodeURIComponent(script)}`;
  const all = { ...defaults(serverCommand), workers: 2, ...options };
  return new Workers(module, all);
}

test("a worker that cannot be loaded is a failure to start", async () => {
  // In a process of its own, for Deno prints the error, too.
  const script = `
    import { Workers } from "./lib/server/workers.ts";
    const module = "data:text/javascript,throw new TypeError('a fault')";
    await new Workers(module, { workers: 2 }).start()
      .catch(({ message }) => console.log("no start:", message));`;
  const { code, stdout } = await run([Deno.execPath(), "eval", script]);
  assertEquals(code, 0);
  assertMatch(stdout, /^no start: .*a fault\n$/);
});

test("if one worker cannot start, the others are shut down", async () => {
  const module = new URL("../../lib/server/metrics.ts", import.meta.url).href;
  const script = `import { Metrics } from "${module}";
  onmessage = ({ data: [, memory, index] }) => {
    if (index > 0) return postMessage({ ended: "a fault of the test" });
    onmessage = () => {
      new Metrics(memory, index).accept(1); // a sign
      postMessage({});
    };
    postMessage({ url: "http://127.0.0.1:1/" });
  }`;
  const workers = workersOf(script);
  await assertRejects(() => workers.start(), Error, "a fault of the test");
  assertEquals(workers.metrics.connections, 1);
});

test("workers that do not end are ended a second after the grace", async () => {
  using clock = new Clock();
  const workers = workersOf(
    "onmessage = () => postMessage({ url: 'http://127.0.0.1:1/' })",
    { grace: 5000, drainDelay: 3000 },
  );
  await workers.start();
  assertEquals(workers.url, "http://127.0.0.1:1/");
  let ended = false;
  const stopped = workers.shutdown().then(() => ended = true);
  await clock.pass(8900);
  assertEquals(ended, false);
  await clock.pass(200);
  await stopped;
  assertEquals(clock.timers, 0);
});

test("workers that have ended are waited for no longer", async () => {
  using clock = new Clock();
  const script = `onmessage = () => {
    onmessage = () => postMessage({});
    postMessage({ url: "http://127.0.0.1:1/" });
  }`;
  const workers = workersOf(script);
  await workers.start();
  await workers.shutdown();
  assertEquals(clock.timers, 0);
});

testOnLinux("a drain is everybody's", async () => {
  const { server, port } = await serverProcess("--workers=2");
  await using _server = server;
  const sockets = await openSockets(port, 32);
  for (const socket of sockets) {
    assertMatch(await ask(socket, "a") ?? "", /^a /);
  }
  server.kill("SIGTERM");
  for (const socket of sockets) assertEquals(await socket.closeCode(), 1001);
  // They have not answered the close frame, so the server is still there.
  for (let i = 0; i < 16; i++) {
    assertMatch(await get(port, "/healthz"), /^503 {"status":"draining",/);
    using late = await RawSocket.connect(port);
    assertEquals((await late.request("GET /ws", HANDSHAKE)).status, 503);
  }
  const close = frame(8, new Uint8Array([1001 >> 8, 1001 & 255]));
  for (const socket of sockets) {
    await socket.write(close);
    socket.connection.closeWrite();
  }
  assertEquals(await server.end(), 0);
  assertMatch(
    server.stdout,
    /\nStopped after 32 connections and 32 requests\n$/,
  );
  dispose(sockets);
});

testOnLinux("several processes with several workers share a port", async () => {
  const args = ["--workers=2", "--reuse-port"];
  const first = await serverProcess(...args);
  await using _first = first.server;
  const second = await serverProcess(...args, `--port=${first.port}`);
  await using _second = second.server;
  assertEquals((await listeners(first.port)).length, 4);
});

testOnLinux("workers that cannot be started say why in one line", async () => {
  using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { server, port } = await serverProcess("--workers=2");
  await using _server = server;
  const taken = (port: number) =>
    new RegExp(`^ws-random: port ${port} of 127.0.0.1 is taken; [^\n]+\n$`);
  const range =
    /^ws-random: --workers: "[\w.]+" is not max or a whole number from 1 to 256; [^\n]+\n$/;
  const cases: [string[], number, RegExp][] = [
    [["--workers=2", `--port=${other.addr.port}`], 1, taken(other.addr.port)],
    [
      ["--workers=2", "--reuse-port", `--port=${other.addr.port}`],
      1,
      taken(other.addr.port),
    ],
    [["--workers=2", `--port=${port}`], 1, taken(port)],
    [
      ["--workers=2", "--host=203.0.113.1"],
      1,
      /^ws-random: cannot listen on 203\.0\.113\.1 [^\n]+\n$/,
    ],
    [
      ["--workers=2", "--cert=a.pem"],
      2,
      /^ws-random: --cert and --key go together; [^\n]+\n$/,
    ],
    ...["0", "x", "257", "MAX", "1.5"].map((
      text,
    ): [string[], number, RegExp] => [
      ["--port=0", `--workers=${text}`],
      2,
      range,
    ]),
  ];
  for (const [args, code, message] of cases) {
    // One that listens after all is ended, with status 0.
    const signal = AbortSignal.timeout(30_000);
    const result = await run([...task("server"), ...args], { signal });
    assertEquals([result.code, result.stdout], [code, ""], result.stderr);
    assertMatch(result.stderr, message);
  }
});
