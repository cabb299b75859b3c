import { assert, assertEquals } from "@std/assert";
import { build, decodeFromCompressedBase64 } from "hdr-histogram-js";
import type { JsHistogram } from "hdr-histogram-js";
import { Durations, Pauses } from "../../lib/client/time.ts";
import { pureTest as test } from "../../harness/tests.ts";

test("Durations tell percentiles to within 0.1 %", () => {
  const durations = new Durations();
  assertEquals([durations.count, durations.percentiles().max], [0, null]);
  for (let i = 1; i <= 100_000; i++) durations.add(i / 10);
  const { p50, p90, p99, "p99.9": p999, max } = durations.percentiles();
  const near = (actual: number | null, exact: number) =>
    assert(Math.abs(actual! / exact - 1) <= 0.001, `${actual} for ${exact}`);
  near(p50, 5000);
  near(p90, 9000);
  near(p99, 9900);
  near(p999, 9990);
  near(max, 10_000);
});

test("Durations take the nearest rank for a percentile of few", () => {
  const durations = new Durations();
  for (const milliseconds of [0.8, 0.4]) durations.add(milliseconds);
  assertEquals(durations.percentiles(), {
    p50: 0.4,
    p90: 0.8,
    p99: 0.8,
    "p99.9": 0.8,
    max: 0.8,
  });
});

const YEAR = 365 * 86_400_000;

test("Durations hold microseconds and a year", () => {
  const durations = new Durations();
  for (const milliseconds of [0, 0, 0.001, 0.25, YEAR]) {
    durations.add(milliseconds);
  }
  const { p50, max } = durations.percentiles();
  assertEquals([durations.count, p50], [5, 0.001]);
  assertEquals(max, YEAR);
  const [longest] = [...durations.values()].reverse();
  assert(Math.abs(longest.milliseconds / YEAR - 1) <= 0.001);
});

test("Durations begin anew after reset()", () => {
  const durations = new Durations();
  for (const milliseconds of [0, 3, YEAR]) durations.add(milliseconds);
  durations.reset();
  assertEquals([durations.count, durations.percentiles().p50], [0, null]);
  assertEquals([...durations.values()], []);
  durations.add(5.0001);
  assertEquals(durations.percentiles().max, 5); // not a year any more
});

test("Durations tell whole microseconds, and no more than the longest", () => {
  const durations = new Durations();
  durations.add(5.12041); // one of 5.120, 5.121, … 5.123
  assertEquals(durations.percentiles().p50, 5.12);
  assertEquals([...durations.values()], [{ milliseconds: 5.123, count: 1 }]);
});

test("Durations are read by others as they are written", async () => {
  const durations = new Durations();
  for (const milliseconds of [1, 2, 3]) durations.add(milliseconds);
  const read = decodeFromCompressedBase64(await durations.toBase64());
  assertEquals([read.totalCount, read.getValueAtPercentile(50)], [3, 2000]);
  assertEquals(read.numberOfSignificantValueDigits, 3);
  // Every bucket is one of theirs.
  const wide = new Durations();
  for (let i = 0; i < 40_000; i++) wide.add(1.0006 ** i / 1000);
  const all = decodeFromCompressedBase64(await wide.toBase64());
  for (
    const [name, percent] of [["p50", 50], ["p90", 90], ["p99", 99]] as const
  ) {
    assertEquals(
      wide.percentiles()[name],
      all.getValueAtPercentile(percent) / 1000,
    );
  }
});

test("Durations have the buckets of HdrHistogram", () => {
  const theirs = build({
    ...{ bitBucketSize: 32, numberOfSignificantValueDigits: 3 },
    autoResize: true,
  }) as JsHistogram;
  for (const doubled of [1024, 2048, 4096, 2 ** 20, 2 ** 40]) {
    for (const microseconds of [doubled - 1, doubled, doubled + 1]) {
      const durations = new Durations();
      durations.add(microseconds / 1000);
      const [{ milliseconds }] = durations.values();
      assertEquals(
        Math.round(milliseconds * 1000),
        theirs.highestEquivalentValue(microseconds),
      );
    }
  }
});

test("Durations add what others were, and what they were themselves", async () => {
  const durations = new Durations();
  for (const milliseconds of [0.004, 2, 2, 5000]) durations.add(milliseconds);
  const text = await durations.toBase64();
  const sum = new Durations();
  for (let times = 1; times <= 2; times++) {
    await sum.addBase64(text);
    assertEquals(
      [...sum.values()],
      [...durations.values()].map(({ milliseconds, count }) => ({
        ...{ milliseconds, count: count * times },
      })),
    );
  }
});

test("Pauses begin when a request is due, or when the response before came", () => {
  const pauses = new Pauses();
  pauses.answered(10, 4); // nothing came before: since it was due
  pauses.answered(15, 4); // since 10
  pauses.answered(40, 38); // nothing was due before 38
  pauses.answered(40, 38); // with the one before
  pauses.unanswered(100, 60);
  pauses.answered(140, 100); // as long as the longest
  pauses.answered(140.25, 0);
  assertEquals(pauses.longest, [
    { at: 60, length: 40 },
    { at: 100, length: 40 },
    { at: 4, length: 6 },
    { at: 10, length: 5 },
    { at: 38, length: 2 },
    { at: 140, length: 0.25 },
  ]);
});

test("Pauses keep the ten longest", () => {
  const pauses = new Pauses();
  for (const length of [3, 11, 1, 9, 12, 5, 7, 2, 10, 4, 8, 6, 3.5]) {
    pauses.answered(length, 0);
    pauses.answered(0, 0); // the next one counts from 0
  }
  assertEquals(
    pauses.longest.map(({ length }) => length),
    [12, 11, 10, 9, 8, 7, 6, 5, 4, 3.5],
  );
});

test("Durations tell each value once, the shortest first", () => {
  const durations = new Durations();
  for (const milliseconds of [0.5, 2, 0.5, 0.002]) durations.add(milliseconds);
  for (let times = 0; times < 2; times++) {
    assertEquals([...durations.values()], [
      { milliseconds: 0.002, count: 1 },
      { milliseconds: 0.5, count: 2 },
      { milliseconds: 2, count: 1 },
    ]);
  }
});
