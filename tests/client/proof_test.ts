import { assertEquals } from "@std/assert";
import { chiSquare, parseResponse, pValue } from "../../static/proof.js";
import { pureTest as test } from "../../harness/tests.ts";

test("parseResponse() takes the request, one space and a canonical number only", () => {
  for (const number of [1, 9, 10, 42, 99, 100]) {
    assertEquals(parseResponse("Message 7", `Message 7 ${number}`), number);
  }
  const wrong = [
    "Message 7 0",
    "Message 7 101",
    "Message 7 07",
    "Message 7 1.5",
    "Message 7 1e1",
    "Message 7 +1",
    "Message 7 -1",
    "Message 7 1 ",
    "Message 7 42\n",
    "Message 7  1",
    "Message 7\t1",
    "Message 7 ",
    "Message 7",
    "Message 71",
    "Message 8 1",
    "message 7 1",
    " Message 7 1",
    "Message 7 ٣", // a digit, but not of ASCII
    "",
    new ArrayBuffer(9),
    undefined,
  ];
  for (const response of wrong) {
    assertEquals(
      parseResponse("Message 7", response),
      undefined,
      String(response),
    );
  }
});

test("chiSquare() of known counts is what it is by hand", () => {
  assertEquals(chiSquare(new Array(100).fill(7)), 0);
  assertEquals(chiSquare(new Array(100).fill(0)), 0);
  const allOnes = [100, ...new Array(99).fill(0)];
  assertEquals(chiSquare(allOnes), 99 ** 2 + 99);
});

test("pValue() agrees with a published table", () => {
  // NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.4, 99 degrees of
  // freedom: critical values to three decimals.
  const table: [statistic: number, p: number][] = [
    [61.137, 0.999],
    [69.230, 0.99],
    [73.361, 0.975],
    [77.046, 0.95],
    [81.449, 0.90],
    [117.407, 0.10],
    [123.225, 0.05],
    [128.422, 0.025],
    [134.642, 0.01],
    [148.230, 0.001],
  ];
  for (const [statistic, p] of table) {
    assertEquals(Math.abs(pValue(statistic) / p - 1) < 1e-4, true, `${p}`);
  }
  assertEquals(pValue(0), 1);
  assertEquals(pValue(1e6), 0);
  assertEquals(pValue(1e12), 0);
});
