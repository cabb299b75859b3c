// Who is let in by the opening handshake, over real connections.

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { HANDSHAKE } from "../../harness/sockets.ts";
import { defaults } from "../../lib/cli/flags.ts";
import { Metrics } from "../../lib/server/metrics.ts";
import { startServer } from "../../server.ts";
import { memoryLimit } from "../../lib/server/memory.ts";
import { serverCommand } from "../../lib/server/options.ts";
import {
  DRAINING,
  full,
  peerOf,
  type Refusal,
  refusal,
} from "../../lib/server/handshake.ts";
import {
  eventually,
  handshake,
  next,
  pureTest,
  test,
  withServer,
} from "../../harness/helpers.ts";
import { Clock } from "../../harness/clock.ts";

test("the handshake of RFC 6455, on /ws and /", () =>
  withServer({}, async (ws) => {
    for (const line of ["GET /ws", "GET /", "GET /ws?x=1", "GET /ws/7"]) {
      const { status, headers } = await handshake(ws, {}, line);
      assertEquals(status, 101);
      // RFC 6455 section 1.3
      assertEquals(
        headers.get("sec-websocket-accept"),
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
      );
      assertEquals(headers.get("sec-websocket-protocol"), null);
      assertEquals(headers.get("sec-websocket-extensions"), null);
    }
    const spelt = await handshake(ws, {
      Connection: "keep-alive, UPGRADE",
      Upgrade: "WebSocket",
    });
    assertEquals(spelt.status, 101);
    // White space in a list is optional (RFC 9110 section 5.6.1), the case of a
    // subprotocol is not.
    for (
      const [offered, spoken] of [
        ["ws-random.lines", "ws-random.lines"],
        ["foo,ws-random.lines", "ws-random.lines"],
        ["ws-random.lines ,\tfoo", "ws-random.lines"],
        ["foo,\tws-random.lines\t", "ws-random.lines"],
        ["foo,, ,ws-random.lines", "ws-random.lines"],
        ["ws-random.lines,", "ws-random.lines"],
        ["foo", null],
        ["WS-Random.Lines", null],
      ] as const
    ) {
      const { status, headers } = await handshake(ws, {
        "Sec-WebSocket-Protocol": offered,
      });
      assertEquals(status, 101, offered);
      assertEquals(headers.get("sec-websocket-protocol"), spoken, offered);
    }
  }));

const UPGRADE = ["Upgrade", "websocket"];
const CONNECTION = ["Connection", "Upgrade"];

test("a handshake that is wrong is refused", () =>
  withServer({}, async (ws) => {
    for (const version of ["12", "8", "0", "13, 8", "", undefined]) {
      const { status, headers } = await handshake(ws, {
        "Sec-WebSocket-Version": version,
      });
      assertEquals(status, 426, version);
      assertEquals(headers.get("sec-websocket-version"), "13");
    }
    const keys = [
      undefined,
      "",
      "short",
      `A${HANDSHAKE["Sec-WebSocket-Key"]}`,
      `${HANDSHAKE["Sec-WebSocket-Key"]}A`,
      "dGhlIHNhbXBsZSBub25jZQ", // no padding
      "dGhlIHNhbXBsZSBub25jZS4=", // 17 bytes
      "dGhlIHNhbXBsZSBub25jZR==", // bits that no byte has
      "dGhlIHNhbXBsZSBub25j!Q==",
    ];
    for (const key of keys) {
      const { status } = await handshake(ws, { "Sec-WebSocket-Key": key });
      assertEquals(status, 400, key);
    }
    assertEquals((await handshake(ws, { Upgrade: undefined })).status, 426);
    for (const upgrade of ["h2c", "h2c, websocket", "websocket,websocket"]) {
      const { status, headers } = await handshake(ws, { Upgrade: upgrade });
      assertEquals(status, 426, upgrade);
      assertEquals(headers.get("upgrade"), "websocket");
    }
    // HTTP has two blanks (RFC 9110 section 5.6.3); these are others.
    for (const other of ["\xa0", "\x85"]) {
      for (const [name, token] of [UPGRADE, CONNECTION]) {
        for (const text of [`${token}${other}`, `x, ${other}${token}`]) {
          const { status } = await handshake(ws, { [name]: text });
          assertEquals(status, 426, JSON.stringify(text));
        }
      }
    }
    for (const host of [undefined, "[", "a b", "x/ws?", "u@x", "x:99999"]) {
      const { status } = await handshake(ws, { Host: host });
      assertEquals(status, 400, host);
    }
    assertEquals((await handshake(ws, { Connection: "close" })).status, 426);
    assertEquals((await handshake(ws, {}, "POST /ws")).status, 405);
    assertEquals((await handshake(ws, {}, "GET /other")).status, 404);
  }));

