// deploy/alerts.yml, by Prometheus' own checker and player.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Metrics } from "../../lib/server/metrics.ts";
import { missing, ROOT, run } from "../../harness/process.ts";
import { test, testIf } from "../../harness/helpers.ts";

const ALERTS = `${ROOT}deploy/alerts.yml`;

const testWithPrometheus = testIf(!missing("promtool", "--version"));

testWithPrometheus(
  "each alert is raised for the server that it is for, and no other",
  async () => {
    const folder = await Deno.makeTempDir();
    await Deno.copyFile(ALERTS, `${folder}/alerts.yml`);
    await Deno.copyFile(
      `${ROOT}tests/deploy/_alerts.yml`,
      `${folder}/test.yml`,
    );
    for (
      const [verb, file] of [["check", "alerts.yml"], ["test", "test.yml"]]
    ) {
      const command = ["promtool", verb, "rules", file];
      const { code, stdout, stderr } = await run(command, { cwd: folder });
      assertEquals(code, 0, stdout + stderr);
    }
    await Deno.remove(folder, { recursive: true });
  },
);

test("the alerts look at metrics that there are, and each is played", async () => {
  const alerts = await Deno.readTextFile(ALERTS);
  const played = await Deno.readTextFile(`${ROOT}tests/deploy/_alerts.yml`);
  const metrics = String(new Metrics());
  const names = alerts.match(/\b(?:ws_random|process)_\w+/g)!;
  assert(names.length > 5);
  for (const name of names) assertStringIncludes(metrics, `\n${name}`);
  for (const [, name] of alerts.matchAll(/alert: (\w+)/g)) {
    assertStringIncludes(played, `alertname: ${name}\n`);
  }
});

test("memory is told before the units' limit ends the server", async () => {
  const alerts = await Deno.readTextFile(ALERTS);
  const [, told] = /memory_bytes\S* > (\S+)/.exec(alerts)!;
  for (const unit of ["ws-random.service", "ws-random@.service"]) {
    const text = await Deno.readTextFile(`${ROOT}deploy/${unit}`);
    const [, most] = /^MemoryMax=(\d+)G$/m.exec(text)!;
    assert(Number(told) < Number(most) * 1e9, unit);
  }
});
