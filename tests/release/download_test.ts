// What the program's first run downloads.

import { assert, assertEquals } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { ROOT, run } from "../../harness/process.ts";
import { test } from "../../harness/helpers.ts";

/** Packages that a lock file names, without their versions. */
async function packagesOf(lock: string): Promise<string[]> {
  const { specifiers } = JSON.parse(await Deno.readTextFile(ROOT + lock));
  return Object.keys(specifiers)
    .map((specifier) => /^npm:(@?[^@]+)/.exec(specifier)![1]);
}

/** A folder for $DENO_DIR with every npm package of this one but these. */
async function denoDirWithout(packages: string[]): Promise<string> {
  const { stdout } = await run([Deno.execPath(), "info", "--json"]);
  const folder = await Deno.makeTempDir();
  await run(["cp", "-r", JSON.parse(stdout).npmCache, `${folder}/npm`]);
  for (const { name: registry } of Deno.readDirSync(`${folder}/npm`)) {
    for (const name of packages) {
      await run(["rm", "-r", `${folder}/npm/${registry}/${name}`]);
    }
  }
  return folder;
}

test("deno task demo needs no package that only tests use", async () => {
  const imports = Object.values(config.imports);
  const forTests = (await packagesOf("tests/deno.lock"))
    .filter((name) => !imports.some((at) => at.startsWith(`npm:${name}@`)));
  assert(forTests.includes("puppeteer-core"));
  const folder = await denoDirWithout(forTests);
  const { code, stderr } = await run(
    [Deno.execPath(), "task", "demo", "--count=5"],
    // Nothing can be downloaded.
    { env: { DENO_DIR: folder, HTTPS_PROXY: "http://127.0.0.1:9" } },
  );
  assertEquals(code, 0, stderr);
  assertEquals(
    (await packagesOf("deno.lock")).filter((name) => forTests.includes(name)),
    [],
  );
  await Deno.remove(folder, { recursive: true });
});
