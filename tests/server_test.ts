// Design D5, the server's side: the exchange, what ends it, and how the process
// behaves.

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Server } from "../server.ts";
import { parseResponse } from "../static/proof.js";
import {
  makeCertificate,
  NO_PERMISSIONS,
  Process,
  ROOT,
  run,
  serverProcess,
  task,
} from "../harness/process.ts";
import { encode, frame, HANDSHAKE, RawSocket } from "../harness/sockets.ts";
import { eventually, next, seeded, withServer } from "./helpers.ts";

const ignore = NO_PERMISSIONS;

const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

/** Sends requests on one connection, all at once, and checks each response. */
async function exchange(ws: string, requests: string[]): Promise<void> {
  const socket = new WebSocket(ws);
  await next(socket, "open");
  let received = 0;
  const all = new Promise<void>((resolve, reject) => {
    socket.onmessage = ({ data }) => {
      if (!parseResponse(requests[received], data)) {
        reject(new Error(String(data)));
      }
      if (++received === requests.length) resolve();
    };
    socket.onclose = ({ code }) => reject(new Error(`closed with ${code}`));
  });
  for (const request of requests) socket.send(request);
  await all;
  socket.onclose = null;
  socket.close();
  await next(socket, "close");
}

const numbered = (count: number) =>
  Array.from({ length: count }, (_, i) => `Message ${i + 1}`);

/** Shows that the server is none the worse. */
const stillAnswers = (ws: string) => exchange(ws, ["still there"]);

const portOf = (url: string) => Number(new URL(url).port);

Deno.test("10,000 requests on one connection, answered in order", {
  ignore,
}, () => withServer({}, (ws) => exchange(ws, numbered(10_000))));

Deno.test(
  "10,000 requests over 100 connections",
  { ignore },
  () =>
    withServer({}, async (ws, { metrics }) => {
      await Promise.all(
        Array.from({ length: 100 }, () => exchange(ws, numbered(100))),
      );
      assertEquals(metrics.requests, 10_000);
      assertEquals(metrics.connections, 100);
    }),
);

Deno.test(
  "any text is answered: empty, markup, emoji, lines",
  { ignore },
  () =>
    withServer({}, (ws) =>
      exchange(ws, [
        "",
        " ",
        "42",
        "<b>&amp;",
        "🎲 naïve",
        "a\nb\r\n",
        "\0",
        "%s",
      ])),
);

Deno.test(
  "a binary message closes with 1003",
  { ignore },
  () =>
    withServer({}, async (ws) => {
      using socket = await RawSocket.open(portOf(ws));
      await socket.write(frame(BINARY, "x"));
      assertEquals(await socket.closeCode(), 1003);
      await stillAnswers(ws);
    }),
);

Deno.test("--max-message counts bytes of UTF-8; more close with 1009", {
  ignore,
}, () =>
  withServer({ maxMessage: 12 }, async (ws) => {
    await exchange(ws, ["123456789012", "éééééé", "🎲🎲🎲", "€€€€"]);
    for (const long of ["1234567890123", "ééééééé", "🎲🎲🎲1", "€€€€€"]) {
      using socket = await RawSocket.open(portOf(ws));
      await socket.write(frame(TEXT, long));
      assertEquals(await socket.closeCode(), 1009, long);
    }
    await stillAnswers(ws);
  }));

Deno.test(
  "a message in fragments is one request",
  { ignore },
  () =>
    withServer({}, async (ws) => {
      using socket = await RawSocket.open(portOf(ws));
      await socket.write(frame(TEXT, "Mess", { fin: false }));
      await socket.write(frame(PING, "between"));
      await socket.write(frame(0, "age", { fin: false }));
      await socket.write(frame(0, " 7"));
      const pong = await socket.frame();
      assertEquals(pong, { opcode: PONG, payload: encode("between") });
      const response = new TextDecoder().decode(
        (await socket.frame())!.payload,
      );
      assert(parseResponse("Message 7", response), response);
    }),
);

Deno.test(
  "a close is answered with its code",
  { ignore },
  () =>
    withServer({}, async (ws) => {
      for (const code of [1000, 1001, 1011, 3000, 4999]) {
        using socket = await RawSocket.open(portOf(ws));
        await socket.write(
          frame(CLOSE, new Uint8Array([code >> 8, code & 255])),
        );
        assertEquals(await socket.closeCode(), code);
      }
    }),
);

