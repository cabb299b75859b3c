import { assert, assertEquals } from "@std/assert";
import {
  chiSquare,
  HIGHEST,
  parseResponse,
  pValue,
  uniformity,
} from "../../static/proof.js";
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

test("pValue() agrees with published values for other degrees of freedom", () => {
  // Abramowitz and Stegun, Handbook of Mathematical Functions, table 26.7.
  const table: [freedom: number, statistic: number, p: number][] = [
    [1, 1, 0.31731],
    [2, 1, 0.60653],
    [5, 1, 0.96257],
    [5, 10, 0.07524],
    [10, 10, 0.44049],
    [30, 20, 0.91654],
  ];
  for (const [freedom, statistic, p] of table) {
    const value = pValue(statistic, freedom);
    assert(Math.abs(value - p) < 1e-5, `${freedom}, ${statistic}: ${value}`);
  }
});

/** As many numbers as are asked for, each as often as its weight says. */
function weighted(total: number, weight: (number: number) => number) {
  const weights = Array.from({ length: HIGHEST }, (_, i) => weight(i + 1));
  const sum = weights.reduce((sum, each) => sum + each);
  return weights.map((each) => total * each / sum);
}

test("uniformity() says nothing of fewer than five numbers for each possible one", () => {
  const fives = (total: number) => weighted(total, (n) => n === 5 ? 1 : 0);
  assertEquals(uniformity(fives(499)), {
    chiSquare: chiSquare(fives(499)),
    pValue: null,
    verdict: "unknown",
    text: "too few numbers to tell",
  });
  const { verdict, text, pValue: p } = uniformity(fives(500));
  assertEquals([verdict, text, p], ["impossible", "not uniform, p < 1e-9", 0]);
});

test("uniformity() tells what may be, what is doubtful and what cannot be", () => {
  // A statistic of its own for each slope: the steeper, the less uniform.
  const tilted = (slope: number) =>
    uniformity(weighted(10_000, (number) => 1000 + slope * number));
  const cases: [slope: number, verdict: string, text: RegExp][] = [
    [0, "possible", /^may be uniform, p > 0.99$/],
    [4, "possible", /^may be uniform, p = 0\.67$/],
    [5.2, "possible", /^may be uniform, p = 0.00[1-9]$/],
    [5.5, "doubtful", /^hardly uniform, p = 0.000[1-9]$/],
    [7, "impossible", /^not uniform, p < 1e-9$/],
  ];
  for (const [slope, verdict, text] of cases) {
    const said = tilted(slope);
    assertEquals(
      [said.verdict, text.test(said.text)],
      [verdict, true],
      said.text,
    );
  }
});

test("pValue() is exact to the last digits, however small or large", () => {
  // With two degrees of freedom it is e^(-statistic / 2).
  for (const statistic of [0.02, 0.5, 3, 3.99, 4, 10, 60, 200]) {
    const p = Math.exp(-statistic / 2);
    const error = Math.abs(pValue(statistic, 2) / p - 1);
    assert(error < 1e-12, `${statistic}: ${error}`);
  }
  assertEquals(pValue(1e-300), 1);
});
