// What the client does not let pass.

import { assertEquals, assertMatch } from "@std/assert";
import { runClient } from "../../harness/process.ts";
import { encode, frame } from "../../harness/sockets.ts";
import { CLOSE, PING, TEXT } from "../../harness/helpers.ts";
import { report, UNMASKED, withLiar, withRawLiar } from "./_client.ts";
import { test } from "../../harness/helpers.ts";

/** What a server answers to the nth request of a connection. */
type Lie = (request: string, nth: number) => (string | ArrayBuffer)[];

/** A lie, the client's arguments, and its last line. */
const LIES: Record<string, [Lie, args: string, last: string]> = {
  "the number 0": [
    (r, n) => [`${r} ${n === 3 ? 0 : 7}`],
    "-n10",
    "9 of 10 requests answered: 1 missing, 1 invalid",
  ],
  "the number 101": [
    (r, n) => [`${r} ${n === 3 ? 101 : 7}`],
    "-n10",
    "9 of 10 requests answered: 1 missing, 1 invalid",
  ],
  "the number 07": [
    (r, n) => [`${r} ${n === 3 ? "07" : 7}`],
    "-n10",
    "9 of 10 requests answered: 1 missing, 1 invalid",
  ],
  "always the same number": [
    (r) => [`${r} 4`],
    "-n999",
    "999 of 999 requests answered: numbers not uniform",
  ],
  "only even numbers": [
    (r, n) => [`${r} ${n % 50 * 2 + 2}`],
    "-n10000",
    "10000 of 10000 requests answered: numbers not uniform",
  ],
  "half a response, the first time": [
    (r, n) => [n === 3 ? r.slice(0, 5) : `${r} 7`],
    "-n10 --timeout=2",
    "10 of 10 requests answered: 1 lost, 1 invalid",
  ],
  "a response in binary, the first time": [
    (r, n) => [n === 3 ? encode(`${r} 7`).buffer : `${r} 7`],
    "-n10 --timeout=2",
    "10 of 10 requests answered: 1 lost, 1 invalid",
  ],
  "nothing but the number": [
    () => ["7"],
    "-n10 --timeout=2",
    "0 of 10 requests answered: 10 missing, 10 lost, 10 invalid",
  ],
  "each request alone": [
    (r) => [r],
    "-n10000",
    "0 of 10000 requests answered: 10000 missing, 1 invalid",
  ],
  "the next request's response": [
    (r) => [`Message ${Number(r.slice(8)) + 1} 7`],
    "-n10 --timeout=2 --retries=1",
    "9 of 10 requests answered: 1 missing, 1 lost, 2 invalid",
  ],
  "each response twice": [
    (r) => [`${r} 7`, `${r} 8`],
    "-n10",
    "10 of 10 requests answered: 10 invalid",
  ],
  "a surplus after the last response": [
    (r, n) => n === 9 ? [`${r} 7`, "hello"] : [`${r} 7`],
    "-n10",
    "10 of 10 requests answered: 1 invalid",
  ],
  "a greeting": [
    (r, n) => n === 0 ? ["welcome", `${r} 7`] : [`${r} 7`],
    "-n10",
    "10 of 10 requests answered: 1 invalid",
  ],
  "one request in 1,000 dropped": [
    (r, n) => n % 1000 === 999 ? [] : [`${r} ${n % 100 + 1}`],
    "-n1500 -w1 --timeout=2",
    "1500 of 1500 requests answered: 1 lost",
  ],
  "one request dropped, others answered after it": [
    (r, n) => n === 500 ? [] : [`${r} ${n % 100 + 1}`],
    "-n3000 --timeout=2 -w3000",
    "3000 of 3000 requests answered: 1 lost",
  ],
  "two responses swapped": [
    (r, n) => n === 4 ? [] : n === 5 ? [`${r} 7`, "Message 5 7"] : [`${r} 7`],
    "-n10",
    "10 of 10 requests answered: 1 overtaken",
  ],
};

/** Steps of a test that go on at the same time. */
const TOGETHER = {
  sanitizeOps: false,
  sanitizeResources: false,
  sanitizeExit: false,
};

test("a lying server is found out", async (t) => {
  const waiting: Promise<boolean>[] = [];
  for (const [name, [lie, args, last]] of Object.entries(LIES)) {
    const found = t.step({
      name,
      fn: () =>
        withLiar((socket, request, nth) => {
          for (const response of lie(request, nth)) socket.send(response);
        }, async (url) => {
          await assertLastLine(url, args, last);
        }),
      ...TOGETHER,
    });
    // Those that wait for an answer that does not come do so together.
    if (args.includes("--timeout")) waiting.push(found);
    else await found;
  }
  await Promise.all(waiting);
});

