// Proxies that environment variables name, and servers that are reached directly.

import { assertEquals, assertMatch } from "@std/assert";
import { missing, run, task } from "../../harness/process.ts";
import {
  portOf,
  pureTest,
  test,
  testIf,
  testOnLinux,
  withServer,
} from "../../harness/helpers.ts";
import { isExempt } from "../../lib/client/proxy.ts";
import { certificateFor } from "./_certificates.ts";
import { withForwardProxy } from "./_forward_proxy.ts";

/** Nothing listens there. */
const NO_PROXY = "http://me:secret@127.0.0.1:9";

function client(args: string[], env: Record<string, string>) {
  return run([...task("client"), "-qn5", "--retries=0", ...args], {
    // Deno asks for its newest version once a day, by the same proxy.
    env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", ...env },
  });
}

test("this machine is reached directly when proxies are set", async () => {
  for (const name of ["HTTP_PROXY", "ALL_PROXY", "http_proxy"]) {
    await withServer({}, async (url) => {
      for (const host of ["127.0.0.1", "localhost"]) {
        const { code, stderr } = await client(
          [url.replace("127.0.0.1", host)],
          { [name]: NO_PROXY, NO_PROXY: "example.com" },
        );
        assertEquals(code, 0, stderr);
      }
    });
  }
  const { code, stderr } = await run([...task("demo"), "-n5"], {
    env: { HTTP_PROXY: NO_PROXY },
  });
  assertEquals(code, 0, stderr);
});

test("a ws:// URL goes through the proxy by GET", () =>
  withServer(
    { allowOrigin: ["*"] },
    (url) =>
      withForwardProxy(async (proxy, requests) => {
        const target = `ws://server.test:${portOf(url)}/ws`;
        const { code, stderr } = await client(
          [target],
          { HTTP_PROXY: proxy },
        );
        assertEquals(code, 0, stderr);
        assertEquals(requests, [
          `GET http://server.test:${portOf(url)}/ws HTTP/1.1`,
        ]);
      }),
  ));

testIf(!missing("openssl", "version"))(
  "a wss:// URL goes through the proxy by CONNECT, and its certificate is checked",
  async () => {
    const folder = await Deno.makeTempDir();
    const { cert, key } = await certificateFor(folder, "server.test");
    await withServer(
      { cert, key },
      (url) =>
        withForwardProxy(async (proxy, requests) => {
          const target = `wss://server.test:${portOf(url)}/ws`;
          const { code, stderr } = await client([target, "--ca", cert], {
            https_proxy: proxy,
          });
          assertEquals(code, 0, stderr);
          assertEquals(requests, [
            `CONNECT server.test:${portOf(url)} HTTP/1.1`,
          ]);
          const untrusted = await client([target], { https_proxy: proxy });
          assertMatch(
            untrusted.stderr,
            /through the proxy http:\S+ \(\$https_proxy\): its certificate is from an unknown authority/,
          );
        }),
    );
    await Deno.remove(folder, { recursive: true });
  },
);

test("a failure names the proxy, without its password", async () => {
  const target = "ws://server.invalid:9000/";
  const { stderr } = await client([target], { HTTP_PROXY: NO_PROXY });
  assertEquals(
    stderr,
    `ws-random: cannot reach ${target} through the proxy http://me:***@127.0.0.1:9 ($HTTP_PROXY): no TCP connection (is the server running?)\n`,
  );
});

testOnLinux("NO_PROXY exempts hosts", () =>
  withServer({}, async (url) => {
    // Linux takes it for this machine, Deno and the client do not.
    const target = url.replace("127.0.0.1", "0.0.0.0");
    for (
      const [exempt, status] of [
        ["0.0.0.0", 0],
        ["a,0.0.0.0/8", 0],
        ["1.0.0.0/8", 1],
      ] as const
    ) {
      const { code, stderr } = await client([target], {
        HTTP_PROXY: NO_PROXY,
        NO_PROXY: exempt,
      });
      assertEquals(code, status, stderr);
      assertEquals(stderr.includes("$HTTP_PROXY"), status === 1, stderr);
    }
  }));

test("a proxy that wants a password or cannot connect is told", async () => {
  for (
    const [status, message] of [
      ["407", /the proxy wants a user and a password/],
      ["502", /the proxy could not connect/],
    ] as const
  ) {
    const proxy = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      () => new Response(null, { status: Number(status) }),
    );
    const { stderr } = await client(["wss://server.invalid:9000/"], {
      HTTPS_PROXY: `http://127.0.0.1:${proxy.addr.port}`,
    });
    assertMatch(stderr, message);
    await proxy.shutdown();
  }
});

