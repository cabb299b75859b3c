// The compiled binary, `./ws-random` or the one that $WS_RANDOM names: run from
// another folder, with an empty environment and an empty PATH.

import { assertEquals, assertMatch } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import {
  missing,
  NO_PERMISSIONS,
  Process,
  ROOT,
  run,
} from "../../harness/process.ts";
import { RawSocket } from "../../harness/sockets.ts";
import { assertServesPage, testIf } from "../../harness/helpers.ts";

const BINARY = NO_PERMISSIONS
  ? ""
  : Deno.env.get("WS_RANDOM") ?? `${ROOT}ws-random`;
const test = testIf(!missing(BINARY, "--version"));

const ELSEWHERE = { cwd: "/", clearEnv: true } as const;

test("the binary tells the version of deno.json", async () => {
  const { code, stdout } = await run([BINARY, "--version"], ELSEWHERE);
  assertEquals([code, stdout], [0, `ws-random ${config.version}\n`]);
});

test("the binary's demo answers 10,000 requests exactly once", async () => {
  const { code, stdout, stderr } = await run([BINARY, "demo"], ELSEWHERE);
  assertEquals(code, 0, stderr);
  assertEquals(stdout.trimEnd().split("\n").length, 10_000);
  assertMatch(stderr, /10000 of 10000 requests answered exactly once/);
});

test("the binary serves its page and its client, and drains at SIGTERM", async () => {
  await using server = new Process([BINARY, "server", "--port=0"], ELSEWHERE);
  const [, url] = await server.until(/^Listening on (\S+)\n/);
  const client = await run([BINARY, "client", url, "-n", "2000"], ELSEWHERE);
  assertEquals(client.code, 0, client.stderr);
  assertEquals(client.stdout.trimEnd().split("\n").length, 2000);

  await assertServesPage(url);

  using socket = await RawSocket.open(Number(new URL(url).port));
  server.kill("SIGTERM");
  assertEquals(await socket.closeCode(), 1001);
  socket.connection.closeWrite();
  assertEquals(await server.end(), 0);
});

const testOnLinux = testIf(
  !missing(BINARY, "--version") && Deno.build.os === "linux",
);

testOnLinux("the binary serves by two workers", async () => {
  const command = [BINARY, "server", "--port=0", "--workers=2"];
  await using server = new Process(command, ELSEWHERE);
  const [, url] = await server.until(/^Listening on (\S+)\n/);
  const args = [url, "--connections=16", "--quiet"];
  const client = await run([BINARY, "client", ...args], ELSEWHERE);
  assertEquals(client.code, 0, client.stderr);
  server.kill("SIGTERM");
  assertEquals(await server.end(), 0);
  assertMatch(
    server.stdout,
    /\nStopped after 16 connections and 10000 requests\n$/,
  );
});

test("the binary without a command serves", async () => {
  // Its own port may be taken here; then it says so.
  await using server = new Process([BINARY], {
    ...ELSEWHERE,
    env: { PORT: "0" },
  });
  const [, url] = await server.until(/^Listening on (\S+)\n/);
  const page = await fetch(url);
  assertEquals(page.status, 200);
  await page.body?.cancel();
});

test("the binary's usage error and failure are one line", async () => {
  const usage = await run([BINARY, "client", "--count=none"], ELSEWHERE);
  assertEquals(usage.code, 2);
  assertMatch(usage.stderr, /^ws-random: --count: "none" is not [^\n]+\n$/);
  const closed = ["client", "ws://127.0.0.1:1/", "--retries=0"];
  const failure = await run([BINARY, ...closed], ELSEWHERE);
  assertEquals(failure.code, 1);
  assertMatch(failure.stderr, /^ws-random: cannot reach [^\n]+\n$/);
});

/** Variables that name proxies, and what needs none. */
const PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"]
  .flatMap((name) => [name, name.toLowerCase()]);

test("the binary may do no more than the tasks", async () => {
  // `deno compile` writes the permissions as JSON near the end of the file.
  using file = await Deno.open(BINARY);
  const { size } = await file.stat();
  const length = Math.min(size, 4_000_000);
  await file.seek(-length, Deno.SeekMode.End);
  const tail = new Uint8Array(length);
  for (let read = 0; read < length;) {
    read += (await file.read(tail.subarray(read)))!;
  }
  const [, json] = /"permissions":(\{.*?\})/.exec(
    new TextDecoder("latin1").decode(tail),
  )!;
  const { allow_import: _, prompt, ...permissions } = JSON.parse(json);
  const allowed = Object.fromEntries(
    Object.entries(permissions).filter(([, value]) => value !== null),
  );
  assertEquals(prompt, false);
  assertEquals(allowed, {
    allow_net: [],
    allow_read: [], // any, for --ca, --cert and --key; given up after start
    allow_env: ["PORT", "TERM", ...PROXIES],
  });
  const { server, client, demo } = config.tasks;
  const flags = [server, client, demo].flatMap(({ command }) =>
    command.match(/--allow-\S+/g)!
  );
  assertEquals(
    new Set(flags),
    new Set([
      "--allow-net",
      "--allow-env=PORT",
      `--allow-env=${["TERM", ...PROXIES]}`,
      "--allow-read", // the client's, for --ca; given up after start
      "--allow-read=.", // the server's, to start --workers
    ]),
  );
});
