// Design D4: every row, over real connections.

import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
} from "@std/assert";
import config from "../deno.json" with { type: "json" };
import { NO_PERMISSIONS } from "../harness/process.ts";
import { HANDSHAKE, RawSocket } from "../harness/sockets.ts";
import { eventually, next, withServer } from "./helpers.ts";

const ignore = NO_PERMISSIONS;

const ASSETS: Record<string, string> = {
  "/": "text/html; charset=utf-8",
  "/app.js": "text/javascript; charset=utf-8",
  "/connection.js": "text/javascript; charset=utf-8",
  "/element.js": "text/javascript; charset=utf-8",
  "/many.js": "text/javascript; charset=utf-8",
  "/one.js": "text/javascript; charset=utf-8",
  "/proof.js": "text/javascript; charset=utf-8",
  "/style.css": "text/css; charset=utf-8",
  "/favicon.svg": "image/svg+xml",
};

/** Fetches and checks the headers that every response carries. */
async function get(
  url: string | URL,
  init?: RequestInit,
): Promise<{ status: number; headers: Headers; body: string }> {
  const response = await fetch(url, init);
  checkHeaders(response.headers);
  const { status, headers } = response;
  return { status, headers, body: await response.text() };
}

function checkHeaders(headers: Headers) {
  const policy = headers.get("content-security-policy") ?? "";
  assertMatch(policy, /^default-src 'none';/);
  assertEquals(/unsafe|\*|data:/.test(policy), false, policy);
  const rest = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
  };
  for (const [name, value] of Object.entries(rest)) {
    assertEquals(headers.get(name), value, name);
  }
}

const withHttp = (
  options: Parameters<typeof withServer>[0],
  use: (base: string, ws: string) => Promise<void>,
) => withServer(options, (ws) => use(ws.replace(/^ws(.*)ws$/, "http$1"), ws));

Deno.test(
  "GET and HEAD of an asset, and 304 on a match",
  { ignore },
  () =>
    withHttp({}, async (base) => {
      const tags = new Set<string>();
      for (const [path, type] of Object.entries(ASSETS)) {
        const url = new URL(path, base);
        const full = await get(url);
        assertEquals(full.status, 200);
        assertEquals(full.headers.get("content-type"), type);
        assert(full.body.length > 100);

        const etag = full.headers.get("etag") ?? "";
        assertMatch(etag, /^"[^"]+"$/); // strong
        tags.add(etag);

        const head = await get(url, { method: "HEAD" });
        assertEquals(head.status, 200);
        assertEquals(head.body, "");
        assertEquals(head.headers.get("etag"), etag);
        assertEquals(
          Number(head.headers.get("content-length")),
          new TextEncoder().encode(full.body).length,
        );

        for (const match of [etag, `"other", ${etag}`, `W/${etag}`, "*"]) {
          const cached = await get(url, {
            headers: { "if-none-match": match },
          });
          assertEquals(cached.status, 304, match);
          assertEquals(cached.body, "");
          assertEquals(cached.headers.get("etag"), etag);
        }
        const stale = await get(url, { headers: { "if-none-match": '"x"' } });
        assertEquals(stale.status, 200);
      }
      assertEquals(tags.size, Object.keys(ASSETS).length);
    }),
);

Deno.test(
  "the page names the version and holds no inline code",
  { ignore },
  () =>
    withHttp({}, async (base) => {
      const { body } = await get(base);
      assert(body.includes(`ws-random ${config.version}`));
      assertEquals(
        /<style|style=|\son\w+=|<script(?![^>]*src)/.test(body),
        false,
      );
      assertEquals(/https?:\/\//.test(body), false, "a third party");
    }),
);

Deno.test(
  "404, 405 with Allow, 426",
  { ignore },
  () =>
    withHttp({}, async (base) => {
      for (
        const path of ["/nothing", "/app.js/", "/static/app.js", "/..%2fx"]
      ) {
        assertEquals((await get(base + path.slice(1))).status, 404, path);
      }
      for (const path of ["/", "/app.js", "/healthz", "/metrics"]) {
        for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
          const { status, headers } = await get(new URL(path, base), {
            method,
          });
          assertEquals(status, 405, `${method} ${path}`);
          assertEquals(headers.get("allow"), "GET, HEAD");
        }
      }
      const plain = await get(`${base}ws`);
      assertEquals(plain.status, 426);
      assertEquals(plain.headers.get("upgrade"), "websocket");
      const posted = await get(`${base}ws`, { method: "POST", body: "x" });
      assertEquals(posted.status, 405);
      assertEquals(posted.headers.get("allow"), "GET");
    }),
);

