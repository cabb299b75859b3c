import { assertEquals, assertMatch } from "@std/assert";
import { histogram, progressLine } from "../lib/terminal.ts";
import {
  createReport,
  createTally,
  isProven,
  reportText,
  verdict,
} from "../lib/report.ts";

/** 1,000 requests, answered in 1, 2, 3, … ms, ten of each number. */
function tally() {
  const tally = createTally(1000);
  tally.sent = tally.answered = 1000;
  tally.latencies.forEach((_, i) => tally.latencies[999 - i] = i + 1);
  tally.counts.fill(10);
  return tally;
}

Deno.test("the report has exact percentiles and the figures of the numbers", () => {
  const report = createReport(tally(), "ws://x/", 2);
  assertEquals(report.latencyMs, {
    min: 1,
    p50: 500,
    p90: 900,
    p99: 990,
    max: 1000,
  });
  assertEquals(report.perSecond, 500);
  const { counts, ...numbers } = report.numbers;
  assertEquals(counts, new Array(100).fill(10));
  assertEquals(numbers, {
    min: 1,
    max: 100,
    mean: 50.5,
    chiSquare: 0,
    pValue: 1,
  });
  assertEquals([report.sent, report.answered, report.missing], [1000, 1000, 0]);
  assertEquals(isProven(report, 1000), true);
});

Deno.test("a percentile of few is the nearest rank", () => {
  const few = createTally(3);
  few.sent = 3;
  few.answered = 2;
  few.latencies[0] = 8;
  few.latencies[2] = 4;
  assertEquals(createReport(few, "ws://x/", 1).latencyMs, {
    min: 4,
    p50: 4,
    p90: 8,
    p99: 8,
    max: 8,
  });
});

Deno.test("what is missing is named, and what is invalid", () => {
  const some = tally();
  for (const request of [3, 4, 5, 17, 1000]) {
    some.latencies[request - 1] = NaN;
    some.answered--;
  }
  some.invalid = 2;
  some.firstInvalid = { request: 17, response: "Message 17 101" };
  const report = createReport(some, "ws://x/", 2);
  assertEquals(report.missing, 5);
  assertEquals(report.missingRequests, [[3, 5], [17, 17], [1000, 1000]]);
  assertEquals(isProven(report, 1000), false);

  const text = reportText(report, { connections: 2, window: 7 });
  assertMatch(text, /^missing +3-5, 17, 1000$/m);
  assertMatch(text, /^invalid +first "Message 17 101", for request 17$/m);
  assertMatch(text, /with 2 × 7 requests under way/);
  assertEquals(verdict(report), "995 responses to 1000 requests");
});

Deno.test("answered but with an invalid response besides is not proven", () => {
  const one = tally();
  one.invalid = 1;
  assertEquals(isProven(createReport(one, "ws://x/", 2), 1000), false);
});

Deno.test("a run without an answer has a report, too", () => {
  const none = createTally(10);
  none.sent = 10;
  const report = createReport(none, "ws://x/", 0);
  assertEquals(report.latencyMs.p50, null);
  assertEquals(report.numbers.pValue, null);
  assertEquals(report.perSecond, 0);
  assertEquals(report.missingRequests, [[1, 10]]);
  JSON.parse(JSON.stringify(report)); // no NaN, no Infinity
  assertEquals(JSON.stringify(report).includes("NaN"), false);
  assertEquals(/NaN|undefined/.test(reportText(report, tenOne)), false);
});

const tenOne = { connections: 10, window: 1 };

Deno.test("the histogram draws 100 bars within the width", () => {
  const counts = Array.from({ length: 100 }, (_, i) => i + 1);
  for (const width of [20, 40, 80, 106, 200]) {
    const lines = histogram(counts, width).split("\n");
    for (const line of lines) assertEquals(line.length <= width, true, line);
    const bottoms = lines.filter((_, i) => lines[i + 1]?.includes("└"));
    const bars = bottoms.map((line) => line.split("│")[1]).join("");
    assertEquals(bars.length, 100);
    assertEquals(bars.at(-1), "█");
  }
  const [top] = histogram(counts, 106).split("\n");
  assertMatch(top, /^ *100 │ +[▁-█]+$/);
  assertMatch(histogram(counts, 106), /^50\.5 │.*┈/m);
});

Deno.test("the histogram of nothing is empty, not broken", () => {
  assertEquals(/[▁-█]|NaN/.test(histogram(new Array(100).fill(0), 80)), false);
});

Deno.test("the progress line tells count, rate and time left", () => {
  assertMatch(progressLine(0, 100, 0), /^░{30} 0\/100/);
  assertMatch(
    progressLine(50, 100, 2),
    /^█{15}░{15} 50\/100 {2}25\/s {2}2 s left$/,
  );
  assertMatch(progressLine(100, 100, 4), /^█{30} 100\/100/);
});
