import { assertEquals } from "@std/assert";
import { Metrics } from "../../lib/server/metrics.ts";
import { pureTest, test } from "../../harness/helpers.ts";

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
  assertEquals(first.get('closes_total{code="1006"}'), 2);
  assertEquals(first.connections, 8);
});
