// Design D3, D5 and D6, the client's side: what it prints, what it survives,
// and what it does not let pass.

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Report } from "../lib/report.ts";
import { parseResponse } from "../static/proof.js";
import {
  NO_PERMISSIONS,
  Process,
  ROOT,
  run,
  runClient,
  serverProcess,
  task,
} from "../harness/process.ts";
import { seeded, withServer } from "./helpers.ts";

const ignore = NO_PERMISSIONS;
const README = ignore ? "" : Deno.readTextFileSync(`${ROOT}README.md`);

/** Each request of the default message has exactly one line, and a valid one. */
function checkLines(stdout: string, count: number): void {
  const lines = stdout.trimEnd().split("\n");
  assertEquals(lines.length, count);
  const seen = new Set<number>();
  for (const line of lines) {
    const index = Number(/^Message (\d+) \d+$/.exec(line)?.[1]);
    assert(parseResponse(`Message ${index}`, line), line);
    assert(!seen.has(index), `${line} came twice`);
    seen.add(index);
  }
  assertEquals(Math.max(...seen), count);
}

/** Runs the client with `--json`. */
async function report(
  ...args: string[]
): Promise<Report & { code: number; stderr: string }> {
  const { code, stdout, stderr } = await runClient("--json", ...args);
  return { ...JSON.parse(stdout), code, stderr };
}

/** A WebSocket server that does as it is told with each message, here where the
 * truth is not told. */
async function withLiar(
  onMessage: (socket: WebSocket, request: string, nth: number) => void,
  use: (url: string) => Promise<void>,
): Promise<void> {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => {
      const { socket, response } = Deno.upgradeWebSocket(request);
      let nth = 0;
      socket.onmessage = ({ data }) => onMessage(socket, data, nth++);
      socket.onerror = (event) => event.preventDefault();
      return response;
    },
  );
  try {
    await use(`ws://127.0.0.1:${server.addr.port}/`);
  } finally {
    await server.shutdown();
  }
}

Deno.test("10,000 responses on stdout, the report on stderr, exit 0", {
  ignore,
}, () =>
  withServer({}, async (url) => {
    const { code, stdout, stderr } = await runClient(url);
    assertEquals(code, 0, stderr);
    checkLines(stdout, 10_000);
    assertMatch(
      stderr,
      /^requests +10000 sent, 10000 answered, 0 missing, 0 inv/m,
    );
    assertMatch(stderr, /\n10000 responses to 10000 requests\n$/);
  }));

Deno.test("any count, window, number of connections and message", {
  ignore,
}, () =>
  withServer({}, async (url, { metrics }) => {
    const cases: [string[], number][] = [
      [["-n1"], 1],
      [["-n", "100", "-w", "1"], 100],
      [["-n", "7", "-c", "20"], 7],
      [["-n", "10k", "-c", "50", "-w", "32"], 10_000],
      [["-n", "50", "--message", "always the same"], 50],
      [["-n", "50", "--message={i} 🎲 {i} <{i}>"], 50],
      [["-n", "300", "--message", "{i}" + "x".repeat(2000)], 300],
    ];
    for (const [args, count] of cases) {
      const before = metrics.requests;
      const { code, sent, answered, missing, invalid } = await report(
        url,
        ...args,
      );
      assertEquals(
        { code, sent, answered, missing, invalid },
        { code: 0, sent: count, answered: count, missing: 0, invalid: 0 },
        args.join(" "),
      );
      assertEquals(metrics.requests - before, count);
    }
    const { stdout } = await runClient(url, "-n2", "--message={i}. {i}");
    assertMatch(stdout, /^1\. 1 \d+\n2\. 2 \d+\n$/);
  }));

Deno.test("--connections opens so many and shares the requests", {
  ignore,
}, () =>
  withServer({}, async (url, { metrics }) => {
    assertEquals((await report(url, "-n", "1000", "-c", "10")).code, 0);
    assertEquals(metrics.connections, 10);
  }));

