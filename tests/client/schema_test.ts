// docs/report.schema.json is what the client writes.

import { assertEquals } from "@std/assert";
import { run, runClient, task } from "../../harness/process.ts";
import { test, withServer } from "../../harness/helpers.ts";
import SCHEMA from "../../docs/report.schema.json" with { type: "json" };
import { withLiar } from "./_client.ts";

async function validator() {
  const { Ajv2020 } = await import("npm:ajv@8.20.0/dist/2020.js");
  const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true });
  ajv.addFormat("date-time", {
    validate: (text: string) => new Date(text).toISOString() === text,
  });
  const validate = ajv.compile(SCHEMA);
  return (report: unknown, what: string) => {
    validate(report);
    assertEquals(validate.errors ?? [], [], what);
  };
}

const USUAL = ["--count=300"];
const ALL = [
  ...["--count=300", "--connections=3", "--rate=600", "--interval=100ms"],
  ...["--fail-if=p50>0ms", "--duration=10s", "--ramp=50ms", "--window=5"],
];

test("reports of an honest server are as the schema says", async () => {
  const assertValid = await validator();
  await withServer({}, async (url) => {
    for (const args of [USUAL, ALL]) {
      const { stdout } = await runClient(url, "--json", ...args);
      assertValid(JSON.parse(stdout), args.join(" "));
    }
  });
});

test("reports of a lying server, and of none, are as the schema says", async () => {
  const assertValid = await validator();
  await withLiar(
    (socket, request, nth) => {
      if (nth === 10) socket.send("surplus");
      if (nth === 40) return socket.close(1011, "gone");
      if (nth !== 20) socket.send(`${request} 7`);
    },
    async (url) => {
      const args = ["--count=100", "--timeout=300ms", "--retries=2"];
      const { stdout } = await runClient(url, "--json", ...args);
      assertValid(JSON.parse(stdout), "of a liar");
    },
  );
  const { stdout } = await runClient("--json", "--retries=0", "127.0.0.1:1");
  assertValid(JSON.parse(stdout), "of nobody");
});

test("the end of --json-stream and the report of merge are as the schema says", async () => {
  const assertValid = await validator();
  await withServer({}, async (url) => {
    const { stdout } = await runClient(url, "--json-stream", ...ALL);
    const { event, ...report } = JSON.parse(
      stdout.trimEnd().split("\n").at(-1)!,
    );
    assertEquals(event, "end");
    assertValid(report, "of the stream");
    const file = await Deno.makeTempFile();
    await Deno.writeTextFile(file, JSON.stringify(report));
    const merged = await run([...task("merge"), "--json", file]);
    assertValid(JSON.parse(merged.stdout), "of merge");
    await Deno.remove(file);
  });
});
