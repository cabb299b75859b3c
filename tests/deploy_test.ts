// Design D11: the configurations of deploy/, as they are shipped.

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  makeCertificate,
  missing,
  NO_PERMISSIONS,
  Process,
  ROOT,
  run,
  serverProcess,
  task,
} from "../harness/process.ts";
import { HANDSHAKE, RawSocket } from "../harness/sockets.ts";
import { eventually } from "./helpers.ts";

const ignore = missing("haproxy", "-v");

/** A port that is free now. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Runs two servers behind HAProxy with deploy/haproxy.cfg, of which only the
 * ports are changed. */
async function withHaproxy(
  change: (config: string) => string,
  use: (port: number, servers: Process[], ports: number[]) => Promise<void>,
): Promise<void> {
  const started = [await serverProcess(), await serverProcess()];
  const servers = started.map(({ server }) => server);
  const ports = started.map(({ port }) => port);
  const folder = await Deno.makeTempDir();
  const port = freePort();
  const config = change(await Deno.readTextFile(`${ROOT}deploy/haproxy.cfg`))
    .replaceAll("127.0.0.1:8000", `127.0.0.1:${port}`)
    .replaceAll("127.0.0.1:8443", `127.0.0.1:${port}`)
    .replaceAll("127.0.0.1:8001", `127.0.0.1:${ports[0]}`)
    .replaceAll("127.0.0.1:8002", `127.0.0.1:${ports[1]}`);
  await Deno.writeTextFile(`${folder}/haproxy.cfg`, config);
  try {
    await using _ = new Process(
      ["haproxy", "-db", "-f", `${folder}/haproxy.cfg`],
      { stderr: "null" },
    );
    await use(port, servers, ports);
  } finally {
    for (const server of servers) await server[Symbol.asyncDispose]();
    await Deno.remove(folder, { recursive: true });
  }
}

/** Waits until HAProxy finds both servers up. */
function bothUp(port: number): Promise<void> {
  return eventually(async () => {
    const url = `http://127.0.0.1:${port}/haproxy;csv`;
    const text = await fetch(url).then((response) => response.text(), () => "");
    const rows = text.split("\n").map((row) => row.split(","));
    const status = rows[0]?.indexOf("status");
    const up = rows.filter((row) =>
      row[0] === "servers" && ["one", "two"].includes(row[1]) &&
      row[status] === "UP"
    );
    return up.length === 2;
  });
}

Deno.test("a rolling restart behind HAProxy loses nothing", {
  ignore,
}, () =>
  withHaproxy((config) => config, async (port, servers, ports) => {
    await bothUp(port);
    await using client = new Process([
      ...task("client"),
      `ws://127.0.0.1:${port}/ws`,
      ..."--count 200k --connections 8 --rate 12k".split(" "),
    ], { stderr: "piped" });
    await client.until(/^Message 1000 /m);
    for (let round = 0; round < 3; round++) {
      for (const index of [0, 1]) {
        servers[index].kill("SIGTERM");
        assertEquals(await servers[index].end(), 0);
        const restarted = await serverProcess(`--port=${ports[index]}`);
        servers[index] = restarted.server;
        await bothUp(port);
      }
    }
    const restartedBy = client.stdout.length;
    const [code, stderr] = await Promise.all([client.end(), client.stderr()]);
    assertEquals(code, 0, stderr);
    assert(restartedBy < client.stdout.length, "the run ended too early");
    assertMatch(stderr, /200000 sent, 200000 answered, 0 missing, 0 invalid/);
    assertMatch(stderr, /[1-9]\d* reconnects$/m);
    const lines = client.stdout.trimEnd().split("\n");
    assertEquals(lines.length, 200_000);
    assertEquals(
      new Set(lines.map((line) => line.split(" ")[1])).size,
      200_000,
    );
  }));

/** The status of a handshake through HAProxy, from a page of this origin. */
async function handshake(port: number, origin: string): Promise<number> {
  using socket = await RawSocket.connect(port);
  const headers = { ...HANDSHAKE, Host: `127.0.0.1:${port}`, Origin: origin };
  return (await socket.request("GET /ws", headers)).status;
}

Deno.test(
  "behind HAProxy the origin is still checked",
  { ignore },
  () =>
    withHaproxy((config) => config, async (port) => {
      await bothUp(port);
      assertEquals(await handshake(port, `http://127.0.0.1:${port}`), 101);
      assertEquals(await handshake(port, `https://127.0.0.1:${port}`), 403);
      assertEquals(await handshake(port, "http://evil.example"), 403);
    }),
);

Deno.test("TLS ended at HAProxy", { ignore }, async () => {
  const folder = await Deno.makeTempDir();
  const { cert, key } = await makeCertificate(folder);
  const pem = await Deno.readTextFile(cert);
  const both = `${folder}/both.pem`;
  await Deno.writeTextFile(both, pem + await Deno.readTextFile(key));
  const withTls = (config: string) =>
    config
      .replace(/^ +bind 127.0.0.1:8000\n/m, "")
      .replace("#bind", "bind")
      .replace("/etc/haproxy/ws-random.pem", both);
  try {
    await withHaproxy(withTls, async (port) => {
      const [deno, verb, ...rest] = task("client");
      const trust = ["--cert", cert];
      const url = `wss://127.0.0.1:${port}/ws`;
      const { code, stderr } = await run(
        [deno, verb, ...trust, ...rest, url, "-q", "--retries=100"],
      );
      assertEquals(code, 0, stderr);

      // A page that came by https is the server's own, one by http is not.
      const caCerts = [pem];
      for (const [scheme, status] of [["https", 101], ["http", 403]] as const) {
        const connection = await Deno.connectTls({
          hostname: "127.0.0.1",
          port,
          caCerts,
        });
        using socket = new RawSocket(connection);
        const own = `127.0.0.1:${port}`;
        const headers = {
          ...HANDSHAKE,
          Host: own,
          Origin: `${scheme}://${own}`,
        };
        assertEquals((await socket.request("GET /ws", headers)).status, status);
      }
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("systemd finds nothing wrong with the unit", {
  // Not in every image, CI's included: the unit is not what runs there.
  ignore: NO_PERMISSIONS || !(await installed("systemd-analyze")),
}, async () => {
  const folder = await Deno.makeTempDir();
  const unit = `${folder}/ws-random@1.service`;
  const text = await Deno.readTextFile(`${ROOT}deploy/ws-random@.service`);
  // The program need not be installed for this.
  await Deno.writeTextFile(
    unit,
    text.replace("/usr/local/bin/ws-random", "/bin/true"),
  );
  const { code, stderr } = await run(["systemd-analyze", "verify", unit]);
  await Deno.remove(folder, { recursive: true });
  assertEquals([code, stderr], [0, ""]);
});

async function installed(program: string): Promise<boolean> {
  if (NO_PERMISSIONS) return false;
  return await run([program, "--version"]).then(() => true, () => false);
}
