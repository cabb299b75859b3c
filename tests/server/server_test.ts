// The server as a process: how it starts, what it may do, and what it tells its
// operator.

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  freePort,
  makeCertificate,
  Process,
  ROOT,
  run,
  serverProcess,
  task,
} from "../../harness/process.ts";
import { encode, frame, HANDSHAKE, RawSocket } from "../../harness/sockets.ts";
import {
  BINARY,
  eventually,
  test,
  testOnLinux,
  TEXT,
} from "../../harness/helpers.ts";

test("TLS: https and wss with --cert and --key", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { cert, key } = await makeCertificate(folder);
    const { server, url } = await serverProcess(
      "--host=localhost",
      `--cert=${cert}`,
      `--key=${key}`,
    );
    await using _ = server;
    assertMatch(url, /^https:\/\/localhost:\d+\/$/);
    const trust = ["--cert", cert];
    const [deno, verb, ...rest] = task("client");
    const client = await run([
      deno,
      verb,
      ...trust,
      ...rest,
      url,
      "-n",
      "2000",
    ]);
    assertEquals(client.code, 0, client.stderr);
    assertEquals(client.stdout.trimEnd().split("\n").length, 2000);

    const stranger = await run([...task("client"), url, "--retries=0"]);
    assertEquals(stranger.code, 1);
    assertMatch(
      stranger.stderr,
      /^ws-random: wss:.*certificate.*; see --ca\n$/,
    );

    using http = Deno.createHttpClient({
      caCerts: [await Deno.readTextFile(cert)],
    });
    const page = await fetch(url, { client: http });
    assertEquals(page.status, 200);
    await page.body?.cancel();

    const elsewhere = `${folder}/other`;
    await Deno.mkdir(elsewhere);
    const other = await makeCertificate(elsewhere);
    const big = `${folder}/big.pem`;
    await Deno.writeTextFile(big, "x".repeat(1_000_001));
    const encrypted = [[], ["-traditional"]].map((form, index) => {
      const out = `${folder}/encrypted-${index}.pem`;
      const command = "rsa -aes256 -passout pass:x".split(" ");
      const args = [...command, ...form, "-in", key, "-out", out];
      const { success } = new Deno.Command("openssl", { args }).outputSync();
      assert(success);
      return out;
    });
    for (
      const [args, code, message] of [
        [[`--cert=${cert}`], 2, /--cert and --key go together/],
        [
          [`--cert=${cert}`, "--key=/no/such"],
          2,
          /--key: cannot read \/no\/such/,
        ],
        [
          [`--cert=${folder}`, `--key=${key}`],
          2,
          /--cert: cannot read .*: it is no file of at most 1 MB;/,
        ],
        [
          ["--cert=/dev/zero", `--key=${key}`],
          2,
          /--cert: cannot read \/dev\/zero: it is no file of at most 1 MB;/,
        ],
        [
          [`--cert=${cert}`, `--key=${big}`],
          2,
          /--key: cannot read .*: it is no file of at most 1 MB;/,
        ],
        [[`--cert=${key}`, `--key=${cert}`], 2, /--cert .* not usable/],
        [
          [`--cert=${cert}`, `--key=${other.key}`],
          2,
          /is not the key of --cert/,
        ],
        ...encrypted.map((key) =>
          [[`--cert=${cert}`, `--key=${key}`], 2, /openssl pkey -in/] as const
        ),
      ] as const
    ) {
      const refused = await run([
        ...task("server", `--allow-read=${folder},/no/such,/dev/zero`),
        "--port=0",
        ...args,
      ]);
      assertEquals(refused.code, code, refused.stderr);
      assertMatch(refused.stderr, message);
      assertEquals(refused.stderr.trimEnd().split("\n").length, 1);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

test("what cannot be started says why in one line", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr;
  const cases: [string[], number, RegExp][] = [
    [[`--port=${port}`], 1, new RegExp(`port ${port} of 127.0.0.1 is taken`)],
    [
      ["--host=203.0.113.1", "--port=0"],
      1,
      /cannot listen on 203\.0\.113\.1/,
    ],
    [["--port=x"], 2, /--port: "x" is not a whole number from 0 to 65535/],
    [["--nonsense"], 2, /unknown option --nonsense.*server --help/],
  ];
  for (const [args, code, message] of cases) {
    const result = await run([
      ...task("server"),
      ...args,
    ]);
    assertEquals(result.code, code);
    assertMatch(result.stderr, message);
    assertMatch(result.stderr, /^ws-random: [^\n]*\n$/);
    assertEquals(result.stdout, "");
  }
});

testOnLinux("--reuse-port: two processes share a port", async () => {
  const first = await serverProcess("--reuse-port");
  await using one = first.server;
  const second = await serverProcess("--reuse-port", `--port=${first.port}`);
  await using two = second.server;
  assertEquals(first.port, second.port);
  const sockets = await Promise.all(
    Array.from({ length: 64 }, () => RawSocket.open(first.port)),
  );
  for (const server of [one, two]) server.kill("SIGTERM");
  const closed = sockets.map(async (socket) => {
    assertEquals(await socket.closeCode(), 1001);
    socket[Symbol.dispose]();
  });
  await Promise.all(closed);
  const served = await Promise.all([one, two].map(async (server) => {
    assertEquals(await server.end(), 0);
    return Number(/after (\d+) connections/.exec(server.stdout)![1]);
  }));
  assertEquals(served[0] + served[1], 64);
  assert(served[0] > 0 && served[1] > 0, `${served}`); // by chance 1 in 2^63
});

test("$PORT replaces the default, and $HOST, which some shells export, does not", async () => {
  await using server = new Process(task("server"), {
    env: { HOST: "nosuch.invalid", PORT: "0" },
  });
  const [, port] = await server.until(
    /^Listening on http:\/\/127\.0\.0\.1:(\d+)\//,
  );
  assert(Number(port) > 0);
  const bad = await run(task("server"), { env: { PORT: "many" } });
  assertEquals(bad.code, 2);
  assertMatch(bad.stderr, /^ws-random: \$PORT: "many" is not a whole number/);
});

test("after start the process can read no file and no variable", async () => {
  const port = freePort();
  const script = `
    import { main } from "./server.ts";
    main(["--port=${port}"]);
    const read = { name: "read", path: "deno.json" };
    while ((await Deno.permissions.query(read)).state === "granted") {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    for (const attempt of [
      () => Deno.readTextFileSync("deno.json"),
      () => Deno.env.get("PORT"),
    ]) {
      try { attempt(); console.log("allowed"); } catch ({ name }) { console.log(name); }
    }
    console.log("page", (await fetch("http://127.0.0.1:${port}/")).status);
    Deno.exit();`;
  const [deno, ...args] = task("server");
  const child = new Deno.Command(deno, {
    args: [...args.slice(0, -1), "--no-prompt", "-"],
    cwd: ROOT,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(encode(script));
  await writer.close();
  const stdout = new TextDecoder().decode((await child.output()).stdout);
  // The server does not wait until its line is written, so others may come before.
  assertMatch(stdout, /^Listening/m);
  assertEquals(
    stdout.replace(/^Listening.*\n/m, ""),
    "NotCapable\nNotCapable\npage 200\n",
  );
});

testOnLinux(
  "out of descriptors it goes on, and listens again when there are some",
  async () => {
    const command = [...task("server"), "--port=0"].join(" ");
    await using server = new Process(
      ["sh", "-c", `ulimit -n 64; exec ${command}`],
      { stderr: "piped" },
    );
    const [, url] = await server.until(/^Listening on (\S+)\n/);
    const port = Number(new URL(url).port);
    const sockets: RawSocket[] = [];
    for (;;) {
      const socket = await RawSocket.open(port).catch(() => undefined);
      if (!socket) break; // the server could not accept it
      sockets.push(socket);
    }
    assert(sockets.length > 10, `${sockets.length} opened`);
    for (const socket of sockets) {
      await socket.write(frame(TEXT, "still there"));
      assertEquals((await socket.frame())?.opcode, TEXT);
    }
    for (const socket of sockets) socket[Symbol.dispose]();
    await eventually(async () => {
      const late = await RawSocket.open(port).catch(() => undefined);
      late?.[Symbol.dispose]();
      return late !== undefined;
    });
    server.kill("SIGTERM");
    const [code, stderr] = await Promise.all([server.end(), server.stderr()]);
    assertEquals(code, 0, stderr);
    assertMatch(
      stderr,
      /^ws-random: cannot take connections: .*open files.*; trying again; .*ulimit -n/m,
    );
  },
);

test("the operator is told of each kind of refusal and fault, by whom, and once only", async () => {
  await using server = new Process([...task("server"), "--port=0"], {
    stderr: "piped",
  });
  const [, url] = await server.until(/^Listening on (\S+)\n/);
  const port = Number(new URL(url).port);
  const peers = ["198.51.100.1", "198.51.100.2", "198.51.100.3"];
  for (const [i, peer] of peers.entries()) {
    const forwarded = { "X-Forwarded-For": `192.0.2.1, ${peer}` };
    using foreign = await RawSocket.connect(port);
    const Origin = `https://${i}.example\x9b31m`;
    await foreign.request("GET /ws", { ...HANDSHAKE, ...forwarded, Origin });
    using faulty = await RawSocket.connect(port);
    await faulty.request("GET /ws", { ...HANDSHAKE, ...forwarded });
    await faulty.write(frame(BINARY, "x"));
    assertEquals(await faulty.closeCode(), 1003);
    await fetch(`${url}ws`).then((response) => response.body?.cancel());
    using nameless = await RawSocket.connect(port);
    await nameless.request("GET /ws", {
      ...HANDSHAKE,
      ...forwarded,
      Host: "[",
    });
  }
  server.kill("SIGTERM");
  const [code, stderr] = await Promise.all([server.end(), server.stderr()]);
  assertEquals(code, 0);
  // The rest is told at the end at the latest.
  const origin = (i: number) =>
    `page of https://${i}.example\\x9b31m, but this server is ` +
    "http://127.0.0.1; set X-Forwarded-Proto in the proxy or --allow-origin";
  const by = (peer: string) => `from ${peer} by way of 127.0.0.1`;
  const endpoint = "this is a WebSocket endpoint; the page is at /";
  const host = 'Host must be a host, not "["';
  const binary = "binary data; text messages only";
  const lines = stderr.trimEnd().split("\n");
  assertEquals(
    lines.toSorted(),
    [
      `refused 1 handshake, ${by(peers[0])}: ${origin(0)}`,
      `refused 2 handshakes, the last ${by(peers[2])}: ${origin(2)}`,
      `1 connection closed with 1003, ${by(peers[0])}: ${binary}`,
      `2 connections closed with 1003, the last ${by(peers[2])}: ${binary}`,
      `refused 1 handshake, ${by(peers[0])}: ${host}`,
      `refused 2 handshakes, the last ${by(peers[2])}: ${host}`,
      `refused 1 handshake, from 127.0.0.1: ${endpoint}`,
      `refused 2 handshakes, the last from 127.0.0.1: ${endpoint}`,
    ].map((line) => `ws-random: ${line}`).toSorted(),
  );
});

/** Lines of a handshake that do not go together. */
const CONTRARY: [name: string, values: string[]][] = [
  ["Host", ["127.0.0.1", "evil.example", "[", ""]],
  ["Connection", ["Upgrade", "keep-alive", "close", "close, Upgrade", ""]],
  ["Upgrade", ["websocket", "h2c", "h2c, websocket", "websocket/13", ""]],
  ["Sec-WebSocket-Key", [HANDSHAKE["Sec-WebSocket-Key"], "x", ""]],
  ["Sec-WebSocket-Version", ["13", "8", "8, 13", ""]],
  ["Sec-WebSocket-Protocol", ["ws-random.lines", "foo", ""]],
];

for (const workers of [1, 2]) {
  const here = workers > 1 ? testOnLinux : test;
  here(
    `no two lines of a handshake end a server of --workers ${workers}`,
    async () => {
      await using server = new Process(
        [...task("server"), "--port=0", `--workers=${workers}`],
        { stderr: "piped" },
      );
      const [, port] = await server.until(/^Listening on \S+:(\d+)\/\n/);
      for (const [name, values] of CONTRARY) {
        const rest = Object.entries(HANDSHAKE).filter(([key]) => key !== name);
        const pairs = values.flatMap((a) => values.map((b) => [a, b]));
        for (const pair of pairs) {
          const fields = [...pair.map((value) => [name, value]), ...rest]
            .map(([key, value]) => `${key}: ${value}\r\n`);
          using socket = await RawSocket.connect(Number(port));
          await socket.write(
            encode(`GET /ws HTTP/1.1\r\n${fields.join("")}\r\n`),
          );
          const [first] = (await socket.head()).split("\r\n");
          assertMatch(first, /^HTTP\/1\.1 (101|4\d\d) /, `${name}: ${pair}`);
        }
      }
      server.kill("SIGTERM");
      const [code, stderr] = await Promise.all([server.end(), server.stderr()]);
      assertEquals(code, 0, stderr);
      for (const line of stderr.trimEnd().split("\n")) {
        assertMatch(line, /^ws-random: (refused |.* closed with 1006, )/);
      }
    },
  );
}

test("--log-format json makes an object of each line, on stdout too", async () => {
  await using server = new Process(
    [...task("server"), "--port=0", "--log-format=json"],
    { stderr: "piped" },
  );
  const [, url] = await server.until(/Listening on ([^\s"]+)/);
  await fetch(`${url}ws`).then((response) => response.body?.cancel());
  server.kill("SIGTERM");
  const [code, stderr] = await Promise.all([server.end(), server.stderr()]);
  assertEquals(code, 0);
  const events = `${server.stdout}${stderr}`.trimEnd().split("\n")
    .map((line) => JSON.parse(line));
  assertEquals(events.map(({ kind }) => kind), [
    "start",
    "stop",
    "refusal_upgrade",
  ]);
  assertEquals(events[2].peer, "127.0.0.1");
});

testOnLinux("a stderr or stdout that nobody reads stops nothing", async () => {
  const folder = await Deno.makeTempDir();
  for (const stream of [1, 2]) {
    const port = freePort();
    const fifo = `${folder}/${stream}`;
    const command = [...task("server"), `--port=${port}`].join(" ");
    // Full from the start, and somebody holds its other end.
    const full = `mkfifo ${fifo} && exec 9<>${fifo} && ` +
      `head -c 65536 /dev/zero >&9 && exec ${command} ${stream}>&9`;
    await using server = new Process(["sh", "-c", full], { stderr: "null" });
    await eventually(() => answers(port));
    for (let i = 0; i < 3; i++) {
      using refused = await RawSocket.connect(port);
      assertEquals(
        (await refused.request("GET /ws", { Host: "127.0.0.1" })).status,
        426,
      );
    }
    using socket = await RawSocket.open(port);
    await socket.write(frame(TEXT, "still there"));
    assertEquals((await socket.frame())?.opcode, TEXT);
    server.kill("SIGTERM");
    assertEquals(await socket.closeCode(), 1001);
    socket.connection.closeWrite();
    assertEquals(await server.end(), 0);
  }
  await Deno.remove(folder, { recursive: true });
});

testOnLinux("a full disk under stdout and stderr stops nothing", async () => {
  const port = freePort();
  const command = [...task("server"), `--port=${port}`].join(" ");
  await using server = new Process(
    ["sh", "-c", `exec ${command} >/dev/full 2>&1`],
  );
  await eventually(() => answers(port));
  assertEquals(
    (await fetch(`http://127.0.0.1:${port}/ws`).then(async (response) => {
      await response.body?.cancel();
      return response;
    })).status,
    426,
  );
  server.kill("SIGTERM");
  assertEquals(await server.end(), 0);
});

/** Whether a server listens on a port. */
function answers(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/livez`).then(
    async (response) => {
      await response.body?.cancel();
      return response.ok;
    },
    () => false,
  );
}
