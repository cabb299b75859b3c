// What the server answers over HTTP, over real connections.

import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import { HIGHEST } from "../../static/proof.js";
import config from "../../deno.json" with { type: "json" };
import { ROOT } from "../../harness/process.ts";
import { RawSocket } from "../../harness/sockets.ts";
import { startServer } from "../../server.ts";
import {
  assertSecurityHeaders,
  eventually,
  handshake,
  next,
  portOf,
  test,
  withServer,
} from "../../harness/helpers.ts";

const TYPES: Record<string, string> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
};

/** Fetches, and checks the headers that every response carries. */
async function get(
  url: string | URL,
  init?: RequestInit,
): Promise<{ status: number; headers: Headers; body: string }> {
  const response = await fetch(url, init);
  assertSecurityHeaders(response.headers);
  const { status, headers } = response;
  return { status, headers, body: await response.text() };
}

const withHttp = (
  options: Parameters<typeof withServer>[0],
  use: (base: string, ws: string) => Promise<void>,
) => withServer(options, (ws) => use(ws.replace(/^ws(.*)ws$/, "http$1"), ws));

test("each file of static/ is served to GET and HEAD, with 304 where it is cached", () =>
  withHttp({}, async (base) => {
    const tags = new Set<string>();
    const files = [...Deno.readDirSync(`${ROOT}static`)];
    for (const { name } of files) {
      const url = new URL(name === "index.html" ? "/" : name, base);
      const full = await get(url);
      assertEquals(full.status, 200);
      const type = TYPES[name.split(".")[1]];
      assertEquals(full.headers.get("content-type"), type);
      const file = await Deno.readTextFile(`${ROOT}static/${name}`);
      if (name !== "index.html") assertEquals(full.body, file);

      const etag = full.headers.get("etag") ?? "";
      assertMatch(etag, /^"[^"]+"$/); // strong
      tags.add(etag);
      const cache = full.headers.get("cache-control");
      assertEquals(cache, "no-cache, no-transform");

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
    assertEquals(tags.size, files.length);
  }));

test("the page names the version and holds no inline code", () =>
  withHttp({}, async (base) => {
    const { body } = await get(base);
    assert(body.includes(`ws-random ${config.version}`));
    assert(body.includes(`from 1 to ${HIGHEST}`));
    assert(body.includes(`>${HIGHEST}</text></svg>`));
    assertEquals(/\{\w+\}/.exec(body), null);
    assertEquals(
      /<style|style=|\son\w+=|<script(?![^>]*src)/.test(body),
      false,
    );
    assertEquals(/https?:\/\//.test(body), false, "a third party");
  }));

test("the page may load what it is made of, from its own server, and nothing else", () =>
  withHttp({}, async (base) => {
    const { headers, body } = await get(base);
    const policy = new Map(
      headers.get("content-security-policy")!.split("; ")
        .map((directive) => directive.split(/ (.*)/, 2) as [string, string]),
    );
    const parts: [kind: string, part: RegExp][] = [
      ["script-src", /<script [^>]*src="(?!\w+:|\/)/],
      ["style-src", /<link [^>]*rel="stylesheet"/],
      ["img-src", /<link [^>]*rel="icon"/],
    ];
    for (const [kind, part] of parts) {
      assertMatch(body, part);
      assertEquals(policy.get(kind), "'self'", kind);
      policy.delete(kind);
    }
    assertEquals(policy.get("connect-src"), "'self'");
    policy.delete("connect-src");
    const rest = ["default-src", "base-uri", "form-action", "frame-ancestors"];
    for (const kind of rest) assertEquals(policy.get(kind), "'none'", kind);
    assertEquals(policy.size, rest.length);
  }));

test("the page's chart is drawn for 10,000 numbers before its scripts come", () =>
  withHttp({}, async (base) => {
    const { body } = await get(base);
    const share = 1 / HIGHEST;
    const expected = Math.round(10_000 * share);
    const deviation = Math.sqrt(10_000 * share * (1 - share));
    assertStringIncludes(body, `<span id="level">${expected}</span>`);
    const band = `${expected} ± ${Math.round(2 * deviation)} expected`;
    assertStringIncludes(body, band);
    // A label stands below the middle of its bar.
    const labels = [...body.matchAll(/<text x="([\d.]+)%"[^>]*>(\d+)</g)];
    assertEquals(labels.length, 5);
    for (const [index, [, x, label]] of labels.entries()) {
      const number = Math.max(1, Math.round(index / 4 * HIGHEST));
      assertEquals(Number(label), number);
      assertAlmostEquals(Number(x), 100 * (number - 0.5) * share, 1e-9);
    }
    assertEquals(/\{\w+\}|undefined|NaN/.test(body), false);
  }));

test("an unknown path gets 404, another method 405, a GET of the endpoint 426", () =>
  withHttp({}, async (base) => {
    const long = `/${"x".repeat(200)}`;
    const missing = await get(base + long.slice(1));
    const type = "text/plain; charset=utf-8";
    assertEquals(missing.headers.get("content-type"), type);
    assertEquals(missing.body, `nothing at ${long.slice(0, 99)}…\n`);
    for (
      const path of ["/nothing", "/app.js/", "/static/app.js", "/..%2fx"]
    ) {
      const { status, body } = await get(base + path.slice(1));
      assertEquals([status, body], [404, `nothing at ${path}\n`]);
    }
    for (const path of ["/", "/app.js", "/healthz", "/metrics"]) {
      for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
        const { status, headers, body } = await get(new URL(path, base), {
          method,
        });
        assertEquals(status, 405, `${method} ${path}`);
        assertEquals(body, `${method} is not allowed here\n`);
        assertEquals(headers.get("allow"), "GET, HEAD");
      }
    }
    const method = "X".repeat(200);
    const odd = await get(base, { method });
    assertEquals(odd.body, `${method.slice(0, 99)}… is not allowed here\n`);
    const plain = await get(`${base}ws`);
    assertEquals(plain.status, 426);
    assertEquals(plain.headers.get("upgrade"), "websocket");
    const posted = await get(`${base}ws`, { method: "POST", body: "x" });
    assertEquals(posted.status, 405);
    assertEquals(posted.headers.get("allow"), "GET");
  }));

test("/livez and /readyz say yes, without a body", () =>
  withHttp({}, async (base) => {
    for (const path of ["livez", "readyz"]) {
      const { status, headers, body } = await get(`${base}${path}`);
      assertEquals([status, body], [200, ""], path);
      assertEquals(headers.get("content-type"), null);
      assertEquals(headers.get("cache-control"), "no-store");
    }
  }));

test("while it shuts down /readyz and /healthz say no, and /livez yes", async () => {
  const server = await startServer({ port: 0, grace: 600_000 });
  using peer = await RawSocket.open(portOf(server.url));
  const stopped = server.shutdown();
  const cases = { livez: 200, readyz: 503, healthz: 503 };
  for (const [path, status] of Object.entries(cases)) {
    const full = await get(`${server.url}${path}`);
    assertEquals(full.status, status, path);
    if (path === "healthz") {
      assertEquals(JSON.parse(full.body).status, "draining");
    }
    using bare = await RawSocket.connect(portOf(server.url)); // HTTP/1.0
    const { headers, ...short } = await bare.request(`GET /${path}`, {});
    assertEquals(short.status, status, path);
    assertEquals(headers.get("cache-control"), "no-store");
  }
  assertEquals(await peer.closeCode(), 1001);
  peer.connection.closeWrite();
  await stopped;
  assert(await fetch(server.url).then(() => false, () => true), "it listens");
});

test("/healthz tells the connections open", () =>
  withHttp({}, async (base, ws) => {
    const health = async () => {
      const { headers, body } = await get(`${base}healthz`);
      assertEquals(headers.get("content-type"), "application/json");
      assertEquals(headers.get("cache-control"), "no-store");
      return JSON.parse(body);
    };
    const { uptimeSeconds, ...rest } = await health();
    assertEquals(rest, { status: "ok", connections: 0 });
    assert(Number.isInteger(uptimeSeconds), uptimeSeconds);
    const socket = new WebSocket(ws);
    await next(socket, "open");
    assertEquals((await health()).connections, 1);
    socket.close();
    await next(socket, "close");
    await eventually(async () => (await health()).connections === 0);
  }));

test("/metrics is Prometheus text, and no counter goes down", () =>
  withHttp({}, async (base, ws) => {
    let last: Map<string, number> | undefined;
    const metrics = async () => {
      const { headers, body } = await get(`${base}metrics`);
      assertEquals(
        headers.get("content-type"),
        "text/plain; version=0.0.4; charset=utf-8",
      );
      assertEquals(headers.get("cache-control"), "no-store");
      const samples = new Map<string, number>();
      const counters = new Map<string, number>();
      let type = "";
      for (const line of body.trimEnd().split("\n")) {
        type = /^# TYPE \w+ (\w+)$/.exec(line)?.[1] ?? type;
        if (/^# (HELP|TYPE) (ws_random|process)_\w+ /.test(line)) continue;
        const match =
          /^((?:ws_random|process)_\w+(?:\{\w+="[\w.]+"\})?) (\d+(?:\.\d+)?)$/
            .exec(line);
        assertNotEquals(match, null, line);
        samples.set(match![1], Number(match![2]));
        if (type === "counter") counters.set(match![1], Number(match![2]));
      }
      assertEquals([...counters.keys()], [...(last ?? counters).keys()]);
      for (const [name, value] of counters) {
        assert(value >= (last ?? counters).get(name)!, `${name} went down`);
      }
      assert(counters.size > 20, `${counters.size} counters`);
      last = counters;
      return (name: string) => samples.get(`ws_random_${name}`);
    };
    const before = await metrics();
    assertEquals(before("connections_total"), 0);

    const socket = new WebSocket(ws);
    await next(socket, "open");
    let sent = 0;
    for (const request of ["a", "b", "ü"]) {
      socket.send(request);
      const { data } = await next<MessageEvent>(socket, "message");
      sent += new TextEncoder().encode(data).length;
    }
    const during = await metrics();
    assertEquals(during("connections_open"), 1);
    assertEquals(during("requests_total"), 3);
    assertEquals(during("received_bytes_total"), 4);
    assertEquals(during("sent_bytes_total"), sent);
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

test("a path is what was sent, and a Host that is not one gets 400", () =>
  withServer({}, async (ws) => {
    const ask = async (line: string, host: string) => {
      using socket = await RawSocket.connect(portOf(ws));
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