// RFC 6455 sections 5.2, 5.4, 5.5, 7.4.1 and 8.1
const MALFORMED: Record<string, Uint8Array<ArrayBuffer>[]> = {
  "reserved bit 1": [frame(TEXT, "x", { reserved: 4 })],
  "reserved bit 2": [frame(TEXT, "x", { reserved: 2 })],
  "reserved bit 3": [frame(TEXT, "x", { reserved: 1 })],
  "unknown opcode 3": [frame(3, "x")],
  "unknown opcode 7": [frame(7, "x")],
  "unknown opcode 11": [frame(11, "x")],
  "unknown opcode 15": [frame(15, "x")],
  "bad UTF-8": [frame(TEXT, new Uint8Array([0xc3, 0x28]))],
  "cut UTF-8": [frame(TEXT, new Uint8Array([0xe2, 0x82]))],
  "a surrogate in UTF-8": [frame(TEXT, new Uint8Array([0xed, 0xa0, 0x80]))],
  "a ping of 126 bytes": [frame(PING, new Uint8Array(126))],
  "a close of 126 bytes": [frame(CLOSE, new Uint8Array(126))],
  "a fragmented ping": [frame(PING, "x", { fin: false })],
  "a fragmented close": [frame(CLOSE, "", { fin: false })],
  "a close of one byte": [frame(CLOSE, new Uint8Array([3]))],
  "a close with code 999": [frame(CLOSE, new Uint8Array([3, 231]))],
  "a close with code 1005": [frame(CLOSE, new Uint8Array([3, 237]))],
  "a close with code 1006": [frame(CLOSE, new Uint8Array([3, 238]))],
  "a close with bad UTF-8": [
    frame(CLOSE, new Uint8Array([3, 232, 0xff, 0xff])),
  ],
  "a continuation without a start": [frame(0, "x")],
  "a start within a fragmented message": [
    frame(TEXT, "x", { fin: false }),
    frame(TEXT, "y"),
  ],
  "a length over the limit": [
    new Uint8Array([0x81, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
  ],
  "a length with the top bit": [
    new Uint8Array([0x81, 0xff, ...new Array(8).fill(255), 0, 0, 0, 0]),
  ],
};

Deno.test("a malformed frame ends its connection and no other", {
  ignore,
}, async (t) => {
  await withServer({}, async (ws, { metrics }) => {
    const bystander = await RawSocket.open(portOf(ws));
    for (const [name, frames] of Object.entries(MALFORMED)) {
      await t.step(name, async () => {
        using socket = await RawSocket.open(portOf(ws));
        for (const bytes of frames) await socket.write(bytes);
        const requests = metrics.requests;
        await socket.closeCode(); // resolves only when the connection ends
        assertEquals(metrics.requests, requests, "it was answered");
      });
    }
    await bystander.write(frame(TEXT, "untouched"));
    assertEquals((await bystander.frame())?.opcode, TEXT);
    bystander[Symbol.dispose]();
    await stillAnswers(ws);
  });
});

Deno.test(
  "a header cut at any byte leaves nothing behind",
  { ignore },
  () =>
    withServer({ idleTimeout: 0 }, async (ws, server) => {
      const whole = frame(TEXT, "x".repeat(200));
      for (let length = 1; length < 12; length++) {
        using socket = await RawSocket.open(portOf(ws));
        await socket.write(whole.subarray(0, length));
      }
      await eventually(() => closes(server) === 11);
      await stillAnswers(ws);
    }),
);

const closes = ({ metrics }: Server) => metrics.connections - metrics.open;

Deno.test(
  "2,000 connections of random bytes",
  { ignore },
  () =>
    withServer({}, async (ws, server) => {
      const random = seeded(2000);
      const port = portOf(ws);
      for (let group = 0; group < 40; group++) {
        await Promise.all(Array.from({ length: 50 }, async (_, i) => {
          const bytes = Uint8Array.from(
            { length: random(300) },
            () => random(256),
          );
          // Every second one first opens a WebSocket.
          using socket = i % 2
            ? await RawSocket.open(port)
            : await RawSocket.connect(port);
          await socket.write(bytes).catch(() => {}); // it may be cut already
        }));
      }
      await eventually(() => closes(server) === 1000);
      await stillAnswers(ws);
    }),
);

Deno.test("1,000 connections opened and cut leave nothing behind", {
  ignore,
}, async () => {
  const { server, url, port } = await serverProcess();
  await using _ = server;
  for (let group = 0; group < 20; group++) {
    await Promise.all(Array.from({ length: 50 }, async () => {
      using socket = await RawSocket.open(port);
      await socket.write(frame(TEXT, "x"));
    }));
  }
  await eventually(async () => {
    const { connections } = await (await fetch(`${url}healthz`)).json();
    return connections === 0;
  });
  const metrics = await (await fetch(`${url}metrics`)).text();
  assertMatch(metrics, /connections_total 1000\n/);
  await stillAnswers(url.replace("http", "ws"));
});

Deno.test("a silent peer is pinged; one that does not answer is dropped", {
  ignore,
}, () =>
  withServer({ idleTimeout: 1 }, async (ws, server) => {
    using vanished = await RawSocket.open(portOf(ws));
    using alive = await RawSocket.open(portOf(ws));
    assertEquals((await alive.frame())?.opcode, PING);
    await alive.write(frame(PONG, ""));

    await eventually(() => closes(server) === 1);
    assertEquals(await vanished.closeCode(), 1001);
    assertEquals((await alive.frame())?.opcode, PING);
    await alive.write(frame(TEXT, "y"));
    assertEquals((await alive.frame())?.opcode, TEXT);
  }));

Deno.test("ten peers that send for 20 s and never read: memory stays flat", {
  ignore: ignore || Deno.build.os !== "linux",
}, async () => {
  const { server, url, port } = await serverProcess();
  await using _ = server;
  const ws = url.replace("http", "ws");
  await exchange(ws, numbered(1000)); // warm
  // The highest there was, in bytes. Deno itself may read /proc with -A only.
  const memory = async () => {
    const { stdout } = await run(["cat", `/proc/${server.pid}/status`]);
    return Number(/VmHWM:\s+(\d+)/.exec(stdout)![1]) * 1024;
  };
  const before = await memory();
  const stop = AbortSignal.timeout(20_000);

  // Frames of 0 to 120 bytes, a different size for each peer.
  const flood = async (size: number) => {
    const bytes = new Uint8Array(65_536);
    const one = frame(TEXT, "x".repeat(size));
    const count = Math.floor(bytes.length / one.length);
    for (let i = 0; i < count; i++) bytes.set(one, i * one.length);
    while (!stop.aborted) {
      using socket = await RawSocket.open(port);
      const close = () => socket.connection.close();
      if (stop.aborted) return; // while it was opened
      stop.addEventListener("abort", close);
      try {
        for (;;) await socket.write(bytes.subarray(0, count * one.length));
      } catch { // closed by the server: once more
        stop.removeEventListener("abort", close);
      }
      if (stop.aborted) return; // closed above already; `using` may close twice
    }
  };
  const floods = Array.from(
    { length: 10 },
    (_, i) => flood(i * 13).catch(() => {}),
  );
  let answeredMeanwhile = 0;
  while (!stop.aborted) {
    await stillAnswers(ws);
    answeredMeanwhile++;
  }
  await Promise.all(floods);
  const growth = (await memory() - before) / 1e6;
  assert(growth < 250, `resident memory grew by ${growth} MB`);
  assert(answeredMeanwhile > 0);
  const metrics = await (await fetch(`${url}metrics`)).text();
  assertMatch(metrics, /closes_total\{code="1008"\} [1-9]/);
});

Deno.test("SIGTERM: what has arrived is answered, close 1001, exit 0", {
  ignore,
}, async () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    const { server, url, port } = await serverProcess();
    await using _ = server;
    const sockets = await Promise.all(
      Array.from({ length: 5 }, () => RawSocket.open(port)),
    );
    for (const socket of sockets) {
      const bytes = numbered(500).map((text) => frame(TEXT, text));
      for (const each of bytes) await socket.write(each);
    }
    server.kill(signal);
    for (const socket of sockets) {
      for (const request of numbered(500)) {
        const { opcode, payload } = (await socket.frame())!;
        assertEquals(opcode, TEXT, request);
        assert(parseResponse(request, new TextDecoder().decode(payload)));
      }
      assertEquals(await socket.closeCode(), 1001);
      socket[Symbol.dispose]();
    }
    assertEquals(await server.end(), 0);
    assertMatch(
      server.stdout,
      /^Listening on \S+\nStopped after 5 connections and 2500 requests\n$/,
    );
    const refused = await fetch(url).then(() => false, () => true);
    assert(refused, "it listens still");
  }
});

