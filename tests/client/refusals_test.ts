// What the client does when a server refuses it: close codes, statuses, and
// policies that let a part of the requests through.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Process, runClient, task } from "../../harness/process.ts";
import { checkLines, report, withLiar } from "./_client.ts";
import { eventually, test, withServer } from "../../harness/helpers.ts";

test("the client reconnects after some close codes, and gives up after others", async (t) => {
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

test("our own server's refusals end the run with their reason", async () => {
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
      /^ws-random: \S+: handshake refused with 404 Not Found; ws-random's endpoint is \/ws\n$/,
    );
  });
});

test("503 is worth another try", () =>
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
  }));

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

test("a connection that cannot open gives up alone, with one line", () =>
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

test("Ctrl-C ends the client while a connection is in backoff", () =>
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

const queues = new WeakMap<WebSocket, string[]>();

test("a peer that cuts deep windows off is asked for less each time", async () => {
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
    const { code, stderr } = await runClient(url, "-n", "500");
    assertEquals(code, 0, stderr);
    // Six halvings from 500 to 7, and one more whenever it was doubled again.
    assert(reconnects >= 6 && reconnects < 125, `${reconnects} reconnects`);
  });
});

test("1008 after some answers is worth another try, whatever the count", async () => {
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

test("without retries nothing is said of them", async () => {
  await withLiar((socket) => socket.close(1011), async (url) => {
    const { stderr } = await runClient(url, "-n1", "--retries=0");
    assertEquals(stderr.split("\n")[0], `ws-random: ${url}: closed with 1011`);
  });
});

test("1008 to a single request is final", async () => {
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
