import { assertEquals, assertMatch } from "@std/assert";
import { histogram, latencyHistogram } from "../../lib/client/histogram.ts";
import { pureTest as test } from "../../harness/tests.ts";

test("the histogram draws 100 bars within the width", () => {
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

test("the histogram of nothing is empty, not broken", () => {
  assertEquals(/[▁-█]|NaN/.test(histogram(new Array(100).fill(0), 80)), false);
});

test("the histogram has an axis for any highest number", () => {
  const axis = (counts: number[], width: number) =>
    histogram(counts, width).split("\n").slice(-2).map((line) => line.trim());
  assertEquals(axis([1, 2, 3, 4, 5, 6], 80), ["└─────┴", "6"]);
  assertEquals(axis(new Array(23).fill(1), 80), [
    "└─────────┴─────────┴──┴",
    "10        20 23",
  ]);
  assertEquals(axis(new Array(101).fill(1), 200)[1].endsWith("100"), true);
});

test("the latencies' histogram has bars of 1, 2, 5, 10 up to the longest", () => {
  const values = [
    { milliseconds: 0.4, count: 3 },
    { milliseconds: 0.5, count: 5 },
    { milliseconds: 0.51, count: 2 },
    { milliseconds: 7, count: 4 },
  ];
  assertEquals(latencyHistogram(values, 29).split("\n"), [
    "to 0.5 ms │████████████████ 8",
    "  to 1 ms │████ 2",
    "  to 2 ms │ 0",
    "  to 5 ms │ 0",
    " to 10 ms │████████ 4",
  ]);
  assertEquals(latencyHistogram([], 80), "");
});