Deno.test("--batch: the same proof with many requests in a message", {
  ignore,
}, async () => {
  await withServer({}, async (url, { metrics }) => {
    for (const args of ["-b 100", "-b 2 -w 1", "-b 7 -c 3", "-b 1000 -n 1"]) {
      const before = metrics.requests;
      const count = args.includes("-n") ? 1 : 5000;
      const { code, stdout, stderr } = await runClient(
        url,
        ...(args.includes("-n") ? args : `${args} -n ${count}`).split(" "),
      );
      assertEquals(code, 0, stderr);
      checkLines(stdout, count);
      assertEquals(metrics.requests - before, count);
    }
  });

  // Messages stay within 1,024 bytes, in UTF-8, and a long request goes alone.
  const sizes: number[] = [];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => {
      const protocol = request.headers.get("sec-websocket-protocol")!;
      const upgraded = Deno.upgradeWebSocket(request, { protocol });
      upgraded.socket.onmessage = ({ data }) => {
        sizes.push(new TextEncoder().encode(data).length);
        upgraded.socket.send(data.replaceAll(/$/gm, " 7"));
      };
      return upgraded.response;
    },
  );
  const url = `ws://127.0.0.1:${server.addr.port}/`;
  assertEquals(
    (await report(url, "-n1000", "-b500", "--message=é{i}")).code,
    0,
  );
  assert(
    sizes.every((size) => size <= 1024) && sizes.some((size) => size > 800),
  );
  const long = `--message=${"x".repeat(1100)}`;
  assertEquals((await report(url, "-n5", "-b500", long)).code, 0);
  assertEquals(sizes.slice(-5), new Array(5).fill(1100));
  await server.shutdown();
});

Deno.test("--batch needs the subprotocol, and requests without line breaks", {
  ignore,
}, () =>
  withLiar(() => {}, async (url) => {
    const refused = await runClient(url, "--batch=10");
    assertEquals(refused.code, 1);
    assertMatch(
      refused.stderr,
      /^ws-random: \S+: does not speak ws-random\.lines; leave out --batch\n$/,
    );
    const broken = await runClient(url, "--batch=10", "--message=a\nb");
    assertEquals(broken.code, 2);
    assertMatch(
      broken.stderr,
      /^ws-random: --message: has a line break[^\n]+\n$/,
    );
  }));

Deno.test(
  "a --message over 1,024 bytes is warned of once",
  { ignore },
  () =>
    withServer({}, async (url) => {
      const message = `--message=${"x".repeat(1025)}`;
      const { code, stderr } = await runClient(url, "-n3", "-w1", message);
      assertEquals(code, 0);
      assertEquals(
        stderr.match(/^ws-random: requests over 1024 bytes/gm)?.length,
        1,
      );
    }),
);

Deno.test("a window of 1 waits for each response", { ignore }, async () => {
  let unanswered = 0;
  let most = 0;
  await withLiar((socket, request) => {
    most = Math.max(most, ++unanswered);
    queueMicrotask(() => {
      unanswered--;
      socket.send(`${request} 1`);
    });
  }, async (url) => {
    assertEquals((await report(url, "-n", "100", "-w", "1")).code, 0);
  });
  assertEquals(most, 1);
});

Deno.test(
  "the JSON report has the fields of the design",
  { ignore },
  () =>
    withServer({}, async (url) => {
      const { code, stdout, stderr } = await runClient(
        url,
        "--json",
        "-n",
        "5000",
      );
      assertEquals([code, stderr], [0, ""]);
      const report: Report = JSON.parse(stdout);
      assertEquals(report.url, url);
      assertEquals(report.sent, 5000);
      const { min, p50, p90, p99, max } = report.latencyMs;
      assert(
        0 < min! && min! <= p50! && p50! <= p90! && p90! <= p99! &&
          p99! <= max!,
      );
      assertEquals(report.numbers.counts.length, 100);
      assertEquals(report.numbers.counts.reduce((sum, n) => sum + n), 5000);
      assertEquals(report.numbers.min, 1);
      assertEquals(report.numbers.max, 100);
      assert(report.numbers.pValue! > 1e-7);
      assert(Math.abs(report.perSecond * report.seconds / 5000 - 1) < 0.1);
    }),
);

