import { assertEquals } from "@std/assert";
import { createCounters, Fate } from "../../lib/client/counters.ts";
import { describeNumbers, isOk } from "../../lib/client/report.ts";
import { answered, report } from "./_counters.ts";
import { pureTest as test } from "../../harness/tests.ts";

test("createReport() has percentiles within 0.1 % and the figures of the numbers", () => {
  const { ok, latencyMs, numbers, perSecond } = report(answered(1000));
  assertEquals(ok, true);
  assertEquals(latencyMs, {
    p50: 500.223,
    p90: 900.095,
    p99: 990.207,
    "p99.9": 999.423,
    max: 1000,
  });
  assertEquals(perSecond, 500);
  const { counts, ...rest } = numbers;
  assertEquals(counts, new Array(100).fill(10));
  assertEquals(rest, {
    min: 1,
    max: 100,
    mean: 50.5,
    chiSquare: 0,
    pValue: 1,
    uniform: "may be uniform, p > 0.99",
  });
});

test("createReport() tells pauses and lateness from the start of the run", () => {
  const run = answered(3);
  run.times.pauses.unanswered(2505, 2105);
  run.times.late.add(7);
  run.times.handshakes.add(2);
  const { pauses, longestPauseMs, lateMs } = report(run);
  assertEquals(longestPauseMs, 400);
  assertEquals(pauses[0], { atMs: 2100, ms: 400 });
  assertEquals(lateMs, null);
  const paced = report(run, false, "--rate=5");
  assertEquals(paced.lateMs, { p50: 7, p99: 7, max: 7 });
  assertEquals(paced.handshakeMs, { p50: 2, p99: 2, max: 2 });
});

test("createReport() names what is missing, sent or not", () => {
  const some = answered(1000);
  some.sent = 990;
  some.fates.fill(0, 990);
  for (const request of [3, 4, 5, 17]) some.fates[request - 1] = 0;
  const { ok, missing, missingRequests } = report(some);
  assertEquals([ok, missing], [false, 14]);
  assertEquals(missingRequests, [[3, 5], [17, 17], [991, 1000]]);
  some.fates.fill(0, 988); // the last two that were sent
  assertEquals(report(some).missingRequests.at(-1), [989, 1000]);
});

test("createReport() counts a request with two accepted responses as missing, whatever was counted", () => {
  const twice = answered(1000);
  twice.fates[7] |= Fate.answeredAgain;
  const { ok, answered: proven, missingRequests } = report(twice);
  assertEquals([ok, proven, missingRequests], [false, 999, [[8, 8]]]);
});

test("createReport() is not ok when a request was lost, answered or not", () => {
  const run = answered(1000);
  for (const request of [3, 4, 9]) {
    run.fates[request - 1] |= Fate.lost | Fate.resent;
  }
  run.fates[8] &= ~Fate.answered;
  const { ok, lost, lostRequests, missing, resent } = report(run);
  assertEquals([ok, lost, missing, resent], [false, 3, 1, 3]);
  assertEquals(lostRequests, [[3, 4], [9, 9]]);
});

test("createReport() is not ok when something was invalid or overtaken", () => {
  const invalid = answered(1000);
  invalid.invalid = 1;
  assertEquals(report(invalid).ok, false);
  const overtaken = answered(1000);
  overtaken.fates[3] |= Fate.overtaken;
  const { ok, overtaken: count, resent } = report(overtaken);
  assertEquals([ok, count, resent], [false, 1, 0]);
});

test("isOk() adds faults up, and lets none make up for another", () => {
  const fine = { missing: 0, lost: 0, invalid: 0, overtaken: 0 };
  const { numbers } = report(answered(100));
  assertEquals(isOk({ ...fine, numbers }), true);
  for (const one of Object.keys(fine)) {
    for (const other of Object.keys(fine)) {
      const faults = { ...fine, [one]: 1, [other]: 1 };
      assertEquals(isOk({ ...faults, numbers }), false, `${one}, ${other}`);
    }
  }
});

test("createReport() is ok when something was sent again after breaks, and tells when they were", () => {
  const run = answered(1000);
  run.fates.fill(Fate.answered | Fate.resent, 0, 334);
  run.breaks.push({ at: 105, reason: "closed with 1001", inFlight: 300 });
  const { ok, resent, breaks } = report(run);
  assertEquals([ok, resent], [true, 334]);
  assertEquals(breaks, [
    { atMs: 100, reason: "closed with 1001", inFlight: 300 },
  ]);
});

test("createReport() is not ok when 500 numbers or more cannot be uniform", () => {
  for (const [count, ok] of [[499, true], [500, false]] as const) {
    const fives = answered(count);
    fives.numbers.fill(0)[4] = count;
    assertEquals(report(fives).ok, ok);
  }
});

test("createReport() has no NaN when nothing was answered", () => {
  const none = createCounters(10);
  none.sent = 10;
  const result = report(none);
  assertEquals([result.latencyMs.p50, result.numbers.pValue], [null, null]);
  assertEquals([result.perSecond, result.missingRequests], [0, [[1, 10]]]);
  assertEquals(JSON.stringify(result).includes("NaN"), false);
});

test("createReport() hides a password", () => {
  const { url } = report(answered(100), false, "wss://me:secret@example.com/");
  assertEquals(url, "wss://me:***@example.com/");
});

test("createReport() repeats what was asked for, and rounds", () => {
  const run = answered(300);
  run.endedAt = run.startedAt + 300.12345;
  run.times.late.add(7);
  run.times.pauses.unanswered(2505.12345, 2105.05678);
  run.breaks.push({ at: 5.12345, reason: "closed with 1001", inFlight: 1 });
  const given = report(
    run,
    false,
    ...["--window=7", "--rate=5", "--duration=3s", "--fail-if=late>5ms"],
    `--message=${"x".repeat(300)}`,
  );
  const { schema, window, rate, durationMs, message, crossedLimits } = given;
  assertEquals([schema, window, rate, durationMs], [1, 7, 5, 3000]);
  assertEquals([message.length, crossedLimits.length], [200, 1]);
  assertEquals([given.seconds, given.perSecond], [0.3, 999.6]);
  assertEquals(given.breaks[0].atMs, 0.123);
  assertEquals(given.pauses[0], { atMs: 2100.057, ms: 400.067 });

  const { window: most, rate: fast, durationMs: long } = report(run);
  assertEquals([most, fast, long], [null, null, null]);
  run.endedAt = run.startedAt;
  assertEquals(report(run).perSecond, 0);
});

test("describeNumbers() tells the least, the greatest and the rounded mean", () => {
  const counts = new Array(100).fill(0);
  Object.assign(counts, { 2: 1, 6: 5, 96: 1 });
  const { min, max, mean, chiSquare } = describeNumbers(counts);
  assertEquals([min, max, mean, chiSquare], [3, 97, 19.286, 378.714]);
  const many = describeNumbers(new Array(100).fill(10).with(0, 50));
  assertEquals(many.pValue, 0.0004655);
  const one = describeNumbers(new Array(100).fill(0).with(4, 1));
  assertEquals([one.min, one.max, one.mean], [5, 5, 5]);
});
