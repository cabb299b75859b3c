import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Command } from "../../lib/cli/flags.ts";
import { helpText } from "../../lib/cli/help.ts";
import { clientCommand, demoCommand } from "../../lib/client/options.ts";
import { serverCommand } from "../../lib/server/options.ts";
import README from "../../README.md" with { type: "text" };
import CLIENT from "../../docs/client.md" with { type: "text" };
import OPERATING from "../../docs/operating.md" with { type: "text" };
import { pureTest as test } from "../../harness/tests.ts";

test("the help names every option with its default", () => {
  for (const command of [serverCommand, clientCommand, demoCommand]) {
    const help = helpText(command as Command);
    for (const [name, flag] of Object.entries((command as Command).flags)) {
      const option = name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
      assertMatch(help, new RegExp(flag.positional ? name : `--${option}`));
      if (flag.default !== undefined) {
        assert(help.includes(`[default: ${flag.default}`), name);
      }
    }
    assertMatch(help, /--help/);
    assertMatch(help, /--version/);
  }
});

test("the help fits 80 columns", () => {
  for (const command of [serverCommand, clientCommand, demoCommand]) {
    for (const line of helpText(command as Command).split("\n")) {
      assert(line.length <= 80, line);
    }
  }
});

test("the manuals have the help as it is", () => {
  assert(CLIENT.includes(helpText(clientCommand)), "docs/client.md is stale");
  assert(
    OPERATING.includes(helpText(serverCommand)),
    "docs/operating.md is stale",
  );
});

test("the README's options are as the help has them", () => {
  const blocks: [Command, number][] = [[serverCommand, 8], [clientCommand, 12]];
  for (const [command, count] of blocks) {
    const block = new RegExp(
      `^ws-random ${command.name} .*\\[options\\]\n\n([^]*?)^\`\`\``,
      "m",
    ).exec(README);
    const rows = block![1].split(/^(?= {2}(?:-\w,| {3}) --)/m);
    assertEquals(rows.length, count);
    for (const row of rows) assert(helpText(command).includes(row), row);
  }
});
