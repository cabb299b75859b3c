import { assert, assertEquals, assertMatch } from "@std/assert";
import { progressLine } from "../../lib/client/progress.ts";
import { pureTest as test } from "../../harness/tests.ts";

test("progressLine() tells count, rate and time left", () => {
  assertMatch(progressLine({ done: 0, total: 100 }, 0, 80), /^░{30} 0\/100/);
  assertMatch(
    progressLine({ done: 50, total: 100 }, 2, 80),
    /^█{15}░{15} 50\/100 {2}25\/s {2}2 s left$/,
  );
  assertMatch(
    progressLine({ done: 100, total: 100 }, 4, 80),
    /^█{30} 100\/100/,
  );
});

test("progressLine() says when it connects, in place of the rate", () => {
  assertMatch(
    progressLine({ done: 50, total: 100, state: "reconnecting…" }, 2, 80),
    /^█{15}░{15} 50\/100 {2}reconnecting…$/,
  );
});

test("progressLine() stays below the width of any terminal", () => {
  for (let columns = 2; columns < 100; columns++) {
    for (const state of [undefined, "reconnecting…"]) {
      const line = progressLine(
        { done: 123_456, total: 1_000_000, state },
        3,
        columns,
      );
      assert(line.length < columns, `${columns}: ${line}`);
    }
  }
});

test("progressLine() has no rate before its first response, and rounds it", () => {
  const line = (done: number, seconds: number) =>
    progressLine({ done, total: 100 }, seconds, 80).slice(31);
  assertEquals(line(0, 0), "0/100  0/s");
  assertEquals(line(0, 3), "0/100  0/s");
  assertEquals(line(50, 0.5), "50/100  100/s  1 s left");
  assertEquals(line(1, 2), "1/100  1/s  198 s left");
});

test("progressLine() has a bar of four columns at least, or none", () => {
  const progress = { done: 1, total: 2, state: "x" };
  assertEquals(progressLine(progress, 1, 12), "██░░ 1/2  x");
  assertEquals(progressLine(progress, 1, 13), "██░░░ 1/2  x");
  assertEquals(progressLine(progress, 1, 11), "1/2  x");
});
