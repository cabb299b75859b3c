import { assert, assertEquals, assertMatch } from "@std/assert";
import { createCounters, Fate } from "../../lib/client/counters.ts";
import { reportText, verdict } from "../../lib/client/summary.ts";
import { answered, report } from "./_counters.ts";
import { pureTest as test } from "../../harness/tests.ts";

test("verdict() tells a proof, with what was sent again after breaks", () => {
  const run = answered(1000);
  assertEquals(
    verdict(report(run)),
    "1000 of 1000 requests answered exactly once",
  );
  run.fates.fill(Fate.answered | Fate.resent, 0, 334);
  for (let i = 0; i < 3; i++) {
    run.breaks.push({ at: 6, reason: "closed with 1001", inFlight: 200 });
  }
  assertEquals(
    verdict(report(run)),
    "1000 of 1000 requests answered exactly once, 334 sent again after 3 breaks",
  );
});

test("verdict() tells what was sent again once, and after one break", () => {
  const run = answered(1000);
  run.fates[0] |= Fate.resent;
  run.breaks.push({ at: 6, reason: "closed with 1001", inFlight: 1 });
  assertEquals(
    verdict(report(run)),
    "1000 of 1000 requests answered exactly once, 1 sent again after 1 break",
  );
});

test("verdict() tells a limit that was crossed, and the run is ok", () => {
  const slow = report(answered(1000), false, "--fail-if=p99>500ms");
  assertEquals([slow.ok, slow.crossedLimits.length], [true, 1]);
  assertEquals(
    verdict(slow),
    "1000 of 1000 requests answered exactly once, " +
      "but p99 990.207 ms is over 500 ms",
  );
  const kept = report(answered(1000), false, "--fail-if=p99>999ms");
  assertEquals(kept.crossedLimits, []);
});

test("verdict() tells each fault, and that a run was interrupted", () => {
  const run = answered(1000);
  run.fates[0] = Fate.lost;
  run.fates[1] |= Fate.lost;
  run.fates[2] |= Fate.overtaken;
  run.invalid = 7;
  assertEquals(
    verdict(report(run)),
    "999 of 1000 requests answered: 1 missing, 2 lost, 1 overtaken, 7 invalid",
  );
  const stopped = answered(1000);
  stopped.fates.fill(0, 6);
  assertEquals(
    verdict(report(stopped, true)),
    "interrupted: 6 of 1000 requests answered",
  );
  stopped.fates[3] |= Fate.lost;
  assertEquals(
    verdict(report(stopped, true)),
    "interrupted: 6 of 1000 requests answered: 1 lost",
  );
});

test("verdict() tells numbers that cannot be uniform", () => {
  const fives = answered(1000);
  fives.numbers.fill(0)[4] = 1000;
  assertEquals(
    verdict(report(fives)),
    "1000 of 1000 requests answered: numbers not uniform",
  );
  assertMatch(reportText(report(fives)), /not uniform, p < 1e-9$/m);
});

test("reportText() of a run in which all is well is short", () => {
  assertEquals(reportText(report(answered(1000))).split("\n"), [
    "server     ws://127.0.0.1:8000/ws",
    "requests   1000 sent, 1000 answered, 0 missing, 0 lost, 0 invalid, 0 overtaken",
    "time       2 s, 500 answered per second",
    "in flight  3 at most on 1 connection, 0 reconnects, 0 resent",
    "latency ms p50 500.22, p90 900.10, p99 990.21, p99.9 999.42, max 1000.00",
    "pause ms   1000.00 at most, from 0.995 s on",
    "numbers    1 to 100, mean 50.5, chi-square 0, may be uniform, p > 0.99",
  ]);
});

test("reportText() has a row for each fault and each measure", () => {
  const run = answered(1000);
  run.fates[2] = Fate.lost;
  run.fates[3] |= Fate.overtaken | Fate.resent;
  Object.assign(run, { reconnects: 1, invalid: 1, gaveUp: 1 });
  run.subprotocol = "a.b";
  run.firstInvalid = { request: 7, reason: "is odd", response: "?" };
  run.breaks.push({ at: 10, reason: "closed with 1001", inFlight: 1 });
  run.times.late.add(7);
  run.times.handshakes.add(2);
  const text = () => reportText(report(run, false, "--rate=5", "ws://host/ws"));
  assertEquals(text().split("\n"), [
    "server     ws://host/ws, subprotocol a.b",
    "requests   1000 sent, 999 answered, 1 missing, 1 lost, 1 invalid, 1 overtaken",
    "missing    3",
    "lost       3",
    'invalid    first for request 7: is odd, "?"',
    "time       2 s, 499.5 answered per second",
    "in flight  3 at most on 1 connection, 1 reconnects, 1 resent",
    "breaks     1 × closed with 1001",
    "gave up    1 connection",
    "latency ms p50 500.22, p90 900.10, p99 990.21, p99.9 999.42, max 1000.00",
    "late ms    p50 7.00, p99 7.00, max 7.00",
    "pause ms   1000.00 at most, from 0.995 s on",
    "connect ms p50 2.00, p99 2.00, max 2.00",
    "numbers    1 to 100, mean 50.5, chi-square 0, may be uniform, p > 0.99",
  ]);
  Object.assign(run, { connections: 2, reconnects: 0 });
  assertMatch(text(), /^in flight {2}3 at most on each of 2 connections, 0 /m);
  assertMatch(text(), /^connect ms /m);
  // One answer is measured, none is not.
  run.fates.fill(0, 1);
  assertMatch(text(), /^latency ms [^]*^late ms /m);
  run.fates[0] = 0;
  assertEquals(/^(?:latency|late) ms/m.test(text()), false);
});

