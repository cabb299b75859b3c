import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  answer,
  answerLines,
  CLOSE,
  isLoopback,
  LINES_PROTOCOL,
  randomNumber,
} from "../lib/protocol.ts";
import { chiSquare, parseResponse, pValue } from "../static/proof.js";
import { pureTest as test } from "../harness/tests.ts";

test("answer() returns the request, one space and a number", () => {
  for (const request of ["Message 7", "", " ", "7", "naïve 🎲 <b>", "a\nb"]) {
    const response = answer(request);
    assertMatch(response.slice(request.length), /^ ([1-9]\d?|100)$/);
    assertEquals(
      parseResponse(request, response),
      Number(response.split(" ").at(-1)),
    );
  }
});

const DRAWS = 1_000_000;

function count(draw: () => number): number[] {
  const counts = new Array(100).fill(0);
  for (let i = 0; i < DRAWS; i++) counts[draw() - 1]++;
  return counts;
}

/** A correct generator fails once in ten million runs. */
const isUniform = (counts: number[]) => pValue(chiSquare(counts)) > 1e-7;

test("a million numbers are from 1 to 100 and uniform", () => {
  const counts = count(randomNumber);
  assertEquals(counts.length, 100, "a number outside 1 to 100");
  assertEquals(counts.reduce((sum, n) => sum + n), DRAWS);
  assert(isUniform(counts), `chi-square ${chiSquare(counts)}`);
});

test("the same check fails for byte % 100", () => {
  const bytes = crypto.getRandomValues(new Uint8Array(65_536));
  let next = 0;
  assert(!isUniform(count(() => bytes[next++ % bytes.length] % 100 + 1)));
});

test("answerLines() answers up to 1,000 lines, each by a line", () => {
  assertEquals(LINES_PROTOCOL, "ws-random.lines");
  const requests = Array.from({ length: 1000 }, (_, i) => `Message ${i}`);
  const responses = answerLines(requests.join("\n"))!;
  assertEquals(responses.length, 1000);
  responses.forEach((response, i) =>
    assert(parseResponse(requests[i], response), response)
  );
  assertEquals(answerLines([...requests, ""].join("\n")), undefined);
  assertMatch(answerLines("")!.join(), /^ \d+$/);
});

test("CLOSE has the codes of RFC 6455 section 7.4.1", () => {
  assertEquals(Object.values(CLOSE), [
    ...[1000, 1001, 1002, 1003, 1006, 1007, 1008, 1009, 1011, 1013],
  ]);
});

test("isLoopback() takes names and addresses of this machine only", () => {
  const own = ["localhost", "a.localhost", "127.0.0.1", "127.1.2.3", "[::1]"];
  for (const host of own) assert(isLoopback(host), host);
  const others = [
    ...["localhost.evil.example", "notlocalhost", "127.0.0.1.evil.example"],
    ...["evil127.0.0.1", "127.0.0", "[::1].example", "x[::1]", "::1", ""],
  ];
  for (const host of others) assert(!isLoopback(host), host);
});
