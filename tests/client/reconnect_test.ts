// What the client survives: connections that break or hang.

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  Process,
  runClient,
  serverProcess,
  task,
} from "../../harness/process.ts";
import { checkLines, report, withLiar } from "./_client.ts";
import { seeded, test, withServer } from "../../harness/helpers.ts";

test("a server killed and restarted three times: each request answered once", async () => {
  const first = await serverProcess();
  const { port } = first;
  let { server } = first;
  await using client = new Process([
    ...task("client"),
    `ws://127.0.0.1:${port}/ws`,
    ..."--count 40k --connections 4 --window 100 --rate 10k --retries 20"
      .split(" "),
  ], { stderr: "piped", env: { NO_COLOR: "1" } });
  try {
    for (const progress of [6, 16, 28]) {
      await client.until(new RegExp(`^Message ${progress}\\d{3} `, "m"));
      server.kill("SIGKILL");
      await server.end();
      server = (await serverProcess(`--port=${port}`)).server;
    }
    const [code, stderr] = await Promise.all([client.end(), client.stderr()]);
    assertEquals(code, 0, stderr);
    assertMatch(
      stderr,
      /40000 sent, 40000 answered, 0 missing, 0 lost, 0 invalid/,
    );
    assertMatch(stderr, /[1-9]\d* reconnects, [1-9]\d* resent$/m);
    checkLines(client.stdout, 40_000);
  } finally {
    await server[Symbol.asyncDispose]();
  }
});

test("a proxy that cuts at random bytes, within frames too", () =>
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
    assertMatch(
      stderr,
      /50000 sent, 50000 answered, 0 missing, 0 lost, 0 invalid/,
    );
    checkLines(stdout, 50_000);
  }));

test("half of the responses, then 1011: sent again until all are answered", async () => {
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
});

test("a server that hangs: the timeout ends it, and says so", async (t) => {
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
        const args = "-n 20k -w 10 --timeout 2".split(" ");
        const { code, stdout, stderr } = await runClient(url, ...args);
        assertEquals(code, 1, stderr);
        assertMatch(stderr, / 1 reconnects, 0 resent$/m);
        assertMatch(stderr, /\n20000 of 20000 requests answered: 10 lost\n$/);
        checkLines(stdout, 20_000);
      });
    },
  );
});

test("a closed port: one line, exit 1", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const url = `ws://127.0.0.1:${port}/ws`;
  const { code, stdout, stderr } = await runClient(url, "--retries=1");
  assertEquals([code, stdout], [1, ""]);
  assertMatch(
    stderr,
    /^ws-random: cannot reach \S+: no TCP connection \(is the server running\?\)\n$/,
  );
});

test("a run that is done does not wait for another connection's handshake", async () => {
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
});
