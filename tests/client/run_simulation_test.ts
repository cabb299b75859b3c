// The client's run in a made-up network: schedules of delays, cuts, refusals,
// hangs, wrong, early and doubled answers, a full pipe and Ctrl-C. A failure
// prints its seed, and the schedule shrunk to the shortest.

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { parseFlags } from "../../lib/cli/flags.ts";
import { clientCommand, type ClientOptions } from "../../lib/client/options.ts";
import { createReport } from "../../lib/client/report.ts";
import { type Outcome, Run } from "../../lib/client/run.ts";
import type { Peer } from "./_simulated_connection.ts";
import { Network } from "./_simulated_network.ts";
import { pureTest as test } from "../../harness/tests.ts";

const SCHEDULES = 10_000;
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
    "hang",
  ),
  greeting: mostly(false, true),
  latency: fc.constantFrom(0, 1, 20, 300),
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
  rate: fc.option(fc.constantFrom(3, 20, 1000)),
  timeout: fc.constantFrom(0.2, 1, 3),
  retries: fc.integer({ min: 0, max: 4 }),
  message: fc.constantFrom("Message {i}", "{i}", "{i}0", "{i} and {i}"),
  peers: fc.array(peers, { minLength: 1, maxLength: 6 }),
  /** Nothing can be printed from here on, for this long. */
  full: fc.option(fc.record({ at: fc.nat(2000), lasts: fc.nat(2000) })),
  interruptAt: fc.option(fc.nat(5000)),
});

type Schedule = typeof schedules extends fc.Arbitrary<infer T> ? T : never;

async function simulate(schedule: Schedule): Promise<void> {
  const { peers, full, interruptAt, rate, ...rest } = schedule;
  const options: ClientOptions = {
    ...parseFlags(clientCommand, []),
    ...rest,
    rate: rate ?? undefined,
    timeout: rest.timeout * 1000,
  };
  const { count, connections, message } = options;
  const network = new Network({
    peers,
    texts: Array.from(
      { length: count },
      (_, index) => message.replaceAll("{i}", String(index + 1)),
    ),
    window: options.window!,
    lines: options.batch > 1,
    timeout: rest.timeout,
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
  assertEquals(gaveUp, !network.done && !network.stopped);
  const most = Math.min(connections, count);
  if (gaveUp) assertEquals(notices.length, most - 1, "some went on");
  else assert(notices.length < most);

  // The report is the truth.
  const report = createReport(counters, options, outcome.stopped);
  const endedAt = doneAt ?? network.now();
  const milliseconds = endedAt - network.openedAt || 0;
  assertEquals(report.seconds, Number((milliseconds / 1000).toFixed(3)));
  const resent = [...network.sent.values()].filter((times) => times > 1);
  assertEquals(
    {
      sent: report.sent,
      answered: report.answered,
      missing: report.missing,
      invalid: report.invalid,
      overtaken: report.overtaken,
      resent: report.resent,
      opened: report.connections + report.reconnects,
      ok: report.ok,
    },
    {
      sent: network.sent.size,
      answered: network.answered.size,
      missing: count - network.answered.size,
      invalid: network.invalid,
      overtaken: network.overtaken.size,
      resent: resent.length,
      opened: network.opened,
      ok: network.answered.size === count && network.invalid === 0 &&
        network.overtaken.size === 0,
    },
  );
  assertEquals(printed.size, network.answered.size);
  assertEquals(counters.answered, network.answered.size);

  // Nothing is left behind.
  assertEquals(network.timers.size, 0, "a timer is left behind");
  for (const connection of network.connections) {
    const { state, closing, onopen, onmessage, onclose } = connection;
    assert(state === "closed" || closing, "a connection is left open");
    assertEquals([onopen, onmessage, onclose], [null, null, null]);
  }
}

test(`a run ends and its report is the truth, in ${SCHEDULES} schedules of what can go wrong`, async () => {
  await fc.assert(fc.asyncProperty(schedules, simulate), {
    numRuns: SCHEDULES,
  });
});
