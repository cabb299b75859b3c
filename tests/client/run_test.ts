// The client's run in a made-up network, by small schedules that are written out:
// when it sends what, on which connection, and when it ends.

import { assert, assertEquals } from "@std/assert";
import { parseFlags } from "../../lib/cli/flags.ts";
import { clientCommand, type ClientOptions } from "../../lib/client/options.ts";
import { createReport } from "../../lib/client/report.ts";
import { type Outcome, Run } from "../../lib/client/run.ts";
import type { Peer } from "./_simulated_connection.ts";
import { Network } from "./_simulated_network.ts";
import { pureTest as test } from "../../harness/tests.ts";

const HONEST: Peer = {
  ...{ opening: "accept", greeting: false, latency: 20, acts: ["answer"] },
  ...{ cut: null, answersClose: true },
};

interface Played {
  /** The first connection is with the first of them, and so on, and again. */
  peers?: Partial<Peer>[];
  options?: Partial<ClientOptions>;
  /** How late each timer is, in milliseconds. */
  late?: number;
  /** What happens to the run, and when. */
  at?: Record<number, (run: Run, network: Network) => void>;
}

/** A run from its start to its end, of ten requests where nothing else is said. */
async function play(
  { peers = [{}], options: given, late = 0, at = {} }: Played,
) {
  const options: ClientOptions = {
    ...parseFlags(clientCommand, []),
    ...{ count: 10, window: 1000, timeout: 3000 },
    ...given,
  };
  const { message, rate = null, duration = null, timeout, unordered } = options;
  const texts = Array.from(
    { length: Math.min(options.count ?? 1000, 1000) },
    (_, index) => message.replaceAll("{i}", String(index + 1)),
  );
  const network = new Network({
    peers: peers.map((peer) => ({ ...HONEST, ...peer })),
    ...{ texts, unordered, timeout, rate, duration },
    window: options.window!,
    lines: options.batch > 1,
    together: options.connections,
    step: options.ramp / options.connections,
  });
  const after = network.after.bind(network);
  network.after = (milliseconds, act) => after(milliseconds + late, act);
  const told: unknown[] = [];
  const printed: string[] = [];
  const run = new Run(options, {
    onResponse: (response) => printed.push(response),
    onGivenUp: (reason) => told.push(["given up", reason]),
    onStart: () => told.push(["start", network.now()]),
    onBreak: (end) => told.push(["break", end]),
    onInterval: ({ toMs, answered }, index) =>
      told.push(["interval", index, toMs, answered]),
  }, network);
  for (const [time, act] of Object.entries(at)) {
    network.schedule(Number(time), () => act(run, network));
  }
  let outcome: Outcome | undefined;
  run.start().then((result) => outcome = result);
  for (let steps = 0; !outcome; steps++) {
    assert(steps < 10_000, "the run does not end");
    network.step();
    await Promise.resolve();
  }
  assertEquals(network.timers.size, 0);
  const report = createReport(run.counters, options, outcome.stopped);
  const endedAt = network.now();
  return { network, run, outcome, told, printed, report, endedAt };
}

function stop(run: Run, network: Network): void {
  network.stopped = true;
  run.stop();
}

/** When each request was first sent, the first of them at 0. */
const sentAt = (network: Network) =>
  [...network.sentAt.values()].map((at) => at - network.openedAt);

test("Run ends when its connections have closed, and waits no longer than 300 ms", async () => {
  const { outcome, report, told, printed, endedAt } = await play({});
  assertEquals(printed, Array.from(printed, (_, i) => `Message ${i + 1} 7`));
  assertEquals(printed.length, 10);
  assertEquals(outcome, { stopped: false, failure: undefined });
  assertEquals(told, [["start", 20]]);
  assertEquals([report.seconds, report.startedAt], [
    ...[0.04, new Date(1e12 + 20).toISOString()],
  ]);
  // It listens, for a millisecond at most, and closes.
  assert(endedAt > 60 + 20 && endedAt <= 60 + 21, `${endedAt}`);
  const deaf = await play({ peers: [{ answersClose: false }] });
  assertEquals(deaf.endedAt, 20 + 40 + 300);
  assertEquals(deaf.outcome.stopped, false);
});

test("Run counts what comes with the last response", async () => {
  const acts: Peer["acts"] = [...new Array(9).fill("answer"), "twice"];
  const { report } = await play({ peers: [{ acts }] });
  assertEquals([report.answered, report.invalid], [10, 1]);
});

