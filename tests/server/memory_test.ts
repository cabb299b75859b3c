import { assert, assertEquals } from "@std/assert";
import { defaults } from "../../lib/cli/flags.ts";
import { memoryLimit } from "../../lib/server/memory.ts";
import { serverCommand } from "../../lib/server/options.ts";
import { ROOT } from "../../harness/process.ts";
import { test } from "../../harness/helpers.ts";

const limit = (workers: number) =>
  memoryLimit(defaults(serverCommand), workers);

test("memoryLimit() is what docs/operating.md says, by formula and table", async () => {
  const text = await Deno.readTextFile(`${ROOT}docs/operating.md`);
  const { maxConnections, maxBacklog } = defaults(serverCommand);
  const rows = [...text.matchAll(/^\| +(\d) \| (\d+) MB \|$/gm)];
  assertEquals(rows.map(([, workers]) => Number(workers)), [1, 2, 4, 8]);
  for (const [, workers, megabytes] of rows) {
    assertEquals(Math.round(limit(Number(workers)) / 1e6), Number(megabytes));
  }
  const formula =
    /64 MB \+ connections × 161 kB \+ workers × \(32 MB \+ 3 × \(48 MiB \+ 3 × backlog\)\)/;
  assert(formula.test(text), "the formula");
  const waiting = 48 * 2 ** 20 + 3 * maxBacklog;
  const byHand = 64e6 + maxConnections * 161e3 + 32e6 + 3 * waiting;
  assert(Math.abs(limit(1) / byHand - 1) < 0.001, `${byHand}`);
});

test("MemoryMax of the units holds what four workers take, and a few messages", async () => {
  for (const unit of ["ws-random.service", "ws-random@.service"]) {
    const text = await Deno.readTextFile(`${ROOT}deploy/${unit}`);
    const gigabytes = Number(/^MemoryMax=(\d+)G$/m.exec(text)![1]);
    const left = gigabytes * 2 ** 30 - limit(4);
    assert(left > 5 * 135e6 && left < 15 * 135e6, `${unit} leaves ${left}`);
  }
});