Deno.test("--quiet prints no responses, --histogram draws the numbers", {
  ignore,
}, () =>
  withServer({}, async (url) => {
    const { code, stdout, stderr } = await runClient(url, "-q", "--histogram");
    assertEquals([code, stdout], [0, ""]);
    assertMatch(stderr, /│[▁-█┈]{50}\n/);
    assertMatch(stderr, /\n10000 responses to 10000 requests\n$/);
  }));

Deno.test("--rate spaces the requests evenly, over all connections", {
  ignore,
}, async () => {
  const times: number[] = [];
  await withLiar((socket, request) => {
    times.push(performance.now());
    socket.send(`${request} 1`);
  }, async (url) => {
    const args = ["-n", "600", "-c", "3", "--rate", "300"];
    const { code, seconds } = await report(url, ...args);
    assertEquals(code, 0);
    // The last of 600 is due after 599/300 s; late only if the machine is.
    assert(seconds > 1.99, `${seconds} s`);
    assert(seconds < 1.9967 * 1.01 + 0.1, `${seconds} s`);
  });
  // In each half of the time half of the requests.
  const middle = (times[0] + times.at(-1)!) / 2;
  const early = times.filter((time) => time < middle).length;
  assert(early > 270 && early < 330, `${early} of 600 in the first half`);
});

Deno.test(
  "a server killed and restarted three times: each request answered once",
  {
    ignore,
  },
  async () => {
    const first = await serverProcess();
    const { port } = first;
    let { server } = first;
    await using client = new Process([
      ...task("client"),
      `ws://127.0.0.1:${port}/ws`,
      ..."--count 100k --connections 4 --window 100 --rate 25k --retries 20"
        .split(" "),
    ], { stderr: "piped", env: { NO_COLOR: "1" } });
    try {
      for (const progress of [15, 40, 70]) {
        await client.until(new RegExp(`^Message ${progress}\\d{3} `, "m"));
        server.kill("SIGKILL");
        await server.end();
        server = (await serverProcess(`--port=${port}`)).server;
      }
      const [code, stderr] = await Promise.all([client.end(), client.stderr()]);
      assertEquals(code, 0, stderr);
      assertMatch(stderr, /100000 sent, 100000 answered, 0 missing, 0 invalid/);
      assertMatch(stderr, /[1-9]\d* resent, [1-9]\d* reconnects$/m);
      checkLines(client.stdout, 100_000);
    } finally {
      await server[Symbol.asyncDispose]();
    }
  },
);

Deno.test("a proxy that cuts at random bytes, within frames too", {
  ignore,
}, () =>
  withServer({}, async (url) => {
    const random = seeded(50_000);
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    let cuts = 0;
    const proxy = (async () => {
      for await (const near of listener) {
        const far = await Deno.connect({ port: Number(new URL(url).port) });
        let left = 1000 + random(150_000); // bytes in both directions
        const close = () => {
          for (const connection of [near, far]) {
            try {
              connection.close();
            } catch { /* closed already */ }
          }
        };
        const pipe = async (from: Deno.Conn, to: Deno.Conn) => {
          const buffer = new Uint8Array(4096);
          for (;;) {
            const length = await from.read(buffer);
            if (length === null) return;
            let part = buffer.subarray(0, Math.min(length, left));
            left -= part.length;
            while (part.length > 0) part = part.subarray(await to.write(part));
            if (left === 0) {
              cuts++;
              return;
            }
          }
        };
        Promise.race([pipe(near, far), pipe(far, near)])
          .catch(() => {}).finally(close);
      }
    })().catch(() => {});
    const { port } = listener.addr;
    const { code, stdout, stderr } = await runClient(
      `ws://127.0.0.1:${port}/ws`,
      ..."--count 50k --connections 4 --window 200".split(" "),
    );
    listener.close();
    await proxy;
    assertEquals(code, 0, stderr);
    assert(cuts >= 10, `${cuts} cuts`);
    assertMatch(stderr, /50000 sent, 50000 answered, 0 missing, 0 invalid/);
    checkLines(stdout, 50_000);
  }));