test("Run opens all connections at once, or evenly over the ramp", async () => {
  const begun = async (ramp: number) => {
    const peers = [{ latency: 1000 }];
    const options = { connections: 4, ramp };
    const { network } = await play({ peers, options });
    return network.connections.map(({ begunAt }) => begunAt);
  };
  assertEquals(await begun(0), [0, 0, 0, 0]);
  assertEquals(await begun(200), [0, 50, 100, 150]);
  const { network } = await play({ options: { connections: 4, ramp: 1000 } });
  assertEquals(network.connections.length, 1); // it was done before the second
});

test("Run tells its server without a password, and the proxy", () => {
  const url = new URL("ws://me:secret@host/");
  const options = { ...parseFlags(clientCommand, []), url };
  const listener = { onResponse() {}, onGivenUp() {} };
  const network = new Network({
    ...{ peers: [HONEST], texts: [], window: 1, lines: false, step: 0 },
    together: 1,
    ...{ unordered: false, timeout: 1, rate: null, duration: null },
  });
  const { settings } = new Run(options, listener, network);
  assertEquals(settings.url, "ws://me:***@host/");
  const proxy = "http://proxy (HTTP_PROXY)";
  const through = Object.assign(network, { proxy });
  assertEquals(
    new Run(options, listener, through).settings.url,
    `ws://me:***@host/ through the proxy ${proxy}`,
  );
});

test("Run looks after a short timeout as often as after a long one", async () => {
  for (const [timeout, most] of [[200, 220], [1000, 1100], [9000, 9500]]) {
    const peers: Partial<Peer>[] = [{ acts: ["hang"] }];
    const options = { timeout, retries: 0 };
    const { network, report } = await play({ peers, options });
    const waited = network.breaks[0].at - network.openedAt;
    assert(waited >= timeout && waited <= most, `${waited} ms of ${timeout}`);
    assertEquals([report.lost, report.gaveUp], [10, 1]);
  }
});

test("Run paces requests over its connections in turn", async () => {
  const options = { connections: 3, rate: 20, count: 9 };
  const { network, report } = await play({ options });
  assertEquals(sentAt(network), [0, 50, 100, 150, 200, 250, 300, 350, 400]);
  assertEquals(report.lateMs?.max, 0);
  assertEquals(network.connections.map(({ received }) => received), [3, 3, 3]);
});

test("Run looks at most once a millisecond whether a request is due", async () => {
  const options = { rate: 100_000, count: 300 };
  const { network } = await play({ options });
  assertEquals(sentAt(network).at(-1), 3);
  assertEquals(new Set(sentAt(network)), new Set([0, 1, 2, 3]));
});

test("Run sends what a broken connection gives back by another at once", async () => {
  const { network, told, report } = await play({
    peers: [
      { acts: ["drop"], cut: { after: 150, code: 1001 } },
      { acts: ["drop"], cut: { after: 250, code: 1001 } },
      { acts: ["answer"] },
      { opening: "hang" },
    ],
    options: { connections: 3, count: 30 },
  });
  const [first, second] = [170, 270].map((at) => ({
    ...{ at, reason: "closed with 1001", inFlight: 10 },
  }));
  assertEquals(told.slice(1), [["break", first], ["break", second]]);
  assertEquals(report.breaks.map(({ atMs }) => atMs), [150, 250]);
  assertEquals([report.answered, report.resent, report.lost], [30, 20, 0]);
  // By the other connection, while the broken ones wait to be replaced.
  const answers = [...network.answeredAt.values()];
  assertEquals([answers[19], answers[29]], [170 + 40, 270 + 40]);
});

test("Run looks once for what to send, however many connections broke together", async () => {
  const looks = async (connections: number) => {
    let before = 0;
    let after = 0;
    await play({
      peers: [
        ...new Array(connections).fill({
          ...{ acts: ["drop"], cut: { after: 50, code: 1001 } },
        }),
        HONEST,
      ],
      options: { connections, count: connections },
      at: {
        65: (_, { timers }) => before = timers.size,
        70: (_, network) => {
          network.schedule(0, () => after = network.timers.size);
        },
      },
    });
    return after - before - connections; // each will be replaced
  };
  assertEquals([await looks(2), await looks(20)], [1, 1]);
});

test("Run sends what comes due by another connection while one is broken", async () => {
  const { network, report } = await play({
    peers: [{ cut: { after: 110, code: 1001 } }, HONEST, { opening: "hang" }],
    options: { connections: 2, rate: 20, count: 8 },
  });
  assertEquals(report.lateMs?.max, 0);
  assertEquals(network.answered.size, 8);
});

