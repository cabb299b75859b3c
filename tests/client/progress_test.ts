import { assert, assertEquals, assertMatch } from "@std/assert";
import { progressLine, showProgress } from "../../lib/client/progress.ts";
import { Clock } from "../../harness/clock.ts";
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

test("progressLine() has no total and no count of what is left where only time is limited", () => {
  const line = (done: number, seconds: number) =>
    progressLine({ done, total: Infinity, seconds: 10 }, seconds, 80);
  assertMatch(line(0, 0), /^░{30} 0 {2}0\/s$/);
  assertMatch(line(50, 5), /^█{15}░{15} 50 {2}10\/s {2}5 s left$/);
  assertMatch(line(50, 12), /^█{30} 50 {2}4\/s {2}0 s left$/); // a little late
});

test("showProgress() draws each tenth of a second, and clears the line at its end", async () => {
  using clock = new Clock();
  const drawn: string[] = [];
  const { writeSync } = Deno.stderr;
  Deno.stderr.writeSync = (bytes) => {
    drawn.push(new TextDecoder().decode(bytes));
    if (drawn.length === 2) throw new Error("it takes nothing now");
    return bytes.length;
  };
  try {
    const progress = showProgress(() => ({ done: 20, total: 100 }));
    assertEquals(drawn, []);
    await clock.pass(200);
    assertEquals(drawn.length, 2);
    assertEquals(drawn[0].slice(0, 4), "\r\x1b[K");
    assertMatch(drawn[0], / 20\/100 {2}200\/s {2}1 s left$/);
    assertMatch(drawn[1], / 20\/100 {2}100\/s /);
    progress.clear();
    assertEquals(drawn.slice(2), ["\r\x1b[K"]);
    progress.stop();
    assertEquals(drawn.slice(3), ["\r\x1b[K"]);
    await clock.pass(1000);
    assertEquals([drawn.length, clock.timers], [4, 0]);
  } finally {
    Deno.stderr.writeSync = writeSync;
  }
});
