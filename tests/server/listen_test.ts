// What the server listens on, and what peers may leave there.

import {
  assertEquals,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { defaults } from "../../lib/cli/flags.ts";
import {
  assertPortFree,
  Listener,
  listenError,
  whereText,
} from "../../lib/server/listen.ts";
import { Notices } from "../../lib/server/log.ts";
import { serverCommand, type ServerOptions } from "../../lib/server/options.ts";
import { freePort } from "../../harness/process.ts";
import { frame, RawSocket } from "../../harness/sockets.ts";
import { startServer } from "../../server.ts";
import {
  portOf,
  pureTest,
  test,
  testOnLinux,
  TEXT,
  withServer,
} from "../../harness/helpers.ts";
import { Clock } from "../../harness/clock.ts";

/** Requests that HTTP/2 allows on a connection, by Deno's default. */
const STREAMS = 200;

/** As many GETs of `/` by HTTP/2 (RFC 9113), in cleartext, of a peer that takes not a
 * byte of a body: its window is 0. */
function withoutWindow(): Uint8Array {
  const frame = (
    type: number,
    flags: number,
    stream: number,
    body: number[],
  ) => [
    0,
    0,
    body.length,
    type,
    flags,
    0,
    0,
    stream >> 8,
    stream & 255,
    ...body,
  ];
  const [HEADERS, SETTINGS, END, WINDOW_SIZE] = [1, 4, 5, 4];
  // HPACK's own numbers for GET, http and /, and `:authority: a`.
  const get = [0x82, 0x86, 0x84, 0x01, 1, 97];
  return new Uint8Array([
    ...new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ...frame(SETTINGS, 0, 0, [0, WINDOW_SIZE, 0, 0, 0, 0]),
    ...Array.from({ length: STREAMS })
      .flatMap((_, index) => frame(HEADERS, END, index * 2 + 1, get)),
  ]);
}

/** Reads the heads of so many responses, and returns the flags of their frames. */
async function heads(socket: RawSocket, responses: number): Promise<number[]> {
  const flags: number[] = [];
  while (flags.length < responses) {
    const [high, middle, low, type, flag] = await socket.read(9);
    await socket.read(high << 16 | middle << 8 | low);
    if (type === 1) flags.push(flag); // HEADERS
  }
  return flags;
}

test("HTTP/2 in cleartext leaves no body with a peer that takes none", () =>
  withServer({}, async (ws) => {
    using open = new DisposableStack();
    await Promise.all(Array.from({ length: 5 }, async () => {
      const socket = open.use(await RawSocket.connect(portOf(ws)));
      await socket.write(withoutWindow());
      for (const flags of await heads(socket, STREAMS)) {
        assertEquals(flags & 1, 1, "a body follows"); // END_STREAM
      }
    }));
    using socket = await RawSocket.open(portOf(ws));
    await socket.write(frame(TEXT, "still there"));
    assertEquals((await socket.frame())?.opcode, TEXT);
  }));

test("a check by HTTP/1.0 gets the status alone", () =>
  withServer({}, async (ws) => {
    const cases: [string, number][] = [
      ["/livez", 200],
      ["/readyz", 200],
      ["/healthz", 200],
      ["/", 400],
      ["/metrics", 400],
    ];
    for (const [path, status] of cases) {
      using socket = await RawSocket.connect(portOf(ws));
      const response = await socket.request(`GET ${path}`, {});
      assertEquals(response.status, status, path);
      assertEquals(response.headers.get("content-length") ?? "0", "0", path);
    }
  }));

test("clients that ask at once are all answered", () =>
  withServer({}, async (ws) => {
    const sockets = await Promise.all(
      Array.from({ length: 600 }, () => RawSocket.connect(portOf(ws))),
    );
    using open = new DisposableStack();
    for (const socket of sockets) open.use(socket);
    for (let round = 0; round < 2; round++) {
      await Promise.all(sockets.map(async (socket) => {
        const { status, headers } = await socket.request("GET /proof.js", {
          Host: "a",
        });
        assertEquals(status, 200);
        await socket.read(Number(headers.get("content-length")));
      }));
    }
  }));

/** A listener whose notices the test reads. */
function listen(options: Partial<ServerOptions>, route = () => new Response()) {
  const lines: string[] = [];
  const notices = new Notices("text", {
    write(bytes) {
      lines.push(new TextDecoder().decode(bytes));
      return Promise.resolve(bytes.length);
    },
  });
  const all = { ...defaults(serverCommand), port: 0, ...options };
  const listener = new Listener(all, undefined, notices, route);
  return { listener, notices, lines };
}

test("an exception is answered with 500, and told with its place", async () => {
  const { listener, notices, lines } = listen({}, () => {
    throw new Error("a fault of the test");
  });
  await using _ = notices;
  const response = await fetch(`http://127.0.0.1:${listener.address.port}/`);
  assertEquals(
    [response.status, await response.text()],
    [500, "internal error\n"],
  );
  await listener.shutdown();
  assertEquals(lines.length, 1);
  assertMatch(
    lines[0],
    /^ws-random: 1 request answered with 500: Error: a fault of the test at .*listen_test/,
  );
});

test("a listener whose server ends listens again, until it is shut down", async () => {
  using clock = new Clock();
  using own = new DisposableStack();
  const { serve } = Deno;
  own.defer(() => Object.assign(Deno, { serve }));
  /** The servers that were started, and what makes each end. */
  const servers: [Deno.HttpServer, end: (error: Error) => void][] = [];
  const start = (...args: Parameters<typeof serve>) => {
    const server = serve(...args);
    const { promise, reject } = Promise.withResolvers<void>();
    servers.push([server, reject]);
    return {
      addr: server.addr,
      finished: promise,
      shutdown: () => server.shutdown(),
    };
  };
  Object.assign(Deno, { serve: start });

  const { listener, notices, lines } = listen({});
  await using _ = notices;
  const { port } = listener.address;
  servers[0][1](new Error("no descriptors"));
  await clock.pass(1);
  assertEquals(lines, [
    "ws-random: cannot take connections: no descriptors; trying again; for " +
    "more file descriptors raise `ulimit -n`\n",
  ]);
  await clock.pass(1000);
  assertEquals(servers.length, 1, "the port is still taken");
  await servers[0][0].shutdown();
  await clock.pass(1000);
  assertEquals(servers.length, 2);
  const { status, body } = await fetch(`http://127.0.0.1:${port}/`);
  await body?.cancel();
  assertEquals(status, 200);

  servers[1][1](new Error("no descriptors, again"));
  await clock.pass(1);
  await listener.shutdown();
  await clock.pass(1000);
  assertEquals(servers.length, 2);
});

test("what ends a listener that is shut down is not told", async () => {
  using clock = new Clock();
  const { listener, lines } = listen({});
  await listener.shutdown();
  await clock.pass(1000);
  assertEquals([lines, clock.timers], [[], 0]);
});

test("a port that is taken is refused, and one that is free is not", async () => {
  const port = freePort();
  const { listener } = listen({ port });
  const options = { ...defaults(serverCommand), port };
  const message =
    `port ${port} of 127.0.0.1 is taken; choose another with --port`;
  assertThrows(() => assertPortFree(options), Error, message);
  assertThrows(() => listen({ port }), Error, message);
  await listener.shutdown();
  assertPortFree(options);
  await listen({ port }).listener.shutdown();
});

test("a port is shared on Linux only", async () => {
  const { build } = Deno;
  const is = (value: typeof build) =>
    Object.defineProperty(Deno, "build", { value, configurable: true });
  using own = new DisposableStack();
  own.defer(() => is(build));
  is({ ...build, os: "darwin" });
  const cases: [Partial<ServerOptions>, string][] = [
    [{ workers: 2 }, "--workers"],
    [{ workers: 2, reusePort: true }, "--workers"],
    [{ reusePort: true }, "--reuse-port"],
  ];
  for (const [options, name] of cases) {
    await assertRejects(
      () => startServer({ port: 0, ...options }),
      Error,
      `${name} works on Linux only, not on darwin; give each process a port`,
    );
  }
  await (await startServer({ port: 0 })).shutdown();
});

pureTest("listenError() says what to do", () => {
  const { AddrInUse, PermissionDenied, AddrNotAvailable } = Deno.errors;
  const cases: [Error, string][] = [
    [new AddrInUse("x"), "port 80 of ::1 is taken; choose another with --port"],
    [
      new PermissionDenied("x"),
      "port 80 of ::1 is for privileged programs; choose one from 1024 on, put " +
      "a proxy in front, or under systemd set " +
      "AmbientCapabilities=CAP_NET_BIND_SERVICE",
    ],
    [new AddrNotAvailable("x"), "cannot listen on ::1 port 80: x"],
  ];
  for (const [error, message] of cases) {
    assertEquals(
      listenError(error, { host: "::1", port: 80 }).message,
      message,
    );
  }
});

testOnLinux("the link can be opened whatever --host is", async () => {
  const hosts = [
    ["127.0.0.1", "127.0.0.1", ""],
    ["localhost", "localhost", ""],
    ["::1", "[::1]", ""],
    ["0.0.0.0", "127.0.0.1", " and every other address of this machine"],
    ["::", "[::1]", " and every other address of this machine"],
  ];
  for (const [host, link, more] of hosts) {
    await withServer({ host }, async (_, { url }) => {
      assertEquals(new URL(url).hostname, link);
      const options = { ...defaults(serverCommand), host };
      assertEquals(whereText(url, options), `${url}${more}`);
      const { ok, body } = await fetch(url);
      assertEquals(ok, true);
      await body?.cancel();
    });
  }
});
