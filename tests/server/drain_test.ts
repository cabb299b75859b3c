// A server that shuts down: it answers what has arrived, and tells every peer.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Process, serverProcess, task } from "../../harness/process.ts";
import { encode, frame, HANDSHAKE, RawSocket } from "../../harness/sockets.ts";
import { startServer } from "../../server.ts";
import { parseResponse } from "../../static/proof.js";
import {
  BINARY,
  eventually,
  portOf,
  test,
  TEXT,
} from "../../harness/helpers.ts";

const numbered = (count: number) =>
  Array.from({ length: count }, (_, i) => `Message ${i + 1}`);

for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
  test(`${signal}: what has arrived is answered, close 1001, exit 0`, async () => {
    const { server, url, port } = await serverProcess();
    await using _ = server;
    const sockets = await Promise.all(
      Array.from({ length: 5 }, () => RawSocket.open(port)),
    );
    for (const socket of sockets) {
      for (const text of numbered(500)) await socket.write(frame(TEXT, text));
    }
    server.kill(signal);
    for (const socket of sockets) {
      for (const request of numbered(500)) {
        const { opcode, payload } = (await socket.frame())!;
        assertEquals(opcode, TEXT, request);
        assert(parseResponse(request, new TextDecoder().decode(payload)));
      }
      assertEquals(await socket.closeCode(), 1001);
      socket[Symbol.dispose]();
    }
    assertEquals(await server.end(), 0);
    assertMatch(
      server.stdout,
      /^Listening on \S+\nStopped after 5 connections and 2500 requests\n$/,
    );
    assert(await fetch(url).then(() => false, () => true), "it listens still");
  });
}

test("50 peers that ask one by one without a pause all see 1001", async () => {
  const server = await startServer({ port: 0, grace: 1000 });
  const peers = Array.from({ length: 50 }, async () => {
    using socket = await RawSocket.open(portOf(server.url));
    for (;;) {
      await socket.write(frame(TEXT, "and one more"));
      const { opcode, payload } = await socket.frame() ?? {};
      if (opcode !== TEXT) return payload?.join();
    }
  });
  await eventually(() => server.metrics.requests > 1000);
  const stopped = server.shutdown();
  const goingAway = [3, 233, ...encode("server shuts down")].join();
  assertEquals(await Promise.all(peers), new Array(50).fill(goingAway));
  await stopped;
});

test("peers that go on asking with 1,000 requests in flight all see 1001", async () => {
  const server = await startServer({ port: 0, grace: 4000 });
  const one = frame(TEXT, "and one more");
  const peers = Array.from({ length: 5 }, async () => {
    using socket = await RawSocket.open(portOf(server.url));
    const window = await new Blob(new Array(1000).fill(one)).bytes();
    await socket.write(window);
    for (;;) {
      const { opcode, payload } = await socket.frame() ?? {};
      if (opcode !== TEXT) return payload?.slice(0, 2).join();
      await socket.write(one);
    }
  });
  await eventually(() => server.metrics.requests > 10_000);
  const stopped = server.shutdown();
  assertEquals(await Promise.all(peers), new Array(5).fill("3,233"));
  await stopped;
});

test("a fault during a drain keeps its own code", async () => {
  const server = await startServer({ port: 0 });
  const port = portOf(server.url);
  using busy = await RawSocket.open(port);
  using faulty = await RawSocket.open(port);
  await faulty.write(frame(TEXT, "before"));
  assertEquals((await faulty.frame())?.opcode, TEXT);
  const stopped = server.shutdown();
  await faulty.write(frame(BINARY, "x"));
  assertEquals(await faulty.closeCode(), 1003);
  assertEquals(await busy.closeCode(), 1001);
  for (const socket of [busy, faulty]) socket.connection.closeWrite();
  await stopped;
  assertEquals(server.metrics.closes(1003), 1);
  assertEquals(server.metrics.closes(1001), 1);
});