Deno.test("a lying server is found out", { ignore }, async (t) => {
  // A lie, and what the report of 10 requests must say of it.
  const lies: Record<
    string,
    [
      (request: string, nth: number) => (string | ArrayBuffer)[],
      Partial<Report>,
    ]
  > = {
    "0": [(r, n) => [`${r} ${n === 3 ? 0 : 7}`], { answered: 9, invalid: 1 }],
    "101": [(r, n) => [`${r} ${n === 3 ? 101 : 7}`], {
      answered: 9,
      invalid: 1,
    }],
    "07": [(r, n) => [`${r} ${n === 3 ? "07" : 7}`], {
      answered: 9,
      invalid: 1,
    }],
    "half of it": [
      (r, n) => [n === 3 ? r.slice(0, 5) : `${r} 7`],
      { answered: 9, invalid: 1 },
    ],
    "nothing but the number": [() => ["7"], { answered: 0, invalid: 10 }],
    "in binary": [
      (
        r,
        n,
      ) => [n === 3 ? new TextEncoder().encode(`${r} 7`).buffer : `${r} 7`],
      { answered: 9, invalid: 1 },
    ],
    "another request's text": [
      (r) => [`Message ${Number(r.slice(8)) + 1} 7`],
      { answered: 0, invalid: 10 },
    ],
    "twice": [(r) => [`${r} 7`, `${r} 8`], { answered: 10, invalid: 10 }],
    "once more than asked": [
      (r, n) => n === 9 ? [`${r} 7`, "hello"] : [`${r} 7`],
      { answered: 10, invalid: 1 },
    ],
  };
  for (const [name, [lie, expected]] of Object.entries(lies)) {
    await t.step(name, () =>
      withLiar(
        (socket, request, nth) => {
          for (const response of lie(request, nth)) socket.send(response);
        },
        async (url) => {
          const result = await report(url, "-n", "10", "--timeout", "1");
          assertEquals(result.code, 1);
          assertEquals(
            { answered: result.answered, invalid: result.invalid },
            expected,
          );
          assertEquals(result.missing, 10 - result.answered);
          assert(result.firstInvalid !== null);
          if (result.answered === 9) {
            assertEquals(result.missingRequests, [[4, 4]]);
          }
        },
      ));
  }
});

Deno.test("answers that come in another order are not let pass", {
  ignore,
}, async () => {
  let held = "";
  await withLiar((socket, request, nth) => {
    if (nth === 0) held = request;
    else socket.send(`${request} 7`);
    if (nth === 1) socket.send(`${held} 7`);
  }, async (url) => {
    const { code, answered, invalid } = await report(url, "-n", "10");
    assertEquals([code, answered, invalid], [1, 8, 2]);
  });
});

Deno.test(
  "half of the responses, then 1011: sent again until all are answered",
  {
    ignore,
  },
  async () => {
    await withLiar((socket, request, nth) => {
      if (nth < 5) socket.send(`${request} 7`);
      else if (nth === 5) socket.close(1011, "out of order");
    }, async (url) => {
      const result = await report(url, "-n", "12", "-w", "10");
      assertEquals(result.code, 0, result.stderr);
      assertEquals([result.answered, result.invalid], [12, 0]);
      // More if a reset overtakes responses.
      assert(result.reconnects >= 2 && result.resent >= 7);
    });
  },
);

Deno.test("close codes: some are worth another try, some are not", {
  ignore,
}, async (t) => {
  for (const code of [1000, 1001, 1011, 1012, 1013, 3000]) {
    await t.step(`${code} is`, async () => {
      let connections = 0;
      await withLiar((socket, request, nth) => {
        if (nth === 0 && connections++ < 2) socket.close(code, "");
        else socket.send(`${request} 7`);
      }, async (url) => {
        const result = await report(url, "-n", "1");
        assertEquals([result.code, result.reconnects], [0, 2], result.stderr);
      });
    });
  }
  const fatal = {
    1002: "protocol error",
    1003: "unsupported data",
    1007: "invalid payload data",
    1008: "policy violation",
    1009: "message too big",
  };
  for (const [code, meaning] of Object.entries(fatal)) {
    await t.step(`${code} is not`, async () => {
      await withLiar((socket, request, nth) => {
        if (nth < 3) socket.send(`${request} 7`);
        else socket.close(Number(code), "because");
      }, async (url) => {
        const result = await runClient(url, "-n", "10", "-w", "1");
        assertEquals(result.code, 1);
        assertEquals(
          result.stderr.split("\n")[0],
          `ws-random: ${url}: closed with ${code} (${meaning}): because`,
        );
        // What was received is not lost.
        assertMatch(result.stderr, /\n3 responses to 4 requests\n$/);
        assertEquals(result.stdout.trimEnd().split("\n").length, 3);
      });
    });
  }
});