test("Run goes on with the other connections where one gives up, and tells it", async () => {
  const { outcome, told, report, run } = await play({
    peers: [HONEST, { opening: "404" }],
    options: { connections: 2 },
    at: { 21: ({ open }) => assertEquals(open, 1) },
  });
  assertEquals([report.ok, outcome.failure], [true, undefined]);
  assertEquals([report.gaveUp, report.connections], [1, 1]);
  const [[what, reason]] = told.slice(-1) as [string, string][];
  assertEquals(what, "given up");
  assert(reason.includes("404 Not Found"));
  assertEquals(run.open, 0);
});

test("Run gives the requests of a connection that gave up to another", async () => {
  const { report } = await play({
    peers: [{ cut: { after: 10, code: 1009 }, latency: 30 }, {}],
    options: { connections: 2, window: 6, count: 12 },
  });
  assertEquals([report.ok, report.gaveUp, report.resent], [true, 1, 6]);
});

test("Run fails when the last connection gives up, with its reason", async () => {
  const { outcome, told, report } = await play({
    peers: [{ opening: "404" }],
    options: { connections: 2 },
  });
  assertEquals(outcome.stopped, false);
  assert(outcome.failure?.includes("404"));
  assertEquals((told as string[][]).map(([what]) => what), ["given up"]);
  assertEquals([report.gaveUp, report.missing, report.seconds], [2, 10, 0]);
  assertEquals(report.startedAt, null);
  const { connections, reconnects, inFlight, batch } = report;
  assertEquals([connections, reconnects, inFlight, batch], [0, 0, 0, 0]);
});

test("Run counts the next request as missing where only the time was limited", async () => {
  const options = { count: undefined, duration: 2000, rate: 10 };
  const { report, outcome } = await play({
    peers: [{ cut: { after: 315, code: 1009 } }],
    options,
  });
  assert(outcome.failure?.includes("1009"));
  // Sent at 0, 100, 200, 300; the last was not answered.
  assertEquals([report.count, report.sent, report.missing], [4, 4, 1]);
  const unpaced = await play({
    peers: [{ cut: { after: 50, code: 1009 }, acts: ["answer", "hang"] }],
    options: { count: undefined, duration: 2000, window: 1 },
  });
  assertEquals([unpaced.report.answered, unpaced.report.count], [1, 3]);
  // With a count, all of them are.
  const counted = await play({
    peers: [{ cut: { after: 50, code: 1009 } }],
    options: { duration: 2000, rate: 10 },
  });
  assertEquals(counted.report.count, 10);
});

test("Run sends for as long as it is to, and waits for what is in flight", async () => {
  const options = { duration: 300, rate: 100, count: 1000 };
  const { network, report, outcome } = await play({ options });
  assertEquals([report.sent, report.missing, report.ok], [30, 0, true]);
  assertEquals(Math.max(...sentAt(network)), 290);
  assertEquals([report.seconds, outcome.stopped], [0.33, false]);
  const idle = await play({
    options: { duration: 300, rate: 100, count: 10 },
  });
  assertEquals([idle.report.sent, idle.report.seconds], [10, 0.13]);

  // Done when the time is over: it ends then.
  const slow = await play({ options: { duration: 300, rate: 1, count: 10 } });
  assertEquals([slow.report.sent, slow.report.seconds], [1, 0.3]);

  // A busy machine ends it late, and sends nothing meanwhile.
  const busy = await play({
    peers: [{ latency: 1 }],
    options: { duration: 300, window: 1, count: 1000 },
    late: 7,
  });
  assertEquals([Math.max(...sentAt(busy.network)), busy.report.ok], [
    298,
    true,
  ]);

  const silent = await play({
    peers: [{ acts: ["answer", "hang"] }],
    options: { duration: 100, timeout: 1000, window: 1, retries: 0 },
  });
  assertEquals(silent.report.missing, 1);
  assertEquals(silent.outcome.stopped, false);
});

test("Run counts as missing what came due while no connection was open", async () => {
  const { report } = await play({
    peers: [{ cut: { after: 155, code: 1001 } }, { opening: "hang" }],
    options: { duration: 300, rate: 100, count: 1000, timeout: 400 },
  });
  // Answered are those of 0 to 110 ms, due are those of 0 to 290 ms.
  assertEquals([report.answered, report.sent, report.count], [12, 16, 30]);
  assertEquals([report.missing, report.ok], [18, false]);
});

