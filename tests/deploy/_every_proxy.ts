/**
 * The tests of what holds behind every proxy of `deploy/`.
 *
 * @module
 */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import {
  makeCertificate,
  run,
  runClient,
  task,
} from "../../harness/process.ts";
import { encode, frame, HANDSHAKE, RawSocket } from "../../harness/sockets.ts";
import { eventually, PING, PONG, type Test } from "../../harness/helpers.ts";
import {
  type Proxy,
  type Running,
  type Setup,
  withProxy,
  withServerAt,
} from "./_proxy.ts";

/** Defines them for one proxy. */
export function testProxy(proxy: Proxy, test: Test): void {
  const { name } = proxy;
  const testBehind = (
    what: string,
    use: (running: Running) => Promise<void>,
    setup?: Setup,
  ) => test(what, () => withProxy(proxy, use, setup));

  test(`${name} serves the page, and 10,000 requests on 100 connections`, (t) =>
    withProxy(proxy, async (running) => {
      const step = (name: string, run: (running: Running) => Promise<void>) =>
        t.step(name, () => run(running));
      await step("each request is answered exactly once", answersOnce);
      await step("the page comes as the server sends it", handsOnPage);
      await step("the server's own page connects and no other", checksOrigin);
      await step("this machine sees /metrics", async ({ port }) => {
        assert((await get(port, "/metrics")).isMetrics);
      });
    }));

  test(`TLS is ended at ${name}`, () => endsTls(proxy));

  const elsewhere = (config: string) =>
    config.replace("127.0.0.0/8", "198.51.100.0/24");
  testBehind(`${name} hides /metrics from other machines`, async ({ port }) => {
    assertEquals(await status(port, "/healthz"), 200);
    // The server takes them all for the first one.
    for (
      const path of [
        "/metrics",
        "/metrics?x",
        "/x/../metrics",
        "/x/%2e%2e/metrics",
        "/x\\..\\metrics",
        `http://127.0.0.1:${port}/metrics`,
      ]
    ) assertEquals(await status(port, path), 403, path);
    for (const host of ["x/metrics?", "x\\metrics?"]) {
      assert(!(await get(port, "/", host)).isMetrics, host);
    }
  }, { change: elsewhere });

  testBehind(
    `${name} brings new connections past a server that drains`,
    async ({ port, servers }) => {
      // It drains as long as this peer does not answer its close frame.
      using _ = await RawSocket.open(servers[0].port);
      servers[0].server.kill("SIGTERM");
      await eventually(async () =>
        await status(servers[0].port, "/healthz") === 503
      );
      using open = new DisposableStack();
      let refused = 0;
      const began = performance.now();
      for (let i = 0; i < 20; i++) {
        const socket = open.use(await RawSocket.connect(port));
        const { status } = await socket.request("GET /ws", {
          ...HANDSHAKE,
          Host: `127.0.0.1:${port}`,
        });
        if (status !== 101) refused++;
      }
      const seconds = Math.ceil((performance.now() - began) / 1000);
      const most = proxy.refusals * seconds;
      assert(refused <= most, `${refused} of 20 were refused in ${seconds} s`);
      assertEquals(await status(servers[0].port, "/healthz"), 503);
    },
    { serverArgs: ["--grace=60"] },
  );

  test(`${name} tells the servers whose connection it is`, () =>
    namesThePeer(proxy));

  const inShort = (config: string) => config.replaceAll("10s", "1s");
  testBehind(`${name} cuts off a head that does not end`, async ({ port }) => {
    using socket = await RawSocket.connect(port);
    await socket.write(encode("GET / HTTP/1.1\r\nHost: "));
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      // Not `close`: that is for `using`.
      (socket.connection as Deno.TcpConn).closeWrite();
    }, 30_000);
    const end = new TextDecoder().decode(await socket.read(Infinity));
    clearTimeout(timer);
    assert(!late, "it waited for the rest");
    assert(end === "" || end.startsWith("HTTP/1.1 408 "), end);
  }, { change: inShort });
}

/** Seconds of silence after which a proxy ends a connection, here; and so much of it
 * until a server pings. */
const SILENCE = 4;
const PING_AFTER = 1.5;

/** What a client says of itself is not the last address that the servers read. */
async function namesThePeer(proxy: Proxy): Promise<void> {
  const forwarded: (string | null)[] = [];
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    ({ headers, url }) => {
      if (url.endsWith("/ws")) forwarded.push(headers.get("x-forwarded-for"));
      return new Response();
    },
  );
  const change = withServerAt(server.addr.port);
  await withProxy(proxy, async ({ port }) => {
    const said = { "X-Forwarded-For": "203.0.113.9" };
    await eventually(async () => {
      await handshake(port, { Host: `127.0.0.1:${port}`, ...said });
      return forwarded.length > 0;
    });
  }, { change });
  assertEquals(forwarded[0]?.split(/,\s*/).at(-1), "127.0.0.1");
}

