// What the client sends, prints and reports.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { decodeFromCompressedBase64 } from "hdr-histogram-js";
import { Process, runClient, task } from "../../harness/process.ts";
import type { Report } from "../../lib/client/report.ts";
import { checkLines, report, withLiar } from "./_client.ts";
import { test, withServer } from "../../harness/helpers.ts";

test("10,000 responses on stdout, the report on stderr, exit 0", () =>
  withServer({}, async (url) => {
    const { code, stdout, stderr } = await runClient(url);
    assertEquals(code, 0, stderr);
    checkLines(stdout, 10_000);
    assertMatch(
      stderr,
      /^requests +10000 sent, 10000 answered, 0 missing, 0 lost, 0 inv/m,
    );
    assertMatch(stderr, /\n10000 of 10000 requests answered exactly once\n$/);
  }));

test("any count, window, number of connections and message", () =>
  withServer({}, async (url, { metrics }) => {
    const cases: [string[], number][] = [
      [["-n1"], 1],
      [["-n", "100", "-w", "1"], 100],
      [["-n", "7", "-c", "20"], 7],
      [["-n", "10k", "-c", "50", "-w", "32"], 10_000],
      [["-n", "50", "--message", "always the same"], 50],
      [["-n", "50", "--message={i} 🎲 {i} <{i}>"], 50],
      [["-n", "300", "--message", "{i}" + "x".repeat(2000)], 300],
    ];
    for (const [args, count] of cases) {
      const before = metrics.requests;
      const { code, sent, answered, missing, invalid } = await report(
        url,
        ...args,
      );
      assertEquals(
        { code, sent, answered, missing, invalid },
        { code: 0, sent: count, answered: count, missing: 0, invalid: 0 },
        args.join(" "),
      );
      assertEquals(metrics.requests - before, count);
    }
    const { stdout } = await runClient(url, "-n2", "--message={i}. {i}");
    assertMatch(stdout, /^1\. 1 \d+\n2\. 2 \d+\n$/);
  }));

test("--connections opens so many and shares the requests", () =>
  withServer({}, async (url, { metrics }) => {
    assertEquals((await report(url, "-n", "1000", "-c", "10")).code, 0);
    assertEquals(metrics.connections, 10);
  }));

test("--batch: the same proof with many requests in a message", async () => {
  await withServer({}, async (url, { metrics }) => {
    for (const args of ["-b 100", "-b 2 -w 1", "-b 7 -c 3", "-b 1000 -n 1"]) {
      const before = metrics.requests;
      const count = args.includes("-n") ? 1 : 5000;
      const { code, stdout, stderr } = await runClient(
        url,
        ...(args.includes("-n") ? args : `${args} -n ${count}`).split(" "),
      );
      assertEquals(code, 0, stderr);
      checkLines(stdout, count);
      assertEquals(metrics.requests - before, count);
    }
  });

  // Messages stay within 1,024 bytes, in UTF-8, and a long request goes alone.
  const sizes: number[] = [];
  const offers: (string | null)[] = [];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => {
      const asked = request.headers.get("sec-websocket-protocol");
      offers.push(asked);
      const upgraded = Deno.upgradeWebSocket(request, {
        protocol: asked ?? "",
      });
      upgraded.socket.onmessage = ({ data }) => {
        sizes.push(new TextEncoder().encode(data).length);
        upgraded.socket.send(data.replaceAll(/$/gm, " 7"));
      };
      return upgraded.response;
    },
  );
  const url = `ws://127.0.0.1:${server.addr.port}/`;
  assertEquals(
    (await report(url, "-n499", "-b400", "--message=é{i}")).code,
    0,
  );
  assert(
    sizes.every((size) => size <= 1024) && sizes.some((size) => size > 800),
  );
  const long = `--message=${"x".repeat(1100)}`;
  const { code, batch } = await report(url, "-n5", "-b500", long);
  assertEquals([code, batch], [0, 1]);
  assertEquals(offers, ["ws-random.lines", null]);
  assertEquals(sizes.slice(-5), new Array(5).fill(1100));
  await server.shutdown();
});