test("Run waits no longer than the timeout after its time", async () => {
  // The first is lost, and sent again after the time is over, in vain.
  const { report, outcome, network, endedAt } = await play({
    peers: [{ acts: ["drop"] }],
    options: { duration: 100, timeout: 1000, window: 1, retries: 9 },
  });
  assertEquals(outcome, { stopped: false });
  assertEquals([report.answered, report.missing], [0, 1]);
  assertEquals(endedAt - network.openedAt, 100 + 1000 + 2 * 50);
});

test("Run tells each interval as it ends, and the rest at the end", async () => {
  const options = { interval: 100, rate: 20, count: 8 };
  const { told, report, network } = await play({ options });
  assertEquals(told.slice(1), [
    ["interval", 0, 100, 2],
    ["interval", 1, 200, 2],
    ["interval", 2, 300, 2],
    ["interval", 3, 390, 2],
  ]);
  assertEquals(report.intervals.map(({ open }) => open), [1, 1, 1, 1]);
  assertEquals(report.intervals.map(({ latencyMs }) => latencyMs.max), [
    ...[40, 40, 40, 40],
  ]);
  assertEquals(network.openedAt, 20);
  // What came at the very end is told, and nothing if that was nothing.
  const even = await play({ options: { ...options, interval: 195 } });
  assertEquals(even.told.slice(1), [
    ...[["interval", 0, 195, 4], ["interval", 1, 390, 3]],
    ["interval", 2, 390, 1],
  ]);
  const whole = { interval: 300, duration: 300, rate: 1 };
  assertEquals((await play({ options: whole })).told.slice(1), [
    ["interval", 0, 300, 1],
  ]);
  const none = await play({ options: { count: 8, rate: 20 } });
  assertEquals(none.report.intervals, []);
});

test("Run tells in each interval what was sent again in it", async () => {
  const { report } = await play({
    peers: [{ cut: { after: 150, code: 1001 }, acts: ["drop"] }, HONEST],
    options: { interval: 100, window: 2, count: 4 },
  });
  assertEquals(report.resent, 2);
  const resent = report.intervals.map(({ resent }) => resent);
  assertEquals(resent.reduce((sum, n) => sum + n), 2);
  assertEquals(resent.slice(0, 1), [0]);
  assertEquals(report.intervals[1].open, 0);
});

test("Run sends nothing while it is paused", async () => {
  const { network, report } = await play({
    options: { rate: 20, count: 10 },
    at: { 130: (run) => run.pause(), 300: (run) => run.resume() },
  });
  assertEquals(sentAt(network), [
    0,
    50,
    100,
    ...[280, 280, 280],
    300,
    350,
    400,
    450,
  ]);
  assertEquals(report.lateMs?.max, 130);
  const fast = await play({
    options: { count: 10, window: 2 },
    at: { 30: (run) => run.pause(), 500: (run) => run.resume() },
  });
  assertEquals(sentAt(fast.network).slice(0, 4), [0, 0, 480, 480]);
});

test("Run ends at once when it is stopped, and has been stopped only before its end", async () => {
  const { outcome, report, endedAt, network } = await play({
    options: { rate: 20 },
    at: { 130: stop },
  });
  assertEquals([outcome, endedAt], [{ stopped: true }, 130]);
  assertEquals([report.sent, report.answered, report.missing], [3, 2, 8]);
  assertEquals([report.seconds, network.connections[0].closing], [0.11, true]);
  assertEquals(report.interrupted, true);
  const late = await play({ at: { 62: stop } });
  assertEquals([late.outcome, late.endedAt], [{ stopped: false }, 62]);
  assertEquals([late.report.ok, late.report.seconds], [true, 0.04]);
});

test("Run counts what waits at its end as a pause", async () => {
  const { report } = await play({
    peers: [{ acts: ["answer", "hang"] }],
    options: { rate: 20 },
    at: { 520: stop },
  });
  // Request 1 was answered 40 ms after the start, request 2 due 50 ms after it.
  assertEquals(report.pauses, [{ atMs: 50, ms: 450 }, { atMs: 0, ms: 40 }]);
  const unsent = await play({
    options: { rate: 20 },
    at: { 100: (run) => run.pause(), 520: stop },
  });
  assertEquals(unsent.report.pauses[0], { atMs: 100, ms: 400 });
});