test("a peer that dies during a drain is counted as ended without a close frame", async () => {
  const server = await startServer({ port: 0 });
  const dying = await RawSocket.open(portOf(server.url));
  using stays = await RawSocket.open(portOf(server.url));
  const stopped = server.shutdown();
  dying[Symbol.dispose]();
  assertEquals(await stays.closeCode(), 1001);
  stays.connection.closeWrite();
  await stopped;
  assertEquals([server.metrics.closes(1006), server.metrics.closes(1001)], [
    1,
    1,
  ]);
});

test("SIGTERM right after the line that it listens is a shutdown like any other", async () => {
  for (let round = 0; round < 8; round++) {
    await using server = new Process([...task("server"), "--port=0"]);
    await server.until(/^Listening/); // not even the whole line
    server.kill("SIGTERM");
    assertEquals(await server.end(), 0);
    assertMatch(
      server.stdout,
      /\nStopped after no connection and no request\n$/,
    );
  }
});

test("peers that never stop or close do not keep it beyond --grace", async () => {
  const { server, port } = await serverProcess("--grace=1");
  await using _ = server;
  using silent = await RawSocket.open(port); // will not answer the close
  using half = await RawSocket.connect(port); // of a request
  await half.write(encode("GET / HTTP/1.1\r\nHos"));
  using busy = await RawSocket.open(port);
  const sending = (async () => {
    for (;;) {
      await busy.write(frame(TEXT, "on and on").slice());
      await busy.frame();
    }
  })().catch(() => {});
  server.kill("SIGTERM");
  assertEquals(await server.end(), 0);
  assertEquals(await silent.closeCode(), 1001);
  await sending;
});

test("while it drains new handshakes get 503 and are told why", async () => {
  const { server, url, port } = await serverProcess("--grace=600");
  await using _ = server;
  using silent = await RawSocket.open(port);
  server.kill("SIGTERM");
  assertEquals(await silent.closeCode(), 1001);
  const late = await fetch(`${url}ws`, { headers: HANDSHAKE });
  assertEquals(late.status, 503);
  assertMatch(await late.text(), /shuts down/);
  const health = await fetch(`${url}healthz`);
  assertEquals(health.status, 503);
  assertEquals((await health.json()).status, "draining");
  assertEquals(await probe(url, "readyz"), 503);
  assertEquals(await probe(url, "livez"), 200);
  const metrics = await (await fetch(`${url}metrics`)).text();
  assertMatch(metrics, /refusals_total\{reason="draining"\} 1\n/);
  assertMatch(metrics, /refusals_total\{reason="full"\} 0\n/);
});

test("--drain-delay: it is not ready, and serves as before", async () => {
  const { server, url, port } = await serverProcess("--drain-delay=10m");
  await using _ = server;
  assertEquals(await probe(url, "readyz"), 200);
  server.kill("SIGTERM");
  await eventually(async () => await probe(url, "readyz") === 503);
  assertEquals(await probe(url, "livez"), 200);
  assertEquals(await probe(url, "healthz"), 503);
  using late = await RawSocket.open(port);
  await late.write(frame(TEXT, "still there"));
  assertEquals((await late.frame())?.opcode, TEXT);
  // The next signal ends it at once.
  const again = setInterval(() => server.kill("SIGTERM"), 100);
  const code = await server.end();
  clearInterval(again);
  assertEquals(code, 143);
});

/** The status of a path for load balancers. */
async function probe(url: string, path: string): Promise<number> {
  const { status, body } = await fetch(`${url}${path}`);
  await body?.cancel();
  return status;
}

test("a signal after that exits at once, but for the echo of the first", async () => {
  const { server, port } = await serverProcess("--grace=600");
  await using _ = server;
  using silent = await RawSocket.open(port);
  server.kill("SIGTERM");
  server.kill("SIGTERM"); // as npx and `deno task` do
  assertEquals(await silent.closeCode(), 1001); // it is shutting down
  const again = setInterval(() => server.kill("SIGTERM"), 100);
  const code = await server.end();
  clearInterval(again);
  assertEquals(code, 143);
});
