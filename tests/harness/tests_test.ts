// The time limit of a test, in a `deno test` of its own.

import { assertEquals, assertMatch } from "@std/assert";
import { ROOT, run } from "../../harness/process.ts";
import { test } from "../../harness/helpers.ts";

/** Runs a test with a limit of half a second. */
async function runTest(body: string) {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(
    `${folder}/a_test.ts`,
    `import { test } from "${ROOT}harness/tests.ts";
    test("it", ${body}, { limit: 0.5 });
    test("another", () => {});`,
  );
  const command = "test --quiet --no-check -A".split(" ");
  const result = await run([Deno.execPath(), ...command, folder], {
    env: { NO_COLOR: "1", TEST_SECONDS: "" },
  });
  await Deno.remove(folder, { recursive: true });
  return result;
}

test("test() lets a test within its limit pass", async () => {
  const { code, stdout } = await runTest("() => {}");
  assertEquals(code, 0, stdout);
  assertMatch(stdout, /^ok \| 2 passed/m);
});

test("test() fails a test that hangs, and goes on with the next", async () => {
  const { code, stdout } = await runTest("() => new Promise(() => {})");
  assertEquals(code, 1, stdout);
  assertMatch(stdout, /^it \.\.\. FAILED/m);
  assertMatch(stdout, /Error: it has not ended in 0\.5 s/);
  assertMatch(stdout, /^FAILED \| 1 passed \| 1 failed/m);
});

test("test() ends a test that loops without end, by its name", async () => {
  const { code, stdout, stderr } = await runTest("() => { for (;;); }");
  assertEquals(code, 130, stdout);
  assertMatch(
    stderr,
    /^"it" lets no timer fire, and has not ended in 0\.625 s/m,
  );
  assertMatch(stdout + stderr, /tests were pending:\n\nit => /);
});