Deno.test("peers that never stop or close do not keep it beyond --grace", {
  ignore,
}, async () => {
  const { server, port } = await serverProcess("--grace=1");
  await using _ = server;
  using silent = await RawSocket.open(port); // will not answer the close
  using half = await RawSocket.connect(port); // of a request
  await half.write(encode("GET / HTTP/1.1\r\nHos"));
  using busy = await RawSocket.open(port);
  const sending = (async () => {
    for (;;) {
      await busy.write(frame(TEXT, "on and on"));
      await busy.frame();
    }
  })().catch(() => {});
  const sentAt = performance.now();
  server.kill("SIGTERM");
  assertEquals(await server.end(), 0);
  const seconds = (performance.now() - sentAt) / 1000;
  assert(seconds < 3, `it took ${seconds} s`); // 1 s and a busy machine
  assertEquals(await silent.closeCode(), 1001);
  await sending;
});

Deno.test("while it shuts down it takes no more connections", {
  ignore,
}, async () => {
  const { server, url, port } = await serverProcess("--grace=600");
  await using _ = server;
  using silent = await RawSocket.open(port);
  server.kill("SIGTERM");
  assertEquals(await silent.closeCode(), 1001);
  using late = await RawSocket.connect(port);
  assertEquals((await late.request("GET /ws", HANDSHAKE)).status, 503);
  const health = await fetch(`${url}healthz`);
  assertEquals(health.status, 503);
  assertEquals((await health.json()).status, "draining");
});

