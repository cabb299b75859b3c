// What is in a handshake, and why it fails, with servers of Node's own and with nginx:
// over TLS, Deno tells only that HTTP/2 failed, too.

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  freePort,
  missing,
  Process,
  ROOT,
  runClient,
} from "../../harness/process.ts";
import { RawSocket } from "../../harness/sockets.ts";
import {
  eventually,
  portOf,
  test as testWithDeno,
  testIf,
  withServer,
} from "../../harness/helpers.ts";
import { certificateFor } from "./_certificates.ts";
import { report } from "./_client.ts";

const test = testIf(
  !missing("openssl", "version") && !missing("node", "--version"),
);

/** Runs a server of Node's own; `use` gets its port. */
async function withNode(
  kind: "http" | "https" | "http2",
  files: string[],
  use: (port: string) => Promise<void>,
): Promise<void> {
  const script = `${ROOT}tests/client/_node_server.mjs`;
  await using server = new Process(["node", script, kind, ...files]);
  const [, port] = await server.until(/^(\d+)\n/);
  await use(port);
}

/** What the client says of a handshake for which no retry is worth it. */
async function failure(...args: string[]): Promise<string> {
  // They would take longer than a test may.
  const { code, stderr } = await runClient(...args, "--retries=1m");
  assertEquals(code, 1, stderr);
  return stderr.replace(/^ws-random: \S+: /, "").trimEnd();
}

