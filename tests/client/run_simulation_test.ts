// The client's run in a made-up network: schedules of delays, cuts, refusals,
// hangs, wrong, early and doubled answers, a full pipe and Ctrl-C. A failure
// prints its seed, and the schedule shrunk to the shortest.

import { assert, assertEquals } from "@std/assert";
import fc from "npm:fast-check@4.10.2";
import { parseFlags } from "../../lib/cli/flags.ts";
import { clientCommand, type ClientOptions } from "../../lib/client/options.ts";
import { createReport, type Report } from "../../lib/client/report.ts";
import { type Outcome, Run } from "../../lib/client/run.ts";
import type { Peer } from "./_simulated_connection.ts";
import { Network } from "./_simulated_network.ts";
import { IN_CI } from "../../harness/process.ts";
import { pureTest as test } from "../../harness/tests.ts";

const SCHEDULES = IN_CI ? 10_000 : 2500;
/** More than the longest run takes; beyond that it hangs. */
const MOST_STEPS = 20_000;
/** For the closing handshakes, in milliseconds. */
const CLOSING = 300;

const mostly = <T>(usual: T, ...others: T[]) =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant(usual) },
    { weight: 1, arbitrary: fc.constantFrom(...others) },
  );

const peers: fc.Arbitrary<Peer> = fc.record({
  opening: mostly<Peer["opening"]>(
    "accept",
    "refuse",
    "503",
    "404",
    "untrusted",
    "subprotocol",
    "extension",
    "hang",
  ),
  greeting: mostly(false, true),
  latency: fc.constantFrom(0, 1, 20, 300, 1500),
  acts: fc.array(
    mostly<Peer["acts"][number]>(
      "answer",
      "drop",
      "wrong",
      "twice",
      "hold",
      "early",
      "garbage",
      "binary",
      "echo",
      "malformed",
      "slip",
      "hang",
    ),
    { minLength: 1, maxLength: 6 },
  ),
  cut: fc.option(
    fc.record({
      after: fc.nat(2000),
      code: fc.constantFrom(0, 1000, 1001, 1008, 1009, 1011),
    }),
  ),
  answersClose: mostly(true, false),
});

const schedules = fc.record({
  count: fc.integer({ min: 1, max: 30 }),
  connections: fc.integer({ min: 1, max: 4 }),
  window: fc.integer({ min: 1, max: 12 }),
  batch: mostly(1, 3),
  unordered: mostly(false, true),
  rate: fc.option(fc.constantFrom(3, 20, 1000)),
  duration: fc.option(fc.constantFrom(1, 300, 2000), { freq: 3 }),
  ramp: mostly(0, 100, 2000),
  interval: fc.option(fc.constantFrom(100, 1000), { freq: 2 }),
  timeout: fc.constantFrom(200, 1000, 3000),
  retries: fc.integer({ min: 0, max: 4 }),
  message: fc.constantFrom("Message {i}", "{i}", "{i}0", "{i} and {i}"),
  peers: fc.array(peers, { minLength: 1, maxLength: 6 }),
  /** Nothing can be printed from here on, for this long. */
  full: fc.option(fc.record({ at: fc.nat(2000), lasts: fc.nat(2000) })),
  interruptAt: fc.option(fc.nat(5000)),
});

type Schedule = typeof schedules extends fc.Arbitrary<infer T> ? T : never;

