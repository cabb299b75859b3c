import { assert, assertEquals, assertMatch } from "@std/assert";
import { parseFlags } from "../../lib/cli/flags.ts";
import { clientCommand } from "../../lib/client/options.ts";
import { createReport } from "../../lib/client/report.ts";
import { reportText, verdict } from "../../lib/client/summary.ts";
import {
  type Counters,
  createCounters,
  Fate,
} from "../../lib/client/requests.ts";
import { pureTest as test } from "../../harness/tests.ts";

/** A run of so many requests, answered in 1, 2, 3, … ms, in 2 s, with each number
 * as often. */
function answered(count: number): Counters {
  const counters = createCounters(count);
  Object.assign(counters, { sent: count, startedAt: 5, endedAt: 2005 });
  Object.assign(counters, { answered: count, connections: 1, inFlight: 3 });
  counters.fates.fill(Fate.answered);
  counters.latencies.forEach((_, i, all) => all[count - 1 - i] = i + 1);
  counters.numbers.fill(count / 100);
  return counters;
}

function report(counters: Counters, interrupted = false, ...args: string[]) {
  const count = String(counters.fates.length);
  const options = parseFlags(clientCommand, ["--count", count, ...args]);
  return createReport(counters, options, interrupted);
}

test("createReport() has exact percentiles and the figures of the numbers", () => {
  const { ok, latencyMs, numbers, perSecond } = report(answered(1000));
  assertEquals(ok, true);
  assertEquals(latencyMs, {
    p50: 500,
    p90: 900,
    p99: 990,
    "p99.9": 999,
    max: 1000,
  });
  assertEquals(perSecond, 500);
  const { counts, ...rest } = numbers;
  assertEquals(counts, new Array(100).fill(10));
  assertEquals(rest, { min: 1, max: 100, mean: 50.5, chiSquare: 0, pValue: 1 });
});

test("createReport() takes the nearest rank for a percentile of few", () => {
  const few = answered(3);
  few.fates[1] = 0;
  few.latencies.set([8, 0, 4]);
  assertEquals(report(few).latencyMs, {
    p50: 4,
    p90: 8,
    p99: 8,
    "p99.9": 8,
    max: 8,
  });
});

test("createReport() names what is missing, sent or not", () => {
  const some = answered(1000);
  some.sent = 990;
  some.fates.fill(0, 990);
  for (const request of [3, 4, 5, 17]) some.fates[request - 1] = 0;
  const { ok, missing, missingRequests } = report(some);
  assertEquals([ok, missing], [false, 14]);
  assertEquals(missingRequests, [[3, 5], [17, 17], [991, 1000]]);
  assertMatch(
    reportText(report(some)),
    /^missing +3-5, 17, 991-1000$/m,
  );
});

test("createReport() counts a request with two accepted responses as missing, whatever was counted", () => {
  const twice = answered(1000);
  twice.fates[7] |= Fate.answeredAgain;
  const { ok, answered: proven, missingRequests } = report(twice);
  assertEquals([ok, proven, missingRequests], [false, 999, [[8, 8]]]);
});

test("createReport() is not ok when something was invalid or overtaken", () => {
  const invalid = answered(1000);
  invalid.invalid = 1;
  assertEquals(report(invalid).ok, false);
  assertEquals(
    verdict(report(invalid)),
    "1000 of 1000 requests answered: 1 invalid",
  );
  const overtaken = answered(1000);
  overtaken.fates[3] |= Fate.overtaken;
  assertEquals(report(overtaken).ok, false);
  assertEquals(
    verdict(report(overtaken)),
    "1000 of 1000 requests answered: 1 overtaken",
  );
});

test("createReport() is not ok when 1,000 numbers or more cannot be uniform", () => {
  for (const [count, ok] of [[999, true], [1000, false]] as const) {
    const fives = answered(count);
    fives.numbers.fill(0)[4] = count;
    assertEquals(report(fives).ok, ok);
  }
  const fives = answered(1000);
  fives.numbers.fill(0)[4] = 1000;
  assertEquals(
    verdict(report(fives)),
    "1000 of 1000 requests answered: numbers not uniform",
  );
  assertMatch(reportText(report(fives)), /p-value 0: not uniform\?$/m);
});

test("reportText() doubts a p-value below 0.001, which is ok all the same", () => {
  const odd = answered(10_000);
  odd.numbers[0] += 95;
  odd.numbers[1] -= 95;
  const { ok, numbers: { pValue } } = report(odd);
  assert(ok && pValue! < 0.001 && pValue! > 1e-9, String(pValue));
  assertMatch(reportText(report(odd)), /not uniform\?/);
});

test("reportText() says when there are too few numbers to tell", () => {
  assertMatch(reportText(report(answered(900))), /: too few to tell$/m);
});

test("verdict() tells a proof, with what was sent twice", () => {
  const run = answered(1000);
  assertEquals(
    verdict(report(run)),
    "1000 of 1000 requests answered exactly once",
  );
  run.fates.fill(Fate.answered | Fate.resent, 0, 334);
  assertEquals(
    verdict(report(run)),
    "1000 of 1000 requests answered exactly once, 334 sent twice",
  );
});

test("verdict() tells what is missing, and that a run was interrupted", () => {
  const run = answered(1000);
  run.fates[0] = Fate.overtaken;
  assertEquals(
    verdict(report(run)),
    "999 of 1000 requests answered: 1 missing, 1 overtaken",
  );
  const stopped = answered(1000);
  stopped.fates.fill(0, 6);
  assertEquals(
    verdict(report(stopped, true)),
    "interrupted: 6 of 1000 requests answered",
  );
});

test("createReport() has no NaN when nothing was answered", () => {
  const none = createCounters(10);
  none.sent = 10;
  const result = report(none);
  assertEquals([result.latencyMs.p50, result.numbers.pValue], [null, null]);
  assertEquals([result.perSecond, result.missingRequests], [0, [[1, 10]]]);
  assertEquals(/NaN|undefined|null/.test(reportText(result)), false);
});

test("createReport() hides a password", () => {
  const { url } = report(answered(100), false, "wss://me:secret@example.com/");
  assertEquals(url, "wss://me:***@example.com/");
});

test("reportText() fits 80 columns and obeys nobody", () => {
  const wide = answered(1000);
  Object.assign(wide, { invalid: 1e9, reconnects: 1e9 });
  wide.firstInvalid = { request: 17, response: "\x1b[2J".repeat(50) };
  for (let i = 0; i < 1000; i += 2) wide.fates[i] = 0;
  const url = `ws://example.com/${"x".repeat(500)}`;
  const text = reportText({ ...report(wide, false, url), sent: 1e9 });
  for (const line of text.split("\n")) assert(line.length <= 80, line);
  assert(!text.includes("\x1b"));
  assertMatch(text, /^invalid +first for request 17,/m);
});