/** Runs the client against a server, which must fail with this last line. */
async function assertLastLine(url: string, args: string, last: string) {
  const { code, stderr } = await runClient(url, "-q", ...args.split(" ", 9));
  assertEquals([stderr.trimEnd().split("\n").at(-1), code], [last, 1], stderr);
  return stderr;
}

/** Bytes that break RFC 6455, and how that is told. */
const MALFORMED: Record<string, [Uint8Array, reason: RegExp]> = {
  "bad UTF-8": [frame(TEXT, new Uint8Array([255]), UNMASKED), /UTF-8/],
  "reserved bits": [
    frame(TEXT, "x", { ...UNMASKED, reserved: 4 }),
    /Reserved bits/,
  ],
  "an unknown opcode": [frame(3, "x", UNMASKED), /Invalid value/],
  "a stray continuation": [frame(0, "x", UNMASKED), /continuation/],
  "a frame of 100 MB": [
    new Uint8Array([129, 127, 0, 0, 0, 0, 6, 0, 0, 0, 120]),
    /Frame too large/,
  ],
  "a bad close code": [
    frame(CLOSE, new Uint8Array([3, 231]), UNMASKED),
    /close code/,
  ],
  "a ping that is too long": [
    frame(PING, new Uint8Array(200), UNMASKED),
    /Ping frame/,
  ],
};

test("a message that breaks the protocol is invalid, whenever it comes", async (t) => {
  const answer = (request: string) => frame(TEXT, `${request} 7`, UNMASKED);
  for (const [name, [bytes, reason]] of Object.entries(MALFORMED)) {
    await t.step(
      `${name} before the last response, on each connection`,
      () =>
        withRawLiar({
          answer: (r, n) => n === 5 ? [bytes] : [answer(r)],
        }, async (url) => {
          const { code, answered, invalid, firstInvalid, breaks } =
            await report(
              url,
              "-n30",
            );
          // 5 on each connection, the last of which is never malformed.
          assertEquals([code, answered, invalid], [1, 30, 5]);
          assertMatch(firstInvalid!.reason, reason);
          assertEquals(breaks.length, 5);
          assertMatch(breaks[0].reason, reason);
        }),
    );
    await t.step(`${name} with the last response`, () =>
      withRawLiar({
        answer: (r, n) => n === 9 ? [answer(r), bytes] : [answer(r)],
      }, async (url) => {
        const last = "10 of 10 requests answered: 1 invalid";
        const stderr = await assertLastLine(url, "-n10", last);
        assertMatch(stderr, reason);
      }));
  }
});

test("24 connections with a surplus of 100 MB have 24 invalid messages", () =>
  withRawLiar({
    answer: (request) => [
      frame(TEXT, `${request} 7`, UNMASKED),
      MALFORMED["a frame of 100 MB"][0],
    ],
  }, async (url) => {
    const { code, invalid } = await report(url, "-n24", "-c24");
    assertEquals([code, invalid], [1, 24]);
  }));

test("a handshake that chooses what was not asked for fails (RFC 6455 section 4.1)", async () => {
  const answer = (request: string) => [frame(TEXT, `${request} 7`, UNMASKED)];
  for (
    const [headers, args, message] of [
      ["Sec-WebSocket-Protocol: chat\r\n", "-n1", /subprotocol .*: chat\n/],
      ["Sec-WebSocket-Protocol: chat\r\n", "-b9", /subprotocol .*: chat\n/],
      [
        "Sec-WebSocket-Extensions: permessage-deflate\r\n",
        "-n1",
        /extension .*: permessage-deflate\n/,
      ],
    ] as const
  ) {
    await withRawLiar({ headers, answer }, async (url) => {
      const { code, stderr } = await runClient(url, args);
      assertEquals(code, 1);
      assertMatch(stderr, message);
      assertEquals(stderr.split("\n").length, 2, "one line");
    });
  }
});

test("an echo server is recognised by its first answer", () =>
  withLiar((socket, request) => {
    if (request === "Message 1") socket.send("Request served by a4f5");
    socket.send(request);
  }, async (url) => {
    // The timeout of a day is longer than this test may take.
    const { code, stderr } = await runClient(url, "--timeout=86400");
    assertEquals(code, 1);
    assertMatch(stderr, /^ws-random: \S+: it echoes; [^\n]+\n/);
  }));

test("a server that takes ws-random.lines and does not speak it is recognised", () =>
  withRawLiar({
    headers: "Sec-WebSocket-Protocol: ws-random.lines\r\n",
    answer: (message) => [frame(TEXT, `${message} 7`, UNMASKED)],
  }, async (url) => {
    const { code, stderr } = await runClient(url, "-b9", "--timeout=86400");
    assertEquals(code, 1);
    assertMatch(stderr, /leave out --batch\n/);
  }));