test("reportText() begins a line where 80 columns are full", () => {
  const rows = (length: number) => {
    const url = `ws://host/${"x".repeat(length - 10)}`;
    const run = answered(1000);
    run.subprotocol = "a.b";
    return reportText(report(run, false, url)).split("\n").slice(0, 2);
  };
  const [full] = rows(52);
  assertEquals([full.length, full.slice(-17)], [80, ", subprotocol a.b"]);
  assertEquals(rows(53).map((line) => line.slice(0, 26)), [
    "server     ws://host/xxxxx",
    "           subprotocol a.b",
  ]);
  // One that is longer than a line is cut.
  assertEquals(rows(68)[0].slice(-3), "xx,");
  assertEquals(rows(69)[0].slice(-3), "x…,");
  assertEquals(rows(69)[0].length, 80);
});

test("reportText() doubts numbers that are hardly uniform, which is ok all the same", () => {
  const odd = answered(10_000);
  odd.numbers[0] += 95;
  odd.numbers[1] -= 95;
  const { ok, numbers: { pValue } } = report(odd);
  assert(ok && pValue! < 0.001 && pValue! > 1e-9, String(pValue));
  assertMatch(reportText(report(odd)), /hardly uniform/);
});

test("reportText() says when there are too few numbers to tell", () => {
  assertMatch(reportText(report(answered(400))), /too few numbers to tell$/m);
});

test("reportText() names the first of what is missing and lost, by number", () => {
  const some = answered(1000);
  for (const request of [3, 4, 5, 17]) some.fates[request - 1] = 0;
  for (let request = 100; request < 140; request += 2) {
    some.fates[request - 1] |= Fate.lost;
  }
  const text = reportText(report(some));
  assertMatch(text, /^missing +3-5, 17$/m);
  assertMatch(text, /^lost +100, 102, .*118,\s+10 more ranges in --json$/ms);
});

test("reportText() groups breaks by their reason, the most frequent first", () => {
  const run = answered(1000);
  const reasons = ["closed with 1008: enough", "no answer for 1 s"];
  for (const reason of [0, 1, 1, 1].map((which) => reasons[which])) {
    run.breaks.push({ at: 10, reason, inFlight: 1 });
  }
  run.gaveUp = 768;
  const text = reportText(report(run));
  assertMatch(
    text,
    /^breaks {5}4: 3 × no answer for 1 s, 1 × closed with 1008: enough$/m,
  );
  assertMatch(text, /^gave up {4}768 connections$/m);
  for (let code = 3000; code < 3009; code++) {
    assertEquals(/more reasons/.test(reportText(report(run))), false);
    run.breaks.push({ at: 10, reason: `closed with ${code}`, inFlight: 1 });
  }
  assertMatch(reportText(report(run)), /1 more reasons in --json$/m);
});

test("reportText() says what is wrong with the first message that is invalid", () => {
  const run = answered(1000);
  const first = (request: number | null, response: string | null) => {
    run.firstInvalid = { request, reason: "is odd", response };
    return reportText(report(run));
  };
  assertMatch(
    first(7, "a\n"),
    /^invalid +first for request 7: is odd, "a\\n"$/m,
  );
  assertMatch(first(null, null), /^invalid +first: is odd$/m);
});

test("reportText() has no NaN when nothing was answered", () => {
  const text = reportText(report(createCounters(10)));
  assert(!/NaN|undefined|null/.test(text), text);
});

test("reportText() fits 80 columns and obeys nobody", () => {
  const wide = answered(1000);
  Object.assign(wide, { invalid: 1e9, reconnects: 1e9 });
  const response = "\x1b[2J".repeat(50);
  wide.firstInvalid = { request: 17, reason: response, response };
  for (let i = 0; i < 50; i++) {
    wide.breaks.push({ at: 5, reason: `${i} ${response}`, inFlight: 1 });
  }
  for (let i = 0; i < 1000; i += 2) wide.fates[i] = 0;
  const url = `ws://example.com/${"x".repeat(500)}`;
  const text = reportText({ ...report(wide, false, url), sent: 1e9 });
  for (const line of text.split("\n")) assert(line.length <= 80, line);
  assert(!text.includes("\x1b"));
  assertMatch(text, /^invalid +first for request 17: /m);
});
