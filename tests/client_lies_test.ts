// What the client does not let pass.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { NO_PERMISSIONS, runClient } from "../harness/process.ts";
import type { Report } from "../lib/report.ts";
import { report, withLiar } from "./client_helpers.ts";

const ignore = NO_PERMISSIONS;

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
      { answered: 9, invalid: 4, overtaken: 1 },
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
          const result = await report(url, "-n", "10", "--retries", "2");
          assertEquals(result.code, 1);
          assertEquals(
            {
              answered: result.answered,
              invalid: result.invalid,
              overtaken: result.overtaken,
            },
            { overtaken: 0, ...expected },
          );
          assertEquals(result.missing, 10 - result.answered);
          assert(result.firstInvalid !== null);
          if (result.answered === 9 && result.overtaken === 0) {
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
    const { code, stderr } = await runClient(url, "-n", "10");
    assertEquals(code, 1);
    assertMatch(stderr, /\n10 of 10 requests answered: 1 overtaken\n$/);
  });
});