test("proxyFor() finds the variable of a URL, and exempts this machine", async () => {
  const script = `
    import { proxyFor } from "./lib/client/proxy.ts";
    const cases = JSON.parse(Deno.args[0]);
    console.log(JSON.stringify(cases.map(([url, variables]) => {
      for (const name of NAMES) Deno.env.delete(name);
      for (const [name, value] of Object.entries(variables)) {
        Deno.env.set(name, value);
      }
      const proxy = proxyFor(new URL(url)) ?? null;
      return [proxy, Deno.env.get("NO_PROXY") ?? null];
    })));
    Deno.permissions.revokeSync({ name: "env" });
    console.log(proxyFor(new URL("ws://a/")), proxyFor(new URL("ws://[::1]/")));
  `;
  const names = ["ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];
  const NAMES = JSON.stringify(names.flatMap((n) => [n, n.toLowerCase()]));
  type Case = [
    url: string,
    variables: Record<string, string>,
    proxy: string | null,
    exempt: string | null,
  ];
  const cases: Case[] = [
    ["ws://a/", {}, null, null],
    ["ws://a/", { HTTP_PROXY: "http://b" }, "http://b ($HTTP_PROXY)", null],
    ["ws://a/", { http_proxy: "http://b" }, "http://b ($http_proxy)", null],
    ["ws://a/", { HTTPS_PROXY: "http://b" }, null, null],
    ["wss://a/", { HTTPS_PROXY: "http://b" }, "http://b ($HTTPS_PROXY)", null],
    ["wss://a/", { HTTP_PROXY: "http://b" }, null, null],
    [
      "ws://a/",
      { ALL_PROXY: "http://me:x@c", HTTP_PROXY: "http://b" },
      "http://me:***@c ($ALL_PROXY)",
      null,
    ],
    ["ws://a/", { ALL_PROXY: "http://b", NO_PROXY: "a" }, null, "a"],
    [
      "ws://[fe80::1]/",
      { ALL_PROXY: "b", NO_PROXY: "fe80::1" },
      null,
      "fe80::1",
    ],
    ["ws://127.0.0.1/", { ALL_PROXY: "http://b" }, null, "127.0.0.1"],
    ["ws://[::1]:80/", { NO_PROXY: "a" }, null, "a,::1"],
  ];
  const { stdout, stderr } = await run([
    ...[Deno.execPath(), "eval", "--no-check", "--no-lock"],
    script.replace("NAMES", NAMES),
    JSON.stringify(cases.map(([url, variables]) => [url, variables])),
  ]);
  assertEquals(stderr, "");
  const [told, without] = stdout.trim().split("\n");
  assertEquals(JSON.parse(told), cases.map(([, , ...result]) => result));
  assertEquals(without, "undefined undefined"); // may not look
});

pureTest("isExempt() reads NO_PROXY as Deno does", () => {
  const cases: [string, string, boolean][] = [
    ["example.com", "example.com", true],
    ["example.com", ".example.com", true],
    ["ws.example.com", "a, example.com ,b", true],
    ["ws.example.com", ".example.com", true],
    ["notexample.com", "example.com", false],
    ["example.com", "ws.example.com", false],
    ["example.com", "*", true],
    ["10.1.2.3", "*", false], // stands for names
    ["example.com", "", false],
    ["10.1.2.3", "10.1.2.3", true],
    ["10.1.2.3", "10.1.2.4", false],
    ["10.1.2.3", "10.0.0.0/8", true],
    ["10.1.2.3", "11.1.2.3/8", false],
    ["10.1.2.3", "10.1.2.0/31", false],
    ["10.1.2.3", "10.1.2.2/31", true],
    ["10.1.2.3", "0.0.0.0/0", true],
    ["10.1.2.3", "2.3", false],
    ["10.1.2.3", "x10.1.2.3", false],
    ["10.1.2.3", "10.1.2.3.4", false],
    ["host10.1.2.3", "host10.1.2.3", true],
    ["10.1.2.3.test", "10.1.2.3.test", true],
    ["0.0.0.1", "0.0.0.0", false],
    ["10.1.2.3", "example.com/8", false],
  ];
  for (const [host, list, exempt] of cases) {
    assertEquals(isExempt(host, list), exempt, `${host} in ${list}`);
  }
});
