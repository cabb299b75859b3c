import { assert, assertEquals, assertMatch } from "@std/assert";
import { Durations } from "../../lib/client/time.ts";
import {
  mergeReports,
  readReports,
  type WrittenReport,
} from "../../lib/client/merge.ts";
import { run, runClient, task } from "../../harness/process.ts";
import { pureTest, test, withServer } from "../../harness/helpers.ts";

const merge = (...args: string[]) => run([...task("merge"), ...args]);

/** Three reports of clients at once, in files. */
async function withReports(
  use: (files: string[], reports: WrittenReport[]) => Promise<void>,
  ...args: string[]
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await withServer({}, async (url) => {
      const results = await Promise.all(
        [500, 600, 700].map((count) =>
          runClient(url, "--json", `--count=${count}`, ...args)
        ),
      );
      const files = results.map((_, i) => `${folder}/${i}.json`);
      for (const [i, { stdout }] of results.entries()) {
        await Deno.writeTextFile(files[i], stdout);
      }
      await use(files, results.map(({ stdout }) => JSON.parse(stdout)));
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

pureTest(
  "merge has each figure of the reports, added up or the greatest",
  async () => {
    const [first, second] = [
      await report(new Durations()),
      await report(new Durations()),
    ];
    const invalid = { request: 3, reason: "is odd", response: "?" };
    Object.assign(first, {
      ...{
        startedAt: "2026-01-01T00:00:02.000Z",
        url: "ws://a/",
        message: "{i}",
      },
      ...{ count: 10, sent: 10, answered: 10, window: 7, batch: 3, rate: 20 },
      ...{ connections: 2, durationMs: 500, inFlight: 4, seconds: 1.0004 },
      ...{ crossedLimits: ["late"], interrupted: true, gaveUp: 1 },
      lateMs: { p50: 1, p99: 2, max: 3 },
      lostRequests: [[1, 2]],
    });
    Object.assign(second, {
      ...{
        startedAt: "2026-01-01T00:00:00.000Z",
        url: "ws://b/",
        message: "x{i}",
      },
      ...{ count: 7, sent: 7, answered: 6, missing: 1, lost: 1, resent: 5 },
      ...{ invalid: 1, overtaken: 2, reconnects: 3, firstInvalid: invalid },
      ...{ subprotocol: "a.b", expect: "{i}", unordered: true, rate: 30 },
      handshakeMs: { p50: 1, p99: 1, max: 9 },
      lostRequests: [[5, 5]],
    });
    first.numbers.counts = new Array(100).fill(0).with(6, 10);
    second.numbers.counts = new Array(100).fill(0).with(6, 5).with(99, 1);
    const { latencyHistogram, numbers, ...merged } = await mergeReports([
      ...[first, second],
    ]);
    assertEquals(latencyHistogram, await new Durations().toBase64());
    const { min, max, mean, counts } = numbers;
    assertEquals([min, max, mean, counts[6]], [7, 100, 12.813, 15]);
    const none = { p50: null, p90: null, p99: null, "p99.9": null, max: null };
    assertEquals(merged, {
      ...{ ok: false, crossedLimits: ["late"], schema: 1, version: "1.0.0" },
      startedAt: "2026-01-01T00:00:00.000Z",
      ...{ url: "ws://a/, ws://b/", subprotocol: "a.b", message: "{i}, x{i}" },
      ...{ expect: "echo, {i}", unordered: true, count: 17, connections: 3 },
      ...{ window: 7, batch: 3, rate: 50, durationMs: 500, interrupted: true },
      ...{ sent: 17, answered: 16, missing: 1, lost: 1, invalid: 1 },
      ...{ overtaken: 2, resent: 5, gaveUp: 1, reconnects: 3, inFlight: 4 },
      ...{ missingRequests: [], lostRequests: [[1, 2], [5, 5]] },
      ...{ firstInvalid: invalid, breaks: [], pauses: [], intervals: [] },
      // The first began two seconds later, and took one.
      ...{ seconds: 3, perSecond: 5.3, longestPauseMs: null, latencyMs: none },
      lateMs: { p50: null, p99: null, max: 3 },
      handshakeMs: { p50: null, p99: null, max: 9 },
    });

    Object.assign(first, { rate: null, lateMs: null, subprotocol: null });
    Object.assign(second, { subprotocol: null, firstInvalid: null });
    const plain = await mergeReports([first, second]);
    assertEquals([plain.rate, plain.lateMs, plain.subprotocol], [
      ...[null, null, null],
    ]);
    assertEquals(plain.firstInvalid, null);
  },
);

pureTest(
  "merge of runs that never began has no start and no rate",
  async () => {
    const run = await report(new Durations());
    Object.assign(run, { startedAt: null, seconds: 0, ok: false });
    const { startedAt, seconds, perSecond } = await mergeReports([run, run]);
    assertEquals([startedAt, seconds, perSecond], [null, 0, 0]);
    const began = await report(new Durations());
    Object.assign(began, { answered: 5 });
    const some = await mergeReports([run, began]);
    assertEquals([some.startedAt, some.seconds], [began.startedAt, 1]);
    assertEquals(some.perSecond, 5);
  },
);

test("merge adds up the reports of three clients to one verdict", () =>
  withReports(async (files, reports) => {
    const text = await merge(...files);
    assertEquals([text.code, text.stderr], [0, ""]);
    assertMatch(
      text.stdout,
      /\n1800 of 1800 requests answered exactly once\n$/,
    );

    const { code, stdout } = await merge("--json", ...files);
    const merged: WrittenReport = JSON.parse(stdout);
    assertEquals(code, 0);
    assertEquals([merged.sent, merged.answered, merged.count], [
      1800,
      1800,
      1800,
    ]);
    assertEquals(merged.connections, 3);
    assertEquals(merged.numbers.counts.reduce((sum, n) => sum + n), 1800);
    const maxes = reports.map(({ latencyMs }) => latencyMs.max!);
    assertEquals(merged.latencyMs.max, Math.max(...maxes));
    const starts = reports.map(({ startedAt }) => Date.parse(startedAt!));
    assertEquals(Date.parse(merged.startedAt!), Math.min(...starts));
    assert(
      merged.seconds >= Math.max(...reports.map(({ seconds }) => seconds)),
    );

    // What was merged can be merged.
    await Deno.writeTextFile(`${files[0]}.all`, stdout);
    const again = await merge(`${files[0]}.all`);
    assertMatch(
      again.stdout,
      /\n1800 of 1800 requests answered exactly once\n$/,
    );
  }));

pureTest(
  "merge tells percentiles of all responses, not averages of percentiles",
  async () => {
    const whole = new Durations();
    const parts = [0, 1, 2].map(() => new Durations());
    for (let i = 1; i <= 3000; i++) {
      const milliseconds = i ** 2 / 1000;
      whole.add(milliseconds);
      parts[i % 10 === 0 ? 0 : i < 1500 ? 1 : 2].add(milliseconds);
    }
    const reports = await Promise.all(parts.map(report));
    const merged = await mergeReports(reports);
    assertEquals(merged.latencyMs, whole.percentiles());
    assertEquals(merged.latencyHistogram, await whole.toBase64());
  },
);

pureTest("merge aligns intervals, breaks and pauses by the clock", async () => {
  const first = await report(new Durations());
  const second = await report(new Durations());
  const interval = (
    n: number,
    answered: number,
    open: number,
    resent: number,
  ) => ({
    fromMs: n * 1000,
    toMs: n * 1000 + 1001,
    answered,
    latencyMs: { p50: 1, p90: 2, p99: 3, "p99.9": 4, max: answered },
    open,
    resent,
  });
  Object.assign(first, {
    startedAt: "2026-01-01T00:00:00.000Z",
    seconds: 3,
    intervals: [interval(0, 10, 1, 0), interval(1, 20, 1, 3)],
    breaks: [{ atMs: 1500, reason: "gone", inFlight: 3 }],
    pauses: [{ atMs: 1500, ms: 40 }],
    missingRequests: [[7, 7]],
    ok: false,
  });
  Object.assign(second, {
    startedAt: "2026-01-01T00:00:01.000Z",
    seconds: 2.5,
    intervals: [interval(0, 5, 2, 1), interval(1, 6, 2, 0)],
    breaks: [{ atMs: 100, reason: "closed", inFlight: 1 }],
    pauses: [{ atMs: 200, ms: 60 }],
  });
  const merged = await mergeReports([first, second]);
  assertEquals([merged.ok, merged.seconds], [false, 3.5]);
  assertEquals(merged.missingRequests, [[7, 7]]);
  assertEquals(merged.breaks.map(({ atMs }) => atMs), [1100, 1500]);
  assertEquals(merged.pauses, [{ atMs: 1200, ms: 60 }, { atMs: 1500, ms: 40 }]);
  assertEquals(merged.longestPauseMs, 60);
  const rows = merged.intervals.map((
    { answered, open, resent, latencyMs },
  ) => [answered, open, resent, latencyMs.p50, latencyMs.max]);
  assertEquals(merged.intervals.map(({ fromMs, toMs }) => [fromMs, toMs]), [
    ...[[0, 1001], [1001, 2002], [2002, 3003]],
  ]);
  assertEquals(rows, [
    [10, 1, 0, null, 10],
    [25, 3, 4, null, 20],
    [6, 2, 0, null, 6],
  ]);
});

pureTest("merge adds up two days of a second each", async () => {
  const day = await report(new Durations());
  const { latencyMs } = day;
  day.intervals = Array.from({ length: 86_400 }, (_, n) => ({
    ...{ fromMs: n * 1000, toMs: (n + 1) * 1000, answered: 1, latencyMs },
    ...{ open: 1, resent: 0 },
  }));
  const merged = await mergeReports([day, day]);
  assertEquals(merged.intervals.length, 86_400);
  assertEquals(merged.intervals[86_399].answered, 2);
});

test("readReports() takes a report of a run with faults", async () => {
  const path = await Deno.makeTempFile();
  const sound = await report(new Durations());
  const bad = { ...sound, count: 5, sent: 5, answered: 4, missing: 1 };
  await Deno.writeTextFile(path, JSON.stringify({ ...bad, ok: false }));
  assertEquals((await readReports([path]))[0].missing, 1);
  await Deno.remove(path);
});

test("merge refuses by name what it cannot add", () =>
  withReports(async ([file, other], [report]) => {
    const odd = `${file}.odd`;
    const cases: [string, string[], RegExp][] = [
      [
        "",
        [],
        /^ws-random: file: no report is named; see ws-random merge --help\n$/,
      ],
      ["", [file, other, file], /0\.json is the same report as .*0\.json;/],
      ["", [`${file}.none`], /^ws-random: cannot read .*0\.json\.none: /],
      [
        "no JSON",
        [file, odd],
        /\.odd is no report of ws-random client --json;/,
      ],
      ["null", [odd], /\.odd is no report of/],
      ['{"schema":2}', [odd], /\.odd has schema 2; this version reads 1;/],
      [
        JSON.stringify({ ...report, numbers: { counts: [1, 2] } }),
        [odd],
        /\.odd is not of numbers from 1 to 100;/,
      ],
      [
        JSON.stringify({ ...report, lost: 3 }),
        [odd],
        /\.odd contradicts itself; /,
      ],
      [
        JSON.stringify({ ...report, answered: 5 }),
        [odd],
        /\.odd contradicts itself; /,
      ],
      [
        JSON.stringify({ ...report, latencyHistogram: "x" }),
        [odd],
        /the report of 20\S+ has no latencyHistogram/,
      ],
    ];
    for (const [text, files, message] of cases) {
      await Deno.writeTextFile(odd, text);
      const { code, stdout, stderr } = await merge(...files);
      assertEquals([code, stdout, stderr.split("\n").length], [2, "", 2]);
      assertMatch(stderr, message);
    }
  }));

/** A report of a run with these latencies. */
async function report(latencies: Durations): Promise<WrittenReport> {
  return {
    ok: true,
    crossedLimits: [],
    schema: 1,
    version: "1.0.0",
    startedAt: "2026-01-01T00:00:00.000Z",
    url: "ws://a/",
    subprotocol: null,
    message: "{i}",
    expect: "echo",
    unordered: false,
    count: 0,
    connections: 1,
    window: null,
    batch: 1,
    rate: null,
    durationMs: null,
    interrupted: false,
    sent: 0,
    answered: 0,
    missing: 0,
    missingRequests: [],
    lost: 0,
    lostRequests: [],
    invalid: 0,
    firstInvalid: null,
    overtaken: 0,
    resent: 0,
    breaks: [],
    gaveUp: 0,
    reconnects: 0,
    inFlight: 1,
    seconds: 1,
    perSecond: 0,
    latencyMs: latencies.percentiles(),
    lateMs: null,
    handshakeMs: { p50: 1, p99: 1, max: 1 },
    longestPauseMs: null,
    pauses: [],
    intervals: [],
    numbers: {
      min: null,
      max: null,
      mean: null,
      chiSquare: null,
      pValue: null,
      uniform: "",
      counts: new Array(100).fill(0),
    },
    latencyHistogram: await latencies.toBase64(),
  };
}