/** Defines the test of a proxy that has a time limit for silence. */
export function testSilence(proxy: Proxy, test: Test): void {
  test(`${proxy.name} keeps a silent connection until its server is gone`, () =>
    withProxy(proxy, async ({ port, servers }) => {
      using socket = await RawSocket.open(port);
      // The last ping comes when a silent connection would have ended.
      for (let silent = 0; silent < SILENCE; silent += PING_AFTER) {
        assertEquals((await socket.frame())?.opcode, PING);
        await socket.write(frame(PONG, ""));
      }
      // A machine that vanishes says no more than this.
      for (const { server } of servers) server.kill("SIGSTOP");
      assertEquals(await socket.frame(), undefined);
    }, {
      change: (config) => config.replaceAll("60s", `${SILENCE}s`),
      serverArgs: [`--idle-timeout=${2 * PING_AFTER}`],
    }));
}

async function answersOnce({ port }: Running): Promise<void> {
  const { code, stdout, stderr } = await runClient(
    `ws://127.0.0.1:${port}/ws`,
    "--connections=100",
  );
  assertEquals(code, 0, stderr);
  const requests = stdout.trimEnd().split("\n").map((line) =>
    line.split(" ")[1]
  );
  assertEquals(requests.length, 10_000);
  assertEquals(new Set(requests).size, 10_000);
}

async function handsOnPage({ port, servers }: Running): Promise<void> {
  for (const path of ["/", "/app.js", "/style.css"]) {
    const [direct, proxied] = await Promise.all(
      [servers[0].port, port].map(async (port) => {
        const response = await fetch(`http://127.0.0.1:${port}${path}`);
        const headers = ["content-type", "content-security-policy", "etag"]
          .map((name) => response.headers.get(name));
        return [response.status, ...headers, await response.text()];
      }),
    );
    assertEquals(direct[0], 200);
    assertEquals(proxied, direct);
  }
}

async function checksOrigin({ port }: Running): Promise<void> {
  const own = `127.0.0.1:${port}`;
  const status = (headers: Record<string, string>) =>
    handshake(port, { Host: own, ...headers });
  assertEquals(await status({ Origin: `http://${own}` }), 101);
  assertEquals(await status({ Origin: "http://evil.example" }), 403);
  // The scheme is the proxy's to tell, whatever comes from outside.
  const https = { Origin: `https://${own}`, "X-Forwarded-Proto": "https" };
  assertEquals(await status(https), 403);
  const foreign = { Origin: `http://${own}`, Host: "evil.example" };
  assertNotEquals(await status(foreign), 101);
}

/** What a handshake is answered with. */
async function handshake(
  port: number,
  headers: Record<string, string>,
): Promise<number> {
  using socket = await RawSocket.connect(port);
  return (await socket.request("GET /ws", { ...HANDSHAKE, ...headers })).status;
}

/** Gets a path as it stands, which `fetch` would put in order. */
async function get(
  port: number,
  path: string,
  host = `127.0.0.1:${port}`,
): Promise<{ status: number; isMetrics: boolean }> {
  using socket = await RawSocket.connect(port);
  const { status, headers } = await socket.request(`GET ${path}`, {
    Host: host,
  });
  const type = headers.get("content-type");
  return { status, isMetrics: /version=0.0.4/.test(type ?? "") };
}

async function status(port: number, path: string): Promise<number> {
  return (await get(port, path)).status;
}

async function endsTls(proxy: Proxy): Promise<void> {
  const folder = await Deno.makeTempDir();
  const { cert, key } = await makeCertificate(folder);
  const caCerts = [await Deno.readTextFile(cert)];
  const change = (config: string) => proxy.withTls(config, cert, key);
  try {
    await withProxy(proxy, async ({ port }) => {
      const [deno, verb, ...rest] = task("client");
      const trust = ["--cert", cert];
      const url = `wss://127.0.0.1:${port}/ws`;
      const { code, stderr } = await run(
        [deno, verb, ...trust, ...rest, url, "-q"],
      );
      assertEquals(code, 0, stderr);

      // A page that came by https is the server's own, one by http is not.
      const own = `127.0.0.1:${port}`;
      for (const [scheme, status] of [["https", 101], ["http", 403]] as const) {
        const connection = await Deno.connectTls({
          hostname: "127.0.0.1",
          port,
          caCerts,
          alpnProtocols: ["h2", "http/1.1"],
        });
        using socket = new RawSocket(connection);
        // The proxy would hold each request whose answer its peer does not take.
        const { alpnProtocol } = await connection.handshake();
        assertNotEquals(alpnProtocol, "h2");
        const origin = { Host: own, Origin: `${scheme}://${own}` };
        const headers = { ...HANDSHAKE, ...origin };
        assertEquals((await socket.request("GET /ws", headers)).status, status);
      }
    }, { change });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
