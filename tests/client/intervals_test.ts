import { assert, assertEquals, assertMatch } from "@std/assert";
import { IntervalCounter, intervalRow } from "../../lib/client/intervals.ts";
import { pureTest as test } from "../../harness/tests.ts";

test("IntervalCounter tells what came in each interval alone", () => {
  const counter = new IntervalCounter();
  counter.answered(2);
  counter.answered(4);
  const first = counter.end(1000, 3, 5);
  assertEquals([first.fromMs, first.toMs], [0, 1000]);
  assertEquals([first.answered, first.open, first.resent], [2, 3, 5]);
  assertEquals([first.latencyMs.p50, first.latencyMs.max], [2, 4]);

  const second = counter.end(2500, 0, 7);
  assertEquals([second.fromMs, second.toMs], [1000, 2500]);
  assertEquals([second.answered, second.open, second.resent], [0, 0, 2]);
  assertEquals(second.latencyMs.max, null);
});

test("intervalRow() is aligned under a header every 20 rows", () => {
  const counter = new IntervalCounter();
  for (let i = 0; i < 45_000; i++) counter.answered(i / 100);
  const busy = counter.end(1500, 60_000, 1234);
  const idle = counter.end(86_400_000, 0, 1234);
  counter.answered(1);
  const last = counter.end(86_400_500, 1, 1234);
  const [header, row] = intervalRow(busy, 20).split("\n");
  assertEquals(
    [header, row, intervalRow(idle, 21)],
    [
      "        seconds answered    per s   p50 ms   p99 ms   max ms  open resent",
      "        0.0-1.5    45000    30000   225.02   445.69   449.99 60000   1234",
      "    1.5-86400.0        0        0        -        -        -     0      0",
    ],
  );
  assert(header.length <= 80);
  assertMatch(intervalRow(last, 22), /^ *86400\.0-86400\.5 +1 +2 /);
});

test("intervalRow() tells no rate of an interval without a length", () => {
  const counter = new IntervalCounter();
  counter.end(1000, 1, 0);
  counter.answered(2);
  assertMatch(intervalRow(counter.end(1000, 1, 0), 1), /^ *1\.0-1\.0 +1 +- /);
});
