// What the client does not let pass.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { runClient } from "../../harness/process.ts";
import type { Report } from "../../lib/client/report.ts";
import { report, withLiar } from "./_client.ts";
import { test } from "../../harness/helpers.ts";

test("a lying server is found out", async () => {
  // A lie, and what the report of 10 requests must say of it.
  const lies: Record<
    string,
    [
      (request: string, nth: number) => (string | ArrayBuffer)[],
      Pick<Report, "answered" | "invalid"> & Partial<Report>,
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
    // This server tells the truth when it is asked again.
    "half of it, the first time": [
      (r, n) => [n === 3 ? r.slice(0, 5) : `${r} 7`],
      { answered: 10, invalid: 1, overtaken: 1 },
    ],
    // Asked again, it is asked ten, five, two and one time, with two retries.
    "nothing but the number": [() => ["7"], { answered: 0, invalid: 17 }],
    "in binary": [
      (
        r,
        n,
      ) => [n === 3 ? new TextEncoder().encode(`${r} 7`).buffer : `${r} 7`],
      { answered: 10, invalid: 1, overtaken: 1 },
    ],
    // Its last response is to a request that was not sent; request 1 has none.
    "another request's text": [
      (r) => [`Message ${Number(r.slice(8)) + 1} 7`],
      { answered: 9, invalid: 3, overtaken: 1 },
    ],
    "twice": [(r) => [`${r} 7`, `${r} 8`], { answered: 10, invalid: 10 }],
    "once more than asked": [
      (r, n) => n === 9 ? [`${r} 7`, "hello"] : [`${r} 7`],
      { answered: 10, invalid: 1 },
    ],
  };
  // At once: for the one that answers nothing right, four seconds pass.
  await Promise.all(
    Object.entries(lies).map(([name, [lie, expected]]) =>
      withLiar(
        (socket, request, nth) => {
          for (const response of lie(request, nth)) socket.send(response);
        },
        async (url) => {
          const result = await report(url, "-n", "10", "--retries", "2");
          assertEquals(result.code, 1, name);
          const { answered, invalid, overtaken } = result;
          assertEquals(
            { answered, invalid, overtaken },
            { overtaken: 0, ...expected },
            name,
          );
          assertEquals(result.missing, 10 - answered, name);
          assert(result.firstInvalid !== null, name);
          if (answered === 9 && overtaken === 0) {
            assertEquals(result.missingRequests, [[4, 4]], name);
          }
        },
      )
    ),
  );
});

test("answers that come in another order are not let pass", async () => {
  let held = "";
  await withLiar((socket, request, nth) => {
    if (nth === 0) held = request;
    else socket.send(`${request} 7`);
    if (nth === 1) socket.send(`${held} 7`);
  }, async (url) => {
    const { code, stderr } = await runClient(url, "-n", "10");
    assertEquals(code, 1);
    assertMatch(stderr, /\n10 of 10 requests answered: 1 overtaken\n$/);
  });
});

test("one lost answer is told as one, and asked for again", async () => {
  let lost = false;
  await withLiar((socket, request) => {
    if (request === "Message 5000" && !lost) lost = true;
    else socket.send(`${request} ${Number(request.slice(8)) % 100 + 1}`);
  }, async (url) => {
    const { code, stderr } = await runClient(url, "--timeout=0.5");
    assertEquals(code, 1);
    assertMatch(
      stderr,
      /^requests +10000 sent, 10000 answered, 0 missing, 0 inv/m,
    );
    assertMatch(stderr, /\n10000 of 10000 requests answered: 1 overtaken\n$/);
  });
});

test("a request that is never answered is the one that is missing", async () => {
  await withLiar((socket, request) => {
    if (request === "Message 5000") return;
    socket.send(`${request} ${Number(request.slice(8)) % 100 + 1}`);
  }, async (url) => {
    const args = ["--timeout=0.3", "--retries=1"];
    const { code, stderr } = await runClient(url, ...args);
    assertEquals(code, 1);
    assertMatch(stderr, /^missing +5000$/m);
    assertMatch(
      stderr,
      /\n9999 of 10000 requests answered: 1 missing, 1 overtaken\n$/,
    );
  });
});

test("a greeting costs no answer", async () => {
  await withLiar((socket, request, nth) => {
    if (nth === 0) socket.send("welcome");
    socket.send(`${request} ${nth % 100 + 1}`);
  }, async (url) => {
    const { code, stderr } = await runClient(url);
    assertEquals(code, 1);
    assertMatch(stderr, /first answers no request in flight, "welcome"$/m);
    assertMatch(stderr, /\n10000 of 10000 requests answered: 1 invalid\n$/);
  });
});

test("numbers that cannot be uniform are no proof", async () => {
  const liars: Record<string, (nth: number) => number> = {
    "always 5": () => 5,
    "only even ones": (nth) => nth % 50 * 2 + 2,
  };
  for (const [name, number] of Object.entries(liars)) {
    await withLiar(
      (socket, request, nth) => socket.send(`${request} ${number(nth)}`),
      async (url) => {
        const { code, stderr } = await runClient(url);
        assertEquals(code, 1, name);
        assertMatch(
          stderr,
          /\n10000 of 10000 requests answered: numbers not uniform\n$/,
        );
      },
    );
  }
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