test("an Origin is let in if it is the server's own or allowed", async () => {
  await withServer(
    { allowOrigin: ["https://allowed.example"] },
    async (ws) => {
      const { host } = new URL(ws);
      const cases: [Record<string, string | undefined>, number][] = [
        [{}, 101],
        [{ Host: host, Origin: `http://${host}` }, 101],
        [{ Host: "localhost:80", Origin: "http://localhost" }, 101],
        [{ Host: "x.example", Origin: "http://x.example" }, 403],
        [{ Origin: "https://allowed.example" }, 101],
        [{ Host: host, Origin: `https://${host}` }, 403],
        [{ Host: host, Origin: "http://evil.example" }, 403],
        [{ Host: host, Origin: `http://${host}.evil.example` }, 403],
        [{ Host: host, Origin: "http://127.0.0.1" }, 403],
        [{ Host: host, Origin: "null" }, 403],
        [{ Host: "", Origin: "null" }, 403],
        [{ Host: host, Origin: "null", "X-Forwarded-Proto": "foo" }, 403],
        // What is none of the web's is not believed.
        [{
          Host: host,
          Origin: `http://${host}`,
          "X-Forwarded-Proto": "evil://x",
        }, 101],
        [{
          Host: "x.example",
          Origin: "http://x.example",
          "X-Forwarded-Proto": "evil",
        }, 403],
        // Not this machine's names.
        ...["localhost.evil.example", "notlocalhost", "127.0.0.1.evil.example"]
          .map((Host): [Record<string, string>, number] => [
            { Host, Origin: `http://${Host}` },
            403,
          ]),
        [{ Host: "a.localhost", Origin: "http://a.localhost" }, 101],
        [{ Origin: "http://allowed.example" }, 403],
        // TLS ended at a proxy
        [{
          "X-Forwarded-Proto": "https",
          Host: "x.example",
          Origin: "https://x.example",
        }, 101],
        [{
          "X-Forwarded-Proto": "https",
          Host: "x.example",
          Origin: "http://x.example",
        }, 403],
      ];
      for (const [headers, status] of cases) {
        const response = await handshake(ws, headers);
        assertEquals(response.status, status, JSON.stringify(headers));
      }
    },
  );
  await withServer({ allowOrigin: ["*"] }, async (ws) => {
    const { status } = await handshake(ws, { Origin: "http://any.example" });
    assertEquals(status, 101);
  });
});

test("each reason to refuse a handshake is counted by its name", () =>
  withServer({ maxConnections: 1 }, async (ws, { metrics }) => {
    const refused: [string, Record<string, string>, string?][] = [
      ["method", {}, "POST /ws"],
      ["upgrade", { Upgrade: "h2c" }],
      ["version", { "Sec-WebSocket-Version": "12" }],
      ["key", { "Sec-WebSocket-Key": "x" }],
      ["host", { Host: "[" }],
      ["origin", { Origin: "https://a.example" }],
      ["full", {}],
      ["draining", {}],
    ];
    const open = new WebSocket(ws);
    await next(open, "open");
    const counts: Record<string, number> = {};
    for (const [reason, changes, line] of refused) {
      counts[reason] = 0;
      if (reason === "draining") continue; // see drain_test.ts
      await handshake(ws, changes, line);
      counts[reason] = 1;
      const counted = [
        ...String(metrics).matchAll(
          /^ws_random_refusals_total\{reason="(\w+)"\} (\d+)$/gm,
        ),
      ].map(([, reason, count]) => [reason, Number(count)]);
      for (const [reason, count] of counted) {
        assertEquals(count, counts[reason] ?? 0, String(reason));
      }
      assertEquals(counted.length, refused.length);
    }
    open.close();
    await next(open, "close");
  }));

