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

test("the histogram marks the highest bar and the level of uniform numbers", () => {
  const counts = [0, 4, 8, 16, 32, 64, 1, 2, 3, 12, 5, 40, 20];
  assertEquals(histogram(counts, 80).split("\n"), [
    "  64 │     █       ",
    "     │     █       ",
    "     │     █       ",
    "     │     █     █ ",
    "     │    ██     █ ",
    "     │    ██     █▄",
    "15.9 │┈┈┈███┈┈┈▄┈██",
    "     │ ▄████▁▂▃█▅██",
    "     └─────────┴──┴",
    "              10 13",
  ]);
  assertEquals(histogram(counts, 15).split("\n"), [
    "  64 │     █    ",
    "     │     █    ",
    "     │     █    ",
    "     │     █    ",
    "     │    ██    ",
    "     │    ██    ",
    "15.9 │┈┈┈███┈┈┈▄",
    "     │ ▄████▁▂▃█",
    "     └─────────┴",
    "              10",
    "  64 │   ",
    "     │   ",
    "     │   ",
    "     │ █ ",
    "     │ █ ",
    "     │ █▄",
    "15.9 │┈██",
    "     │▅██",
    "     └──┴",
    "       13",
  ]);
});

test("the histogram has as few bands as the width allows", () => {
  const bands = (bars: number, width: number) =>
    histogram(new Array(bars).fill(3), width).split("└").length - 1;
  assertEquals([bands(20, 23), bands(20, 22)], [1, 2]);
  assertEquals([bands(100, 103), bands(100, 102)], [1, 2]);
  assertEquals([bands(40, 33), bands(40, 3)], [2, 4]);
  assertEquals(bands(21, 23), 2);
  // A label takes its columns from them.
  const thousands = new Array(20).fill(1000);
  assertEquals(histogram(thousands, 26).split("└").length, 2);
  assertEquals(histogram(thousands, 25).split("└").length, 3);
});

test("the histogram has its bars below each other, and full ones for ones", () => {
  const rare = [1000, ...new Array(99).fill(0)];
  const bars = histogram(rare, 80).split("\n").filter((line) => /│/.test(line));
  assertEquals(new Set(bars.map((line) => line.indexOf("│"))), new Set([5]));
  assertEquals(histogram([1, 1], 80).split("\n")[0], "1 │██");
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
  const wide = [
    { milliseconds: 20, count: 9 },
    { milliseconds: 300, count: 16 },
    { milliseconds: 1000, count: 13 },
  ];
  assertEquals(latencyHistogram(wide, 23).split("\n"), [
    "  to 20 ms │████▌ 9",
    "  to 50 ms │ 0",
    " to 100 ms │ 0",
    " to 200 ms │ 0",
    " to 500 ms │████████ 16",
    "to 1000 ms │██████▌ 13",
  ]);
  const [tiny] = wide;
  assertEquals(latencyHistogram([tiny], 2), "to 20 ms │█ 9");
});