test("a greeting and a slow server are no reason to break a connection", async () => {
  const slow = (request: string, socket: WebSocket) =>
    setTimeout(() => socket.send(`${request} 7`), 1200);
  await withLiar((socket, request, nth) => {
    if (nth === 0) socket.send("welcome");
    slow(request, socket);
  }, async (url) => {
    const { reconnects, answered, invalid } = await report(url, "-n2", "-w1");
    assertEquals([reconnects, answered, invalid], [0, 2, 1]);
  });
});

test("a run that recovers tells of its breaks", () =>
  withLiar((socket, request, nth) => {
    if (nth < 3) socket.send(`${request} 7`);
    else if (nth === 3) socket.close(1008, "rate limit exceeded");
  }, async (url) => {
    const { code, stderr } = await runClient(url, "-n10", "-w1");
    assertEquals(code, 0, stderr);
    assertMatch(
      stderr,
      /^breaks +3 × closed with 1008 \(policy violation\): rate limit exceeded$/m,
    );
    assertMatch(
      stderr,
      /\n10 of 10 requests answered exactly once, 3 sent again after 3 breaks\n$/,
    );
  }));

test("connections that give up are counted", () =>
  withLiar((socket, request) => {
    if (request === "Message 1") socket.send(`${request} 7`);
    else socket.close(1003);
  }, async (url) => {
    const { gaveUp } = await report(url, "-n30", "-c30");
    assertEquals(gaveUp, 30);
  }));

test("a server that ends no closed connection is not asked for ever", () =>
  withRawLiar({
    // It answers once on each connection, then nothing, the close neither.
    answer: (request, nth) =>
      nth === 0 ? [frame(TEXT, `${request} 7`, UNMASKED)] : [],
    deaf: true,
  }, async (url) => {
    const { code, stderr } = await runClient(
      url,
      "-n99",
      "-w1",
      "--timeout=0.1",
      "--retries=1k",
    );
    assertEquals(code, 1);
    assertMatch(stderr, /; it has not ended 16 connections that were closed\n/);
  }));

test("one lost answer is told as one, and asked for again", async () => {
  let lost = false;
  await withLiar((socket, request) => {
    if (request === "Message 5000" && !lost) lost = true;
    else socket.send(`${request} ${Number(request.slice(8)) % 100 + 1}`);
  }, async (url) => {
    const { code, stderr } = await runClient(url, "--timeout=2");
    assertEquals(code, 1);
    assertMatch(
      stderr,
      /^requests +10000 sent, 10000 answered, 0 missing, 1 lost, 0 inv/m,
    );
    assertMatch(stderr, /^lost +5000$/m);
    assertMatch(stderr, /\n10000 of 10000 requests answered: 1 lost\n$/);
  });
});

test("a request that is never answered is the one that is missing", async () => {
  await withLiar((socket, request) => {
    if (request === "Message 5000") return;
    socket.send(`${request} ${Number(request.slice(8)) % 100 + 1}`);
  }, async (url) => {
    const args = ["--timeout=2", "--retries=1"];
    const { code, stderr } = await runClient(url, ...args);
    assertEquals(code, 1);
    assertMatch(stderr, /^missing +5000$/m);
    assertMatch(
      stderr,
      /\n9999 of 10000 requests answered: 1 missing, 1 lost\n$/,
    );
  });
});

test("a run that is cut tells all that is missing, sent or not", async () => {
  await withLiar((socket, request, nth) => {
    if (nth < 3) socket.send(`${request} 7`);
    else socket.close(1003);
  }, async (url) => {
    const { code, count, sent, answered, missing, missingRequests, ok } =
      await report(url, "-n100", "-w1");
    assertEquals(
      { code, count, sent, answered, missing, missingRequests, ok },
      {
        code: 1,
        count: 100,
        sent: 4,
        answered: 3,
        missing: 97,
        missingRequests: [[4, 100]],
        ok: false,
      },
    );
  });
});

test("a flood of messages that answer nothing ends the run, and not its timeout alone", () =>
  withLiar(
    (socket, request, nth) => {
      if (nth < 5) return socket.send(`${request} 7`);
      for (let i = 0; i < 20_000; i++) socket.send("noise");
    },
    async (url) => {
      const { code, answered, stderr } = await report(url, "-n10", "-w1");
      assertEquals([code, answered], [1, 5]);
      assertMatch(stderr, /it sent 10000 messages that answer no request\n$/);
    },
  ));