async function simulate(schedule: Schedule): Promise<void> {
  const { peers, full, interruptAt, rate, duration, interval, ...rest } =
    schedule;
  const options: ClientOptions = {
    ...parseFlags(clientCommand, []),
    ...rest,
    rate: rate ?? undefined,
    duration: duration ?? undefined,
    interval: interval ?? undefined,
  };
  const { message } = options;
  const { count } = rest;
  const connections = Math.min(rest.connections, count);
  const network = new Network({
    peers,
    texts: Array.from(
      { length: count },
      (_, index) => message.replaceAll("{i}", String(index + 1)),
    ),
    window: options.window!,
    lines: options.batch > 1,
    unordered: rest.unordered,
    timeout: rest.timeout,
    rate,
    duration,
    together: connections,
    step: rest.ramp / connections,
  });

  let outcome: Outcome | undefined;
  const printed = new Set<string>();
  const notices: string[] = [];
  const run = new Run(options, {
    onResponse(response) {
      assert(!printed.has(response), `${response} was printed twice`);
      printed.add(response);
    },
    onGivenUp: (reason) => notices.push(reason),
  }, network);
  const { counters } = run.requests;
  run.start().then((result) => outcome = result);
  if (full) {
    network.schedule(full.at, () => run.pause());
    network.schedule(full.at + full.lasts, () => run.resume());
  }
  if (interruptAt !== null) {
    network.schedule(interruptAt, () => {
      network.stopped = true;
      run.stop();
    });
  }

  let doneAt: number | undefined;
  for (let steps = 0; !outcome; steps++) {
    assert(steps < MOST_STEPS, "the run does not end");
    network.step();
    await Promise.resolve();
    if (network.done) doneAt ??= network.now();
    if (network.stopped) assert(outcome, "Ctrl-C does not end it at once");
    if (doneAt !== undefined && network.now() > doneAt + CLOSING) {
      assert(outcome, "it is done and does not end");
    }
    if (rate) {
      const due = (network.now() - counters.startedAt) * rate / 1000;
      assert(!(network.sent.size > due + 1.001), "faster than the rate");
    }
  }

  // How it ended.
  assertEquals(outcome.stopped, network.stopped && !network.done);
  const gaveUp = outcome.failure !== undefined;
  assertEquals(gaveUp, !network.over);
  if (gaveUp) assertEquals(notices.length, connections - 1, "some went on");
  else assert(notices.length < connections);

  // The report is the truth.
  const report = createReport(counters, options, outcome.stopped);
  const endedAt = doneAt ?? network.now();
  const milliseconds = endedAt - network.openedAt || 0;
  assertEquals(report.seconds, Number((milliseconds / 1000).toFixed(3)));
  assertEquals(
    {
      sent: report.sent,
      answered: report.answered,
      missing: report.missing,
      invalid: report.invalid,
      overtaken: report.overtaken,
      opened: report.connections + report.reconnects,
      inFlight: report.inFlight,
      batch: report.batch,
      gaveUp: report.gaveUp,
    },
    {
      sent: network.sent.size,
      answered: network.answered.size,
      missing: network.count - network.answered.size,
      invalid: network.invalid,
      overtaken: network.overtaken.size,
      opened: network.opened,
      inFlight: network.inFlight,
      batch: network.batch,
      gaveUp: notices.length + (gaveUp ? 1 : 0),
    },
  );
  assertEquals(
    report.ok,
    network.answered.size === network.count && network.invalid === 0 &&
      network.overtaken.size === 0 && report.lost === 0,
  );
  checkBreaks(report, network);
  checkTimes(report, network, endedAt);
  if (interval !== null) checkIntervals(report, network, endedAt, interval);
  assertEquals(printed.size, network.answered.size);
  assertEquals(counters.answered, network.answered.size);

  // Nothing is left behind.
  assertEquals(network.timers.size, 0, "a timer is left behind");
  for (const connection of network.connections) {
    const { state, closing, onopen, onmessage } = connection;
    assert(state === "closed" || closing, "a connection is left open");
    if (state !== "closed") assertEquals([onopen, onmessage], [null, null]);
  }
}

/** Each time in the report is what the network saw, within 0.1 % or a microsecond. */
function checkTimes(report: Report, network: Network, endedAt: number): void {
  const near = (
    told: number | null,
    real: number | undefined,
    what: string,
  ) => {
    if (real === undefined) return assertEquals(told, null, what);
    const error = Math.abs(told! - real);
    assert(error <= Math.max(0.0011, real / 1000), `${what}: ${told}, ${real}`);
  };
  const checkAll = (
    told: Record<string, number | null>,
    real: number[],
    what: string,
  ) => {
    const sorted = real.toSorted((a, b) => a - b);
    for (const [name, value] of Object.entries(told)) {
      const part = name === "max" ? 1 : Number(name.slice(1)) / 100;
      near(value, sorted[Math.ceil(part * sorted.length) - 1], what + name);
    }
  };
  const latencies = [...network.answeredAt]
    .map(([request, at]) => at - network.due(request));
  checkAll(report.latencyMs, latencies, "latency ");
  checkAll(report.handshakeMs, network.handshakes, "handshake ");
  assertEquals(report.lateMs === null, network.script.rate === null);
  const late = [...network.sentAt]
    .map(([request, at]) => at - network.due(request));
  if (report.lateMs) checkAll(report.lateMs, late, "late ");

  const pauses = network.pauses(endedAt);
  near(report.longestPauseMs, pauses[0]?.length, "longest pause");
  assertEquals(report.pauses.length, Math.min(10, pauses.length));
  report.pauses.forEach(({ ms, atMs }, index) => {
    near(ms, pauses[index].length, `pause ${index}`);
    const same = pauses.some(({ at, length }) =>
      Math.abs(length - ms) < 0.01 &&
      Math.abs(at - network.openedAt - atMs) < 0.01
    );
    assert(same, `no pause of ${ms} ms began at ${atMs}`);
  });
}

