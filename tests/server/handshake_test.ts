// Who is let in by the opening handshake, over real connections.

import { assertEquals, assertMatch } from "@std/assert";
import { HANDSHAKE } from "../../harness/sockets.ts";
import { REFUSAL_REASONS } from "../../lib/server/handshake.ts";
import {
  eventually,
  handshake,
  next,
  test,
  withServer,
} from "../../harness/helpers.ts";

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
    assertEquals((await handshake(ws, { Upgrade: "h2c" })).status, 426);
    // HTTP has two blanks (RFC 9110 section 5.6.3); these are others.
    for (const other of ["\xa0", "\x85"]) {
      for (const [name, token] of [UPGRADE, CONNECTION]) {
        for (const text of [`${token}${other}`, `x, ${other}${token}`]) {
          const { status } = await handshake(ws, { [name]: text });
          assertEquals(status, 426, JSON.stringify(text));
        }
      }
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
        // A URL of a scheme that is none of the web's has the origin "null".
        [{ Host: host, Origin: "null", "X-Forwarded-Proto": "foo" }, 403],
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
    const refused: Record<string, [Record<string, string>, string?]> = {
      method: [{}, "POST /ws"],
      upgrade: [{ Upgrade: "h2c" }],
      version: [{ "Sec-WebSocket-Version": "12" }],
      key: [{ "Sec-WebSocket-Key": "x" }],
      origin: [{ Origin: "https://a.example" }],
      full: [{}],
    };
    const open = new WebSocket(ws);
    await next(open, "open");
    for (const [reason, [changes, line]] of Object.entries(refused)) {
      await handshake(ws, changes, line);
      const counted = REFUSAL_REASONS.map((each) => metrics.refusals(each));
      const told = Object.keys(refused);
      const soFar = told.slice(0, told.indexOf(reason) + 1);
      assertEquals(
        counted,
        REFUSAL_REASONS.map((each) => soFar.includes(each) ? 1 : 0),
        reason,
      );
    }
    open.close();
    await next(open, "close");
  }));

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

test("a server that others can reach takes any Host for its own", async () => {
  for (const host of ["0.0.0.0", "::"]) {
    await withServer({ host }, async (ws) => {
      const own = { Host: "x.example", Origin: "http://x.example" };
      assertEquals((await handshake(ws, own)).status, 101, host);
    });
  }
});