Deno.test("our own server's refusals end the run with their reason", {
  ignore,
}, async () => {
  await withServer({ maxMessage: 9 }, async (url) => {
    const { code, stderr } = await runClient(url, "-n", "10");
    assertEquals(code, 1);
    assertMatch(
      stderr,
      /closed with 1009 \(message too big\): at most 9 bytes\n/,
    );
    // Nor is the reason lost when much more is on its way.
    const much = await runClient(url, "-n", "100k", "-w", "10k", "-c", "4");
    assertMatch(
      much.stderr,
      /^ws-random: .* closed with 1009 .*: at most 9 by/,
    );
    const notFound = await runClient(url.replace("/ws", "/nothing"));
    assertEquals(notFound.code, 1);
    assertMatch(
      notFound.stderr,
      /^ws-random: \S+: handshake refused with 404 Not Found\n$/,
    );
  });
});

Deno.test(
  "503 is worth another try",
  { ignore },
  () =>
    withServer({ maxConnections: 1 }, async (url) => {
      const { code, answered } = await report(
        url,
        "-n",
        "1000",
        "-c",
        "2",
        "--retries",
        "50",
      );
      assertEquals([code, answered], [0, 1000]);
    }),
);

Deno.test("a server that hangs: the timeout ends it, and says so", {
  ignore,
}, async (t) => {
  const TIMEOUT = ["--timeout", "0.4", "--retries", "1"];

  await t.step("it never answers, nor the closing handshake", async () => {
    let answers = 0;
    await withLiar((socket, request) => {
      if (answers++ === 0) socket.send(`${request} 7`);
    }, async (url) => {
      const { code, stdout, stderr } = await runClient(
        url,
        "-n",
        "5",
        ...TIMEOUT,
      );
      assertEquals(code, 1);
      assertMatch(stderr, /no answer for 0\.4 s; gave up after 1 retries/);
      assertMatch(stdout, /^Message 1 7\n/);
    });
  });

  await t.step("it accepts TCP and never completes the handshake", async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const accepted: Deno.Conn[] = [];
    const accepting = (async () => {
      for await (const connection of listener) accepted.push(connection);
    })();
    const { code, stdout, stderr } = await runClient(
      `ws://127.0.0.1:${listener.addr.port}/`,
      ...TIMEOUT,
    );
    assertEquals([code, stdout], [1, ""]);
    assertMatch(
      stderr,
      /^ws-random: cannot reach \S+: no answer for 0\.4 s; .*\n$/,
    );
    assertEquals(accepted.length, 2);
    for (const connection of accepted) connection.close();
    listener.close();
    await accepting;
  });

  await t.step(
    "it hangs on one connection and answers on the next",
    async () => {
      let answers = 0;
      let hung: WebSocket | undefined;
      await withLiar((socket, request) => {
        if (++answers === 5000) hung = socket;
        if (socket !== hung) socket.send(`${request} 7`);
      }, async (url) => {
        const args = "-n 20k -w 10 --timeout 0.4".split(" ");
        const { code, stdout, stderr } = await runClient(url, ...args);
        assertEquals(code, 0, stderr);
        assertMatch(stderr, / 10 resent, 1 reconnects$/m);
        checkLines(stdout, 20_000);
      });
    },
  );
});

