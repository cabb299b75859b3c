import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { missing } from "../../harness/process.ts";
import { Metrics } from "../../lib/server/metrics.ts";
import { pureTest, test, testIf } from "../../harness/helpers.ts";

const MODULE = new URL("../../lib/server/metrics.ts", import.meta.url).href;

/** Tries to accept 200,000 connections, all workers at the same time. */
const WORKER = `
  import { Metrics } from "${MODULE}";
  self.onmessage = ({ data: { memory, gate, index, workers, most } }) => {
    const metrics = new Metrics(memory, index);
    Atomics.add(gate, 0, 1);
    while (Atomics.load(gate, 0) < workers);
    let accepted = 0;
    for (let i = 0; i < 200_000; i++) if (metrics.accept(most)) accepted++;
    self.postMessage(accepted);
  };`;

test("accept() never passes the limit when workers call it at once", async () => {
  const [workers, most] = [2, 300_000];
  const memory = Metrics.memory(workers);
  const gate = new Int32Array(new SharedArrayBuffer(4));
  const url = URL.createObjectURL(
    new Blob([WORKER], { type: "text/javascript" }),
  );
  const accepted = await Promise.all(
    Array.from(
      { length: workers },
      (_, index) =>
        new Promise<number>((resolve) => {
          const worker = new Worker(url, { type: "module" });
          worker.onmessage = ({ data }) => {
            worker.terminate();
            resolve(data);
          };
          worker.postMessage({ memory, gate, index, workers, most });
        }),
    ),
  );
  URL.revokeObjectURL(url);
  const metrics = new Metrics(memory);
  assertEquals(accepted[0] + accepted[1], most);
  assertEquals([metrics.open, metrics.connections], [most, most]);
});

pureTest("abandon() counts what a worker had open as closed with 1006", () => {
  const memory = Metrics.memory(2);
  const [first, second] = [new Metrics(memory, 0), new Metrics(memory, 1)];
  for (let i = 0; i < 5; i++) first.accept(10);
  for (let i = 0; i < 3; i++) second.accept(10);
  first.close(1000);
  second.close(1001);
  new Metrics(memory).abandon(1);
  new Metrics(memory).abandon(1); // nothing is left
  assertEquals([first.open, second.open], [4, 4]);
  assertEquals(first.closes(1006), 2);
  assertEquals(first.connections, 8);
});

pureTest("close() counts codes that RFC 6455 does not name together", () => {
  const metrics = new Metrics();
  for (const code of [3000, 4999, 999, 1016, 0]) {
    metrics.accept(10);
    metrics.close(code);
  }
  metrics.accept(10);
  metrics.close(1015);
  assertEquals([metrics.closes(4000), metrics.closes(1015)], [5, 1]);
  assertEquals(metrics.open, 0);
});

pureTest("Metrics are those of one worker unless it is told otherwise", () => {
  assertEquals(new Metrics().workers, 1);
  assertEquals(new Metrics(Metrics.memory(3), 2).workers, 3);
});

pureTest("uptimeSeconds counts whole seconds", () => {
  const memory = Metrics.memory(1);
  const metrics = new Metrics(memory);
  assertEquals(metrics.uptimeSeconds, 0);
  new Float64Array(memory)[0] -= 5_000_500; // as if started so long before
  assertEquals(metrics.uptimeSeconds, 5000);
});

pureTest(
  "Metrics prints each sample once, below the type of its family",
  () => {
    const metrics = new Metrics();
    metrics.accept(10);
    metrics.refuse("origin");
    metrics.close(1000);
    metrics.answer(3, 40);
    metrics.receive(30);
    let family = "";
    const samples: string[] = [];
    for (const line of String(metrics).split("\n")) {
      const [, name] = /^# TYPE (\w+) (?:counter|gauge)$/.exec(line) ?? [];
      if (name) family = name;
      if (line.startsWith("# HELP")) {
        assertMatch(line, /^# HELP \w+ [A-Z1].*\.$/);
      }
      if (line.startsWith("#")) continue;
      assertMatch(line, new RegExp(`^${family}(\\{[^}]*\\})? [0-9.]+$`));
      samples.push(line.split(" ")[0]);
    }
    assertEquals(new Set(samples).size, samples.length);
    const text = `${metrics}\n`;
    for (
      const sample of [
        "connections_total 1",
        "connections_open 0",
        "requests_total 3",
        "received_bytes_total 30",
        "sent_bytes_total 40",
        'refusals_total{reason="origin"} 1',
        'refusals_total{reason="key"} 0',
        'closes_total{code="1000"} 1',
        'closes_total{code="other"} 0',
      ]
    ) assertStringIncludes(text, `\nws_random_${sample}\n`);
    const started = /^process_start_time_seconds (.*)$/m.exec(text)![1];
    assert(Math.abs(Number(started) - Date.now() / 1000) < 60, started);
    const memory = /^process_resident_memory_bytes (.*)$/m.exec(text)![1];
    assert(Number(memory) > 10e6 && Number(memory) < 10e9, memory);
  },
);

testIf(!missing("promtool", "--version"))(
  "Prometheus' own checker finds nothing wrong with the metrics",
  async () => {
    const child = new Deno.Command("promtool", {
      args: ["check", "metrics"],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(`${new Metrics()}\n`));
    await writer.close();
    const { code, stdout, stderr } = await child.output();
    const said = new TextDecoder().decode(
      new Uint8Array([...stdout, ...stderr]),
    );
    assertEquals([code, said], [0, ""]);
  },
);