/** The intervals cover the run, and each has what was answered in it. */
function checkIntervals(
  { intervals, startedAt }: Report,
  network: Network,
  endedAt: number,
  length: number,
): void {
  const duration = endedAt - network.openedAt || 0;
  // One of no length at the end has what came at the very end.
  const last = intervals.at(-1);
  const extra = last && last.fromMs === last.toMs ? 1 : 0;
  const told = Math.round(duration * 1000) / 1000; // whole microseconds
  const whole = Math.ceil(told / length - 1e-9);
  assertEquals(intervals.length - extra, whole);
  assertEquals(startedAt === null, Number.isNaN(network.openedAt));
  let answered = 0;
  intervals.forEach((interval, index) => {
    const { fromMs, toMs } = interval;
    assert(Math.abs(fromMs - index * length) < 0.001);
    assert(Math.abs(toMs - Math.min(fromMs + length, duration)) < 0.002);
    const inside = (first: number, last: number) =>
      [...network.answeredAt.values()].filter((at) =>
        at - network.openedAt > first && at - network.openedAt < last
      ).length;
    const atLeast = inside(fromMs + 0.002, toMs - 0.002);
    const atMost = inside(fromMs - 0.002, toMs + 0.002);
    assert(interval.answered >= atLeast && interval.answered <= atMost);
    answered += interval.answered;
  });
  assertEquals(answered, network.answered.size);
  const resent = intervals.reduce((sum, { resent }) => sum + resent, 0);
  // What is at the very end, and nothing else, is in no interval.
  const [atLeast, atMost] = [
    network.resends.filter(({ at, end }) => end === "resent" && at < endedAt),
    network.resends.filter(({ end }) => end !== "lost"),
  ].map(({ length }) => length);
  assert(resent >= atLeast && resent <= atMost, `${resent} resent`);
}

/** The report tells when connections broke, and what that did to the requests. */
function checkBreaks(report: Report, network: Network): void {
  assertEquals(
    report.breaks.map(({ atMs, inFlight }) => [atMs, inFlight]),
    network.breaks.map((
      { at, inFlight },
    ) => [Number((at - network.openedAt).toFixed(3)), inFlight]),
  );
  network.breaks.forEach(({ cause }, index) => {
    const { reason } = report.breaks[index];
    const told = { silent: "no answer for", echoes: "it echoes" }[cause];
    assert(reason.includes(told ?? cause), `${cause} is told as "${reason}"`);
  });
  const lost = new Set<string>();
  for (const [first, last] of report.lostRequests) {
    for (let i = first; i <= last; i++) lost.add(network.script.texts[i - 1]);
  }
  assertEquals(report.lost, lost.size);
  for (const [request, ends] of network.ends) {
    if (ends.includes("lost")) assert(lost.has(request), `${request} was lost`);
    if (!ends.some((end) => end !== "resent")) {
      assert(!lost.has(request), `${request} was not lost`);
    }
  }
  // Sent again after an end that was no loss.
  const [atLeast, atMost] = [["resent"], ["resent", "either"]].map((kinds) =>
    [...network.ends].filter(([request, ends]) =>
      ends.slice(0, network.sent.get(request)! - 1)
        .some((end) => kinds.includes(end))
    ).length
  );
  const { resent } = report;
  assert(resent >= atLeast && resent <= atMost, `${resent} resent`);
}

test(`a run ends and its report is the truth, in ${SCHEDULES} schedules of what can go wrong`, async () => {
  await fc.assert(fc.asyncProperty(schedules, simulate), {
    numRuns: SCHEDULES,
  });
});
