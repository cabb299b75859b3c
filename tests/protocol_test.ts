import { assert, assertEquals, assertMatch } from "@std/assert";
import { answer, randomNumber } from "../lib/protocol.ts";
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