async function withFolder(use: (folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

test("the client tells what is wrong with a certificate when the server has only HTTP/1.1", () =>
  withFolder(async (folder) => {
    const cases = [
      ["localhost", 2, /^its certificate is from an unknown authority/, false],
      ["localhost", -1, /^its certificate has expired$/, true],
      ["other.example", 2, /^its certificate is for another host$/, true],
    ] as const;
    for (const [host, days, message, trusted] of cases) {
      const { cert, key } = await certificateFor(folder, host, days);
      await withNode("https", [cert, key], async (port) => {
        const ca = trusted ? ["--ca", cert] : [];
        assertMatch(
          await failure(`wss://localhost:${port}/404`, ...ca),
          message,
        );
      });
    }
  }));

test("the client tells over TLS with which status a handshake was refused, and tries again after 503", () =>
  withFolder(async (folder) => {
    const { cert, key } = await certificateFor(folder, "localhost");
    await withNode("https", [cert, key], async (port) => {
      const url = `wss://localhost:${port}`;
      assertMatch(
        await failure(`${url}/404`, "--ca", cert),
        /^handshake refused with 404 Not Found/,
      );
      const busy = await runClient(`${url}/503`, "--ca", cert, "--retries=1");
      assertMatch(
        busy.stderr,
        /^ws-random: cannot reach \S+: handshake refused with 503 Service Unavailable\n$/,
      );
    });
  }));

test("the client gives up at once when the server speaks only HTTP/2", () =>
  withFolder(async (folder) => {
    const { cert, key } = await certificateFor(folder, "localhost");
    await withNode("http2", [cert, key], async (port) => {
      assertEquals(
        await failure(`wss://localhost:${port}/`, "--ca", cert),
        "its TLS does not offer HTTP/1.1",
      );
    });
  }));

test("the client names the final URL when the handshake is redirected", () =>
  withNode("http", [], async (port) => {
    assertEquals(
      await failure(`ws://localhost:${port}/301`),
      "handshake refused with 301 Moved Permanently; it redirects to " +
        "https://example.com/ws?token=***: give wss://example.com/ws?token=***",
    );
  }));

test("the client says what it is that Deno does not take when a server answers with Connection: keep-alive, Upgrade", () =>
  withFolder(async (folder) => {
    const message = /^its answer has another Connection header than "Upgrade"/;
    await withNode("http", [], async (port) => {
      assertMatch(await failure(`ws://localhost:${port}/101`), message);
    });
    const { cert, key } = await certificateFor(folder, "localhost");
    await withNode("https", [cert, key], async (port) => {
      const url = `wss://localhost:${port}/101`;
      assertMatch(await failure(url, "--ca", cert), message);
    });
  }));

test("a handshake that succeeds when the server is asked why is tried again", () =>
  withFolder(async (folder) => {
    const { cert, key } = await certificateFor(folder, "localhost");
    await withNode("https", [cert, key], async (port) => {
      const { stderr } = await runClient(
        ...[`wss://localhost:${port}/second`, "--ca", cert, "--retries=0"],
      );
      assertMatch(
        stderr,
        /^ws-random: cannot reach \S+: the handshake failed, and another one succeeded\n/,
      );
    });
  }));

test("connections that fail together ask the server why only once", () =>
  withFolder(async (folder) => {
    const { cert, key } = await certificateFor(folder, "localhost");
    let requests = 0;
    const server = Deno.serve({
      hostname: "127.0.0.1",
      port: 0,
      onListen() {},
      cert: await Deno.readTextFile(cert),
      key: await Deno.readTextFile(key),
    }, () => {
      requests++;
      return new Response(null, { status: 404 });
    });
    const url = `wss://localhost:${server.addr.port}/`;
    const args = ["-n50", "-c50", "--ca", cert];
    assertMatch(await failure(url, ...args), /refused with 404 Not Found/);
    // One each, and fewer than another one each.
    assert(requests > 50 && requests < 100, `${requests} requests`);
    await server.shutdown();
  }));

/** nginx in one process, before one server; who comes must have a certificate. */
const NGINX = (port: number, server: number, files: Record<string, string>) => `
daemon off;
master_process off;
pid nginx.pid;
events {}
http {
    access_log off;
    client_body_temp_path temp;
    proxy_temp_path temp;
    fastcgi_temp_path temp;
    uwsgi_temp_path temp;
    scgi_temp_path temp;
    server {
        listen 127.0.0.1:${port} ssl;
        ssl_certificate ${files.cert};
        ssl_certificate_key ${files.key};
        ssl_verify_client on;
        ssl_client_certificate ${files.authority};
        location / {
            proxy_pass http://127.0.0.1:${server};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection Upgrade;
        }
    }
}
`;

testIf(!missing("openssl", "version") && !missing("nginx", "-v"))(
  "--cert and --key are what nginx wants with ssl_verify_client",
  () =>
    withFolder((folder) =>
      withServer({}, async (url) => {
        const own = await certificateFor(folder, "localhost");
        const mine = await certificateFor(folder, "client.example");
        const port = freePort();
        const files = { ...own, authority: mine.cert };
        await Deno.writeTextFile(
          `${folder}/nginx.conf`,
          NGINX(port, portOf(url), files),
        );
        await using _ = new Process(
          ["nginx", "-p", folder, "-c", "nginx.conf", "-e", "stderr"],
          { stderr: "null" },
        );
        await eventually(() =>
          RawSocket.connect(port).then((socket) => {
            socket[Symbol.dispose]();
            return true;
          }, () => false)
        );
        const args = [`wss://localhost:${port}/ws`, "-n5", "--ca", own.cert];
        const known = ["--cert", mine.cert, "--key", mine.key];
        const { code, stderr } = await runClient(...args, ...known);
        assertEquals(code, 0, stderr);
        assertMatch(
          await failure(...args),
          /^handshake refused with 400 Bad Request; it may want .* a client certificate \(--cert\)$/,
        );
        const [other, half] = await Promise.all([
          runClient(...args, "--cert", own.cert, "--key", mine.key),
          runClient(...args, "--cert", own.cert),
        ]);
        assertEquals([other.code, half.code], [2, 2]);
        assertMatch(other.stderr, /--key \S+ is not the key of --cert \S+;/);
        assertMatch(half.stderr, /--cert and --key go together/);
      })
    ),
);

testWithDeno(
  "--connect-to leads to another address, and the server is told the URL's host",
  async () => {
    const hosts: (string | null)[] = [];
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      (request) => {
        hosts.push(request.headers.get("host"), new URL(request.url).pathname);
        const { socket, response } = Deno.upgradeWebSocket(request);
        socket.onmessage = ({ data }) => socket.send(`${data} 7`);
        return response;
      },
    );
    const address = ["--connect-to", `127.0.0.1:${server.addr.port}`];
    const url = "ws://server.invalid:81/ws";
    const { code, stderr } = await runClient(url, "-n5", ...address);
    assertEquals(code, 0, stderr);
    assertMatch(stderr, /^server +ws:\/\/server\.invalid:81\/ws$/m);
    assertEquals(hosts, ["server.invalid:81", "/ws"]);
    const secure = await runClient("wss://server.invalid/", ...address);
    assertEquals(secure.code, 2);
    assertMatch(
      secure.stderr,
      /^ws-random: --connect-to is for ws:\/\/ only: /,
    );
    await server.shutdown();
  },
);

testWithDeno(
  "--subprotocol is offered, and the report tells which one was chosen",
  async () => {
    const offers: (string | null)[] = [];
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      (request) => {
        offers.push(request.headers.get("sec-websocket-protocol"));
        const protocol = new URL(request.url).searchParams.get("choose") ?? "";
        const { socket, response } = Deno.upgradeWebSocket(request, {
          protocol,
        });
        socket.onmessage = ({ data }) => socket.send(`${data} 7`);
        socket.onerror = (event) => event.preventDefault();
        return response;
      },
    );
    const url = `ws://127.0.0.1:${server.addr.port}/`;
    const args = ["-n5", "-s", "chat.v2", "-s", "chat.v1"];
    const chosen = await report(`${url}?choose=chat.v1`, ...args);
    assertEquals([chosen.code, chosen.subprotocol], [0, "chat.v1"]);
    const none = await report(url, ...args);
    assertEquals([none.code, none.subprotocol], [0, null]);
    assertEquals(offers, ["chat.v2, chat.v1", "chat.v2, chat.v1"]);
    const both = await runClient(url, ...args, "--batch=5");
    assertEquals(both.code, 2);
    assertMatch(both.stderr, /--subprotocol: a --batch is by ws-random\.lines/);
    await server.shutdown();
  },
);
