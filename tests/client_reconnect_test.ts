// What the client survives: connections that break, hang or cannot be opened.

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  NO_PERMISSIONS,
  Process,
  runClient,
  serverProcess,
  task,
} from "../harness/process.ts";
import { checkLines, report, withLiar } from "./client_helpers.ts";
import { eventually, seeded, withServer } from "./helpers.ts";

const ignore = NO_PERMISSIONS;

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
      assertMatch(stderr, /[1-9]\d* reconnects, [1-9]\d* resent$/m);
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
        assertMatch(result.stderr, /\n3 of 10 requests answered: 7 missing\n$/);
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
      /closed with 1009 \(message too big\): a message of more than 9 bytes \(--max-message\)\n/,
    );
    // Nor is the reason lost when much more is on its way.
    const much = await runClient(url, "-n", "100k", "-w", "10k", "-c", "4");
    assertMatch(
      much.stderr,
      /^ws-random: .* closed with 1009 .*: a message of more than 9 by/,
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
      assertMatch(stderr, /no answer for 0\.4 s; gave up after 1 retry\n/);
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
      /^ws-random: cannot reach \S+: no answer for 0\.4 s\n$/,
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
        if (socket !== hung) socket.send(`${request} ${answers % 100 + 1}`);
      }, async (url) => {
        const args = "-n 20k -w 10 --timeout 0.4".split(" ");
        const { code, stdout, stderr } = await runClient(url, ...args);
        assertEquals(code, 0, stderr);
        assertMatch(stderr, / 1 reconnects, 10 resent$/m);
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
    /^ws-random: cannot reach \S+: no TCP connection \(is the server running\?\)\n$/,
  );
});

/** A server that takes one connection at a time and answers the others with 503. */
async function withOneSeat(
  use: (url: string, refused: () => number) => Promise<void>,
): Promise<void> {
  let open = 0;
  let refused = 0;
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => {
      if (open > 0) {
        refused++;
        return new Response("full", { status: 503 });
      }
      open++;
      const { socket, response } = Deno.upgradeWebSocket(request);
      let nth = 0;
      socket.onmessage = ({ data }) =>
        socket.send(`${data} ${nth++ % 100 + 1}`);
      socket.onclose = () => open--;
      socket.onerror = (event) => event.preventDefault();
      return response;
    },
  );
  try {
    await use(`ws://127.0.0.1:${server.addr.port}/`, () => refused);
  } finally {
    await server.shutdown();
  }
}

Deno.test("a connection that cannot open gives up alone, with one line", {
  ignore,
}, () =>
  withOneSeat(async (url) => {
    const args = "-c 3 -n 2000 --rate 1000 --retries 1".split(" ");
    const { code, stdout, stderr } = await runClient(url, ...args);
    assertEquals(code, 0, stderr);
    checkLines(stdout, 2000);
    assertMatch(
      stderr,
      /^ws-random: one connection gave up, others go on: cannot reach \S+: handshake refused with 503 Service Unavailable\nserver /,
    );
    assertMatch(stderr, /at most on 1 connection,/);
  }));

Deno.test("Ctrl-C ends the client while a connection is in backoff", {
  ignore,
}, () =>
  withOneSeat(async (url, refused) => {
    await using client = new Process([
      ...task("client"),
      url,
      ..."-c 2 --rate 100 --retries 1000".split(" "),
    ], { stderr: "piped", env: { NO_COLOR: "1" } });
    await client.until(/^Message 1 /m);
    await eventually(() => refused() > 3); // delays of up to 2 s by now
    client.kill("SIGINT");
    const [code, stderr] = await Promise.all([client.end(), client.stderr()]);
    assertEquals(code, 130);
    assertMatch(stderr, /\ninterrupted: \d+ of 10000 requests answered\n$/);
  }));

Deno.test(
  "a run that is done does not wait for another connection's handshake",
  {
    ignore,
  },
  async () => {
    let connections = 0;
    const hanging = Promise.withResolvers<Response>();
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      (request) => {
        if (connections++ > 0) return hanging.promise;
        const { socket, response } = Deno.upgradeWebSocket(request);
        socket.onmessage = ({ data }) => socket.send(`${data} 7`);
        return response;
      },
    );
    const url = `ws://127.0.0.1:${server.addr.port}/`;
    // The timeout of a day is longer than this test may take.
    const args = "-c 2 -n 100 --timeout 86400".split(" ");
    const { code, stdout } = await runClient(url, ...args);
    assertEquals([code, connections], [0, 2]);
    checkLines(stdout, 100);
    hanging.resolve(new Response());
    await server.shutdown();
  },
);

Deno.test("a peer that cuts deep windows off is asked for less each time", {
  ignore,
}, async () => {
  // More than eight unanswered requests, and it closes with 1008 after three.
  let reconnects = 0;
  await withLiar((socket, request) => {
    const queue = queues.get(socket) ?? [];
    queues.set(socket, queue);
    queue.push(`${request} ${Number(request.slice(8)) % 100 + 1}`);
    if (queue.length === 1) {
      setTimeout(() => {
        const deep = queue.length > 8;
        if (deep) reconnects++;
        for (const response of queue.splice(0, deep ? 3 : 8)) {
          socket.send(response);
        }
        if (deep) socket.close(1008, "responses are not being read");
      }, 1);
    }
  }, async (url) => {
    const { code, stderr } = await runClient(url, "-n", "2000");
    assertEquals(code, 0, stderr);
    assert(reconnects > 6 && reconnects < 500, `${reconnects} reconnects`);
  });
});

const queues = new WeakMap<WebSocket, string[]>();

Deno.test("1008 after some answers is worth another try, whatever the count", {
  ignore,
}, async () => {
  await withLiar((socket, request, nth) => {
    if (nth < 3) socket.send(`${request} 7`);
    else if (nth === 3) socket.close(1008, "three each");
  }, async (url) => {
    for (const count of ["9", "10", "13", "16", "31", "40"]) {
      const { code, stderr } = await runClient(url, "-n", count);
      assertEquals(code, 0, `${count}: ${stderr}`);
    }
  });
});

Deno.test("1008 to a single request is final", { ignore }, async () => {
  let connections = 0;
  await withLiar((socket, _request, nth) => {
    if (nth === 0) connections++;
    socket.close(1008, "go away");
  }, async (url) => {
    const { code, stderr } = await runClient(url, "-w2", "--retries=1k");
    assertEquals([code, connections], [1, 2]);
    assertMatch(
      stderr,
      /^ws-random: ws:\S+: closed with 1008 \(policy violation\): go away\n/,
    );
  });
});