test("--batch needs the subprotocol, and requests without line breaks", () =>
  withLiar(() => {}, async (url) => {
    const refused = await runClient(url, "--batch=10");
    assertEquals(refused.code, 1);
    assertMatch(
      refused.stderr,
      /^ws-random: \S+: does not speak ws-random\.lines; leave out --batch\n$/,
    );
    const broken = await runClient(url, "--batch=10", "--message=a\nb");
    assertEquals(broken.code, 2);
    assertMatch(
      broken.stderr,
      /^ws-random: --message: has a line break[^\n]+\n$/,
    );
  }));

test("a --message over 1,024 bytes is warned of once", () =>
  withServer({}, async (url) => {
    const message = `--message=${"x".repeat(1025)}`;
    const { code, stderr } = await runClient(url, "-n3", "-w1", message);
    assertEquals(code, 0);
    assertEquals(
      stderr.match(/^ws-random: requests over 1024 bytes/gm)?.length,
      1,
    );
  }));

test("a window of 1 waits for each response", async () => {
  let unanswered = 0;
  let most = 0;
  await withLiar((socket, request) => {
    most = Math.max(most, ++unanswered);
    queueMicrotask(() => {
      unanswered--;
      socket.send(`${request} 1`);
    });
  }, async (url) => {
    assertEquals((await report(url, "-n", "100", "-w", "1")).code, 0);
  });
  assertEquals(most, 1);
});

test("--json prints the report alone", () =>
  withServer({}, async (url) => {
    const { code, stdout, stderr } = await runClient(
      url,
      "--json",
      "-n",
      "5000",
    );
    assertEquals([code, stderr], [0, ""]);
    const report: Report & { latencyHistogram?: string } = JSON.parse(stdout);
    assertEquals(report.url, url);
    assertEquals(report.sent, 5000);
    assertEquals(
      Object.keys(report.latencyMs).join(),
      "p50,p90,p99,p99.9,max",
    );
    const latencies = Object.values(report.latencyMs) as number[];
    assert(latencies[0] > 0);
    assertEquals(latencies, latencies.toSorted((a, b) => a - b));
    const shared = decodeFromCompressedBase64(report.latencyHistogram!);
    assertEquals(shared.totalCount, 5000);
    const { ok, count, answered, missing, connections, inFlight } = report;
    assertEquals(
      { ok, count, answered, missing, connections, inFlight },
      {
        ok: true,
        count: 5000,
        answered: 5000,
        missing: 0,
        connections: 1,
        inFlight: 1000,
      },
    );
    assertEquals(report.numbers.counts.length, 100);
    assertEquals(report.numbers.counts.reduce((sum, n) => sum + n), 5000);
    assertEquals(report.numbers.min, 1);
    assertEquals(report.numbers.max, 100);
    assert(report.numbers.pValue! > 1e-7);
  }));

test("--quiet prints no responses, --histogram draws the numbers", () =>
  withServer({}, async (url) => {
    const { code, stdout, stderr } = await runClient(url, "-q", "--histogram");
    assertEquals([code, stdout], [0, ""]);
    assertMatch(stderr, /│[▁-█┈]{50}\n/);
    assertMatch(stderr, /\n10000 of 10000 requests answered exactly once\n$/);
  }));

test("--fail-if ends with 3 where a limit is crossed and all else is well", () =>
  withServer({}, async (url) => {
    const limits = ["--fail-if=p99>1h", "--fail-if", "rate<1m"];
    const { code, stderr } = await runClient(url, "-q", ...limits);
    assertEquals(code, 3, stderr);
    assertMatch(
      stderr,
      /answered exactly once, but rate \S+ is under 1000000\n$/,
    );
    const kept = await runClient(url, "-q", limits[0]);
    assertEquals(kept.code, 0, kept.stderr);
    const wrong = await runClient(url, "--fail-if=p50=3");
    assertEquals(wrong.code, 2);
  }));