Deno.test("a closed port: one line, exit 1", { ignore }, async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const { code, stdout, stderr } = await runClient(`ws://127.0.0.1:${port}/ws`);
  assertEquals([code, stdout], [1, ""]);
  assertMatch(
    stderr,
    /^ws-random: cannot reach \S+: tcp connect error; is the server running\?\n$/,
  );
});

Deno.test("a usage error: one line, exit 2", { ignore }, async () => {
  for (const args of [["--count", "none"], ["--nonsense"], ["not a url"]]) {
    const { code, stdout, stderr } = await runClient(...args);
    assertEquals([code, stdout], [2, ""]);
    assertMatch(stderr, /^ws-random: [^\n]+; see ws-random client --help\n$/);
    assert(stderr.includes(args.at(-1)!));
  }
});

Deno.test(
  "Ctrl-C: the report so far, exit 130",
  { ignore },
  () =>
    withServer({}, async (url) => {
      await using client = new Process([
        ...task("client"),
        url,
        ..."--count 1m --rate 1000".split(" "),
      ], { stderr: "piped" });
      await client.until(/^Message 100 /m);
      client.kill("SIGINT");
      const [code, stderr] = await Promise.all([client.end(), client.stderr()]);
      assertEquals(code, 130);
      const [, answered] = /(\d+) responses to \d+ requests\n$/.exec(stderr)!;
      checkLines(client.stdout, Number(answered));
    }),
);

Deno.test(
  "client | head -3: a quiet end",
  { ignore },
  () =>
    withServer({}, async (url) => {
      const command = [...task("client"), url, "--count", "1m"].join(" ");
      const { code, stdout, stderr } = await run([
        "sh",
        "-c",
        `${command} | head -3`,
      ]);
      assertEquals([code, stderr], [0, ""]);
      assertMatch(stdout, /^Message 1 \d+\nMessage 2 \d+\nMessage 3 \d+\n$/);
    }),
);

Deno.test("a progress bar on a terminal, none elsewhere", {
  ignore: ignore || Deno.build.os !== "linux",
}, () =>
  withServer({}, async (url) => {
    const command = [...task("client"), url, "-q", "--rate=200", "-n50"].join(
      " ",
    );
    const terminal = await run(["script", "-qec", command, "/dev/null"]);
    assertEquals(terminal.code, 0, terminal.stdout);
    assertMatch(terminal.stdout, /[█░]{30} \d+\/50/);
    const plain = await runClient(url, "-q", "--rate=200", "-n50");
    assertEquals(/[█░]/.test(plain.stderr), false);
  }));

Deno.test("commands: demo, help, version, and one that there is not", {
  ignore,
}, async () => {
  const demo = await run(task("demo"));
  assertEquals(demo.code, 0, demo.stderr);
  checkLines(demo.stdout, 10_000);
  assertMatch(demo.stderr, /10000 responses to 10000 requests/);

  const main = [...task("server").slice(0, -1), "main.ts"];
  const help = await run([...main, "--help"]);
  assertEquals([help.code, help.stderr], [0, ""]);
  assertMatch(
    help.stdout,
    /ws-random server.*\n.*ws-random client.*\n.*ws-random demo/,
  );
  for (const command of ["server", "client", "demo"]) {
    const { code, stdout } = await run([...main, command, "--help"]);
    assertEquals(code, 0);
    assertMatch(stdout, new RegExp(`^Usage: ws-random ${command}`, "m"));
    if (command !== "demo") assert(README.includes(stdout), "README is stale");
  }
  const version = await run([...main, "--version"]);
  assertMatch(version.stdout, /^ws-random \d+\.\d+\.\d+\n$/);
  const unknown = await run([...main, "serve"]);
  assertEquals(unknown.code, 2);
  assertMatch(unknown.stderr, /^ws-random: unknown command "serve"; see .*\n$/);
});

Deno.test("the responses of a slow run come as they are received", {
  ignore,
}, () =>
  withServer({}, async (url) => {
    await using client = new Process([
      ...task("client"),
      url,
      ..."--count 1000 --rate 1".split(" "),
    ], { stderr: "null" });
    await client.until(/^Message 1 \d+\n$/); // not held until a chunk is full
    await client.until(/\nMessage 2 \d+\n$/);
  }));