/** The response to a handshake with these changes. */
async function handshake(
  ws: string,
  changes: Record<string, string | undefined>,
  line = "GET /ws",
) {
  using socket = await RawSocket.connect(Number(new URL(ws).port));
  const headers = Object.entries({ ...HANDSHAKE, ...changes })
    .filter((entry): entry is [string, string] => entry[1] !== undefined);
  const response = await socket.request(line, Object.fromEntries(headers));
  checkHeaders(response.headers);
  return response;
}

Deno.test(
  "the handshake of RFC 6455, on /ws and /",
  { ignore },
  () =>
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
        Upgrade: "h2c, WebSocket",
      });
      assertEquals(spelt.status, 101);
      // White space in a list is optional (RFC 9110 section 5.6.1), the case of a
      // subprotocol is not.
      for (
        const [offered, spoken] of [
          ["ws-random.lines", "ws-random.lines"],
          ["foo,ws-random.lines", "ws-random.lines"],
          ["ws-random.lines ,\tfoo", "ws-random.lines"],
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
    }),
);

Deno.test(
  "a handshake that is wrong is refused",
  { ignore },
  () =>
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
      assertEquals((await handshake(ws, { Upgrade: "h2c" })).status, 426);
      assertEquals((await handshake(ws, { Connection: "close" })).status, 426);
      assertEquals((await handshake(ws, {}, "POST /ws")).status, 405);
      assertEquals((await handshake(ws, {}, "GET /other")).status, 404);
    }),
);

Deno.test("an Origin is let in if it is the server's own or allowed", {
  ignore,
}, async () => {
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

Deno.test(
  "past --max-connections 503, until one closes",
  { ignore },
  () =>
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
    }),
);

Deno.test(
  "/healthz tells the connections open",
  { ignore },
  () =>
    withHttp({}, async (base, ws) => {
      const health = async () => JSON.parse((await get(`${base}healthz`)).body);
      assertEquals(await health(), {
        status: "ok",
        connections: 0,
        uptimeSeconds: 0,
      });
      const socket = new WebSocket(ws);
      await next(socket, "open");
      assertEquals((await health()).connections, 1);
      socket.close();
      await next(socket, "close");
      await eventually(async () => (await health()).connections === 0);
    }),
);

Deno.test("/metrics is Prometheus text, and no counter goes down", {
  ignore,
}, () =>
  withHttp({}, async (base, ws) => {
    const metrics = async () => {
      const { headers, body } = await get(`${base}metrics`);
      assertEquals(
        headers.get("content-type"),
        "text/plain; version=0.0.4; charset=utf-8",
      );
      const samples = new Map<string, number>();
      for (const line of body.trimEnd().split("\n")) {
        if (/^# (HELP|TYPE) ws_random_\w+ /.test(line)) continue;
        const match = /^(ws_random_\w+(?:\{\w+="\w+"\})?) (\d+)$/.exec(line);
        assertNotEquals(match, null, line);
        samples.set(match![1], Number(match![2]));
      }
      return (name: string) => samples.get(`ws_random_${name}`);
    };
    const before = await metrics();
    assertEquals(before("connections_total"), 0);

    const socket = new WebSocket(ws);
    await next(socket, "open");
    for (const request of ["a", "b", "c"]) {
      socket.send(request);
      await next(socket, "message");
    }
    const during = await metrics();
    assertEquals(during("connections_open"), 1);
    assertEquals(during("requests_total"), 3);
    socket.close(1000);
    await next(socket, "close");
    await handshake(ws, { Origin: "null" });
    await handshake(ws, { "Sec-WebSocket-Key": "x" });
    await eventually(async () => (await metrics())("connections_open") === 0);

    const after = await metrics();
    assertEquals(after("connections_total"), 1);
    assertEquals(after("requests_total"), 3);
    assertEquals(after('closes_total{code="1000"}'), 1);
    assertEquals(after('refusals_total{reason="origin"}'), 1);
    assertEquals(after('refusals_total{reason="key"}'), 1);
  }));

Deno.test("a path is what was sent, and a Host that is not one gets 400", {
  ignore,
}, () =>
  withServer({}, async (ws) => {
    const ask = async (line: string, host: string) => {
      using socket = await RawSocket.connect(Number(new URL(ws).port));
      return (await socket.request(line, { Host: host })).status;
    };
    for (const path of ["/x/../metrics", "/%2e/metrics", "//metrics"]) {
      assertEquals(await ask(`GET ${path}`, "a.example"), 404, path);
    }
    const hosts = ["x/metrics?", "x#", "a b", "u@x", "[", "x:99999", "x:y"];
    for (const host of hosts) {
      assertEquals(await ask("GET /", host), 400, host);
    }
    for (const host of ["x", "x:1", "[::1]:8000", ""]) {
      assertEquals(await ask("GET /", host), 200, host);
    }
  }));