test("--duration sends for so long, and with --count whichever ends first", () =>
  withServer({}, async (url) => {
    const { code, count, sent, answered, seconds, durationMs } = await report(
      url,
      ..."-z 500ms --rate 100".split(" "),
    );
    assertEquals([code, count, answered, durationMs], [0, sent, sent, 500]);
    // Of 50 due, some may be late where the machine is.
    assert(sent > 5 && sent <= 50 && seconds < 60, `${sent} in ${seconds} s`);
    const few = await report(url, "-z1h", "-n5", "--ramp=50ms", "-c2");
    assertEquals([few.code, few.count, few.answered], [0, 5, 5]);
  }));

test("--interval prints a row for each, and --json-stream an object a line", () =>
  withServer({}, async (url) => {
    const args = [url, ..."-z 1s --rate 100 --interval 300ms".split(" ")];
    const { code, stdout, stderr } = await runClient(...args, "--json-stream");
    assertEquals([code, stderr], [0, ""]);
    const events = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
    const intervals = events.filter(({ event }) => event === "interval");
    assertEquals(events[0].event, "start");
    assertEquals(new Date(events[0].startedAt).toJSON(), events[0].startedAt);
    assertEquals(events.at(-1).event, "end");
    assertEquals(events.at(-1).intervals.length, intervals.length);
    assert(intervals.length >= 3);
    const rows = await runClient(...args, "-q");
    assertMatch(rows.stderr, /^ +seconds answered .*\n +0\.0-0\.\d +\d+ /);
    assertMatch(rows.stderr, /answered exactly once\n$/);
  }));

test("--json-stream tells a break when it happens", () =>
  withLiar((socket, request, nth) => {
    if (nth < 3) socket.send(`${request} 7`);
    else socket.close(1011, "enough");
  }, async (url) => {
    const { stdout } = await runClient(url, "--json-stream", "-n5", "-w1");
    const events = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
    const [, { event, atMs, reason, inFlight }] = events;
    assertEquals([event, reason, inFlight], [
      "break",
      "closed with 1011: enough",
      1,
    ]);
    assert(atMs > 0);
  }));

test("--rate spaces the requests evenly, over all connections", async () => {
  const times: number[] = [];
  await withLiar((socket, request, nth) => {
    times.push(performance.now());
    socket.send(`${request} ${nth % 100 + 1}`);
  }, async (url) => {
    const args = ["-n", "600", "-c", "3", "--rate", "300"];
    const { code, seconds } = await report(url, ...args);
    assertEquals(code, 0);
    // The last of 600 is due after 599/300 s. That none is late but by the machine
    // is for the simulation to tell.
    assert(seconds > 1.99, `${seconds} s`);
  });
  // In each half of the time half of the requests.
  const middle = (times[0] + times.at(-1)!) / 2;
  const early = times.filter((time) => time < middle).length;
  assert(early > 200 && early < 400, `${early} of 600 in the first half`);
});

test("a usage error is one line and exit 2", async () => {
  for (const args of [["--count", "none"], ["--nonsense"], ["not a url"]]) {
    const { code, stdout, stderr } = await runClient(...args);
    assertEquals([code, stdout], [2, ""]);
    assertMatch(stderr, /^ws-random: [^\n]+; see ws-random client --help\n$/);
    assert(stderr.includes(args.at(-1)!));
  }
});

test("the responses of a slow run come as they are received", () =>
  withServer({}, async (url) => {
    await using client = new Process([
      ...task("client"),
      url,
      ..."--count 1000 --rate 1".split(" "),
    ], { stderr: "null" });
    await client.until(/^Message 1 \d+\n$/); // not held until a chunk is full
    await client.until(/\nMessage 2 \d+\n$/);
  }));