pureTest("refusal() tells what came, what was expected and what to do", () => {
  const long = "x".repeat(200);
  const cut = `${"x".repeat(99)}…`;
  const remedy = "set X-Forwarded-Proto in the proxy or --allow-origin";
  const cases: [Record<string, string>, Omit<Refusal, "reason">][] = [
    [{ Upgrade: "h2c" }, {
      status: 426,
      message: "this is a WebSocket endpoint; the page is at /",
      headers: { upgrade: "websocket", connection: "Upgrade" },
    }],
    [{ Upgrade: `${long}, websocket` }, {
      status: 426,
      message: `Upgrade must be websocket alone, not "${cut}"`,
      headers: { upgrade: "websocket", connection: "Upgrade" },
    }],
    [{ "Sec-WebSocket-Version": long }, {
      status: 426,
      message: `Sec-WebSocket-Version must be 13, not "${cut}"`,
      headers: { "sec-websocket-version": "13" },
    }],
    [{ "Sec-WebSocket-Key": long }, {
      status: 400,
      message: `Sec-WebSocket-Key must be 16 bytes of base64, not "${cut}"`,
    }],
    [{ Origin: "https://a.example" }, {
      status: 403,
      message: "page of https://a.example, but this server is " +
        `http://127.0.0.1; ${remedy}`,
    }],
    [{ Origin: "https://a.example", Host: "b.example" }, {
      status: 403,
      message: "page of https://a.example, but this server listens on this " +
        `machine only and is not b.example; ${remedy}`,
    }],
    [{ Origin: "null", "X-Forwarded-Proto": "evil://x" }, {
      status: 403,
      message: "page of null, but this server is http://127.0.0.1; " + remedy,
    }],
    [{ Host: `${long}/` }, {
      status: 400,
      message: `Host must be a host, not "${cut}"`,
    }],
    [{ Origin: "https://a.example", Host: "" }, {
      status: 403,
      message: "page of https://a.example, but this server is not named in " +
        `Host; ${remedy}`,
    }],
  ];
  const admission = {
    scheme: "http",
    loopback: true,
    allowOrigin: [],
  } as const;
  for (const [changes, expected] of cases) {
    const headers = { ...HANDSHAKE, ...changes };
    const request = new Request("http://127.0.0.1/ws", { headers });
    const { reason: _, ...actual } = refusal(request, admission)!;
    assertEquals(actual, expected);
  }
  const headers = new Headers(HANDSHAKE);
  headers.delete("host");
  const nameless = new Request("http://127.0.0.1/ws", { headers });
  assertEquals(refusal(nameless, admission), {
    reason: "host",
    status: 400,
    message: "a handshake must have a Host header",
  });
  const post = new Request("http://127.0.0.1/ws", { method: "POST" });
  assertEquals(refusal(post, admission), {
    reason: "method",
    status: 405,
    message: "a WebSocket is opened with GET, not POST",
    headers: { allow: "GET" },
  });
  assertEquals(full(7), {
    reason: "full",
    status: 503,
    message:
      "all 7 connections are in use; try again later, or raise --max-connections",
    headers: { "retry-after": "1" },
  });
  assertEquals(DRAINING, {
    reason: "draining",
    status: 503,
    message: "this server shuts down; connect again to reach another",
    headers: { "retry-after": "1" },
  });
});

pureTest("peerOf() names the last address that the proxy there tells", () => {
  const peer = (forwarded?: string) =>
    peerOf(
      new Request("http://a/", {
        headers: forwarded === undefined
          ? {}
          : { "x-forwarded-for": forwarded },
      }),
      "127.0.0.1",
    );
  assertEquals(peer(), "127.0.0.1");
  assertEquals(peer(""), "127.0.0.1");
  assertEquals(peer("a,b"), "b by way of 127.0.0.1");
  assertEquals(peer("203.0.113.7"), "203.0.113.7 by way of 127.0.0.1");
  assertEquals(peer("a, 2001:db8::1 "), "2001:db8::1 by way of 127.0.0.1");
  assertEquals(
    peer("x".repeat(100)),
    `${"x".repeat(59)}… by way of 127.0.0.1`,
  );
});