Deno.test("a second signal exits at once", { ignore }, async () => {
  const { server, port } = await serverProcess("--grace=600");
  await using _ = server;
  using silent = await RawSocket.open(port);
  server.kill("SIGTERM");
  assertEquals(await silent.closeCode(), 1001); // it is shutting down
  server.kill("SIGTERM");
  assertEquals(await server.end(), 143);
});

Deno.test("TLS: https and wss with --cert and --key", { ignore }, async () => {
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
      /^ws-random: cannot reach wss:.*certificate.*\n$/,
    );

    using http = Deno.createHttpClient({
      caCerts: [await Deno.readTextFile(cert)],
    });
    const page = await fetch(url, { client: http });
    assertEquals(page.status, 200);
    await page.body?.cancel();

    for (
      const [args, code, message] of [
        [[`--cert=${cert}`], 2, /--cert and --key go together/],
        [
          [`--cert=${cert}`, "--key=/no/such"],
          1,
          /--key: cannot read \/no\/such/,
        ],
        [[`--cert=${key}`, `--key=${cert}`], 1, /--cert .* not usable/],
      ] as const
    ) {
      const refused = await run([
        ...task("server", "--allow-read"),
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

Deno.test(
  "what cannot be started says why in one line",
  { ignore },
  async () => {
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
      const result = await run([...task("server"), ...args]);
      assertEquals(result.code, code);
      assertMatch(result.stderr, message);
      assertMatch(result.stderr, /^ws-random: [^\n]*\n$/);
      assertEquals(result.stdout, "");
    }
  },
);

Deno.test("--reuse-port: two processes share a port", {
  ignore: ignore || Deno.build.os !== "linux",
}, async () => {
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

Deno.test("$HOST and $PORT replace the defaults", { ignore }, async () => {
  await using server = new Process(task("server"), {
    env: { HOST: "localhost", PORT: "0" },
  });
  const [, port] = await server.until(
    /^Listening on http:\/\/localhost:(\d+)\//,
  );
  assert(Number(port) > 0);
  const bad = await run(task("server"), { env: { PORT: "many" } });
  assertEquals(bad.code, 2);
  assertMatch(bad.stderr, /^ws-random: \$PORT: "many" is not a whole number/);
});

Deno.test("after start the process can read no file and no variable", {
  ignore,
}, async () => {
  const script = `
    import { main } from "./server.ts";
    const log = console.log;
    console.log = (line) => {
      log(line);
      console.log = log;
      setTimeout(async () => {
        for (const attempt of [
          () => Deno.readTextFileSync("deno.json"),
          () => Deno.env.get("HOST"),
        ]) {
          try { attempt(); log("allowed"); } catch (error) { log(error.name); }
        }
        log("page", (await fetch(line.split(" ").at(-1))).status);
        Deno.exit();
      });
    };
    await main(["--port=0"]);`;
  const [deno, ...args] = task("server", "--allow-read");
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
  assertMatch(stdout, /^Listening.*\nNotCapable\nNotCapable\npage 200\n$/);
});
