import { assertEquals, assertThrows } from "@std/assert";
import { decimal, integer, time } from "../../lib/cli/values.ts";
import { pureTest as test } from "../../harness/tests.ts";

/** Asserts what a parser takes, and that it takes nothing else. */
function assertTakes(
  parse: (given: string) => number,
  taken: Record<string, number>,
  others: string[],
  message: string,
): void {
  for (const [given, value] of Object.entries(taken)) {
    assertEquals(parse(given), value, given);
  }
  for (const given of others) assertThrows(() => parse(given), Error, message);
}

test("integer() takes whole numbers, both ends included", () =>
  assertTakes(
    integer(2, 5000),
    { "2": 2, "3": 3, "5k": 5000, "5000": 5000 },
    ["1", "5001", "6k", "2.5", "-3", "", "x"],
    "is not a whole number from 2 to 5000",
  ));

test("decimal() takes numbers, both ends included", () =>
  assertTakes(
    decimal(0.5, 2.5),
    { "0.5": 0.5, "1": 1, "2.5": 2.5 },
    ["0.4", "2.6", "0", "x", ""],
    "is not a number from 0.5 to 2.5",
  ));

test("time() takes times with and without a unit, both ends included", () =>
  assertTakes(
    time("100ms", "2h"),
    {
      "100ms": 100,
      "0.1": 100,
      "2h": 7_200_000,
      "120m": 7_200_000,
      "7s": 7000,
    },
    ["99ms", "121m", "3h", "x1s", "1sx", "1 s", "s", "", "1d"],
    "is not a time from 100ms to 2h, like 500ms or 10s",
  ));