test("past --max-connections 503, until one closes", () =>
  withServer({ maxConnections: 2 }, async (ws) => {
    const first = new WebSocket(ws);
    const second = new WebSocket(ws);
    await Promise.all([next(first, "open"), next(second, "open")]);

    const { status, headers } = await handshake(ws, {});
    assertEquals(status, 503);
    assertMatch(headers.get("retry-after") ?? "", /^\d+$/);

    first.close();
    await next(first, "close");
    await eventually(async () => (await handshake(ws, {})).status === 101);
    second.close();
    await next(second, "close");
  }));

/** Puts something of Deno's own in another's place, until it is disposed of. */
function replace(name: "memoryUsage" | "upgradeWebSocket", by: unknown) {
  const before = Deno[name];
  Object.assign(Deno, { [name]: by });
  return { [Symbol.dispose]: () => Object.assign(Deno, { [name]: before }) };
}

test("a process that takes more memory than its limit refuses", () =>
  withServer({}, async (ws, { metrics }) => {
    const limit = memoryLimit(defaults(serverCommand), metrics.workers);
    const usage = Deno.memoryUsage();
    let rss = limit;
    using _ = replace("memoryUsage", () => ({ ...usage, rss }));
    assertEquals((await handshake(ws, {})).status, 101);
    rss = limit + 1;
    const { status, headers } = await handshake(ws, {});
    assertEquals([status, headers.get("retry-after")], [503, "1"]);
    assertStringIncludes(`${metrics}`, 'refusals_total{reason="full"} 1\n');
    assertEquals(metrics.connections, 1);
  }));

test("a handshake that Deno cannot complete is answered with 500, and not open", () =>
  withServer({}, async (ws, { metrics }) => {
    using _ = replace("upgradeWebSocket", () => {
      throw new TypeError("a fault of the test");
    });
    assertEquals((await handshake(ws, {})).status, 500);
    assertEquals([metrics.connections, metrics.open], [1, 0]);
    assertEquals(metrics.closes(1011), 1);
  }));

test("a peer that opens late is counted again, if there is room", async () => {
  using clock = new Clock();
  const options = { port: 0, maxConnections: 1, grace: 600_000 };
  const server = await startServer(options, new Metrics(Metrics.memory(64)));
  const { metrics } = server;
  const ws = `${server.url.replace("http", "ws")}ws`;
  const closes: number[] = [];
  const socket = {
    bufferedAmount: 0,
    readyState: WebSocket.OPEN,
    close: (code: number) => closes.push(code),
  } as unknown as WebSocket;
  const upgrade = { socket, response: new Response() };
  for (const room of [false, true]) {
    {
      using _ = replace("upgradeWebSocket", () => upgrade);
      assertEquals((await handshake(ws, {})).status, 200);
    }
    assertEquals(metrics.open, 1);
    await clock.pass(5000);
    assertEquals(metrics.open, 0);
    const other = room ? undefined : new WebSocket(ws);
    if (other) await next(other, "open");
    socket.onopen?.(new Event("open"));
    assertEquals([metrics.open, closes], [1, [1013]]);
    if (!other) break;
    other.close();
    await next(other, "close");
    await eventually(() => metrics.open === 0);
  }
  assertEquals(metrics.closes(1006), 2);
  const stopped = server.shutdown();
  await eventually(async () => {
    await clock.pass(500);
    return closes.length > 1;
  });
  assertEquals(closes, [1013, 1001]);
  socket.onclose?.(new CloseEvent("close", { code: 1001, wasClean: true }));
  await stopped;
  assertEquals(metrics.closes(1001), 1);
});

test("a server that others can reach takes any Host for its own", async () => {
  for (const host of ["0.0.0.0", "::"]) {
    await withServer({ host }, async (ws) => {
      const own = { Host: "x.example", Origin: "http://x.example" };
      assertEquals((await handshake(ws, own)).status, 101, host);
    });
  }
});
