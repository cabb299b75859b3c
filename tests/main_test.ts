// The command: which of its parts runs, and what it says of itself.

import { assert, assertEquals, assertMatch } from "@std/assert";
import config from "../deno.json" with { type: "json" };
import { mergeCommand } from "../lib/client/merge.ts";
import { clientCommand, demoCommand } from "../lib/client/options.ts";
import { serverCommand } from "../lib/server/options.ts";
import { run, task } from "../harness/process.ts";
import { test } from "../harness/tests.ts";

const [deno, ...permissions] = task("server").slice(0, -1);
const main = (args: string[], env: Record<string, string> = {}) =>
  run([deno, ...permissions, "main.ts", ...args], { env });

/** Runs it several times at once, and returns what is alike in all results. */
async function alike(...runs: string[][]) {
  const [first, ...others] = await Promise.all(runs.map((args) => main(args)));
  for (const result of others) assertEquals(result, first);
  return first;
}

const COMMANDS = [serverCommand, clientCommand, demoCommand, mergeCommand];

test("the help names each command and what it does", async () => {
  const ways = [["--help"], ["-h"], ["help"], ["help", "nothing"]];
  const { code, stdout, stderr } = await alike(...ways);
  assertEquals([code, stderr], [0, ""]);
  const [what, usage, more, ...others] = stdout.trimEnd().split("\n\n");
  assertEquals(others, []);
  assertMatch(what, /^A WebSocket server [^]*\nnumber from 1 to 100, .*\.$/);
  const [title, ...rows] = usage.split("\n");
  assertEquals(title, "Usage:");
  assertEquals(
    rows.map((row) => row.split(/ {2,}/).slice(1)),
    COMMANDS.map((
      { name, summary },
    ) => [`ws-random ${name} [options]`, summary]),
  );
  const column = rows[0].indexOf(serverCommand.summary);
  for (const [i, { summary }] of COMMANDS.entries()) {
    assertMatch(summary, /^[A-Z].*\.$/);
    assertEquals(rows[i].indexOf(summary), column, "in one column");
  }
  assertMatch(more, /without a command .* --help/i);
});

test("each command has a help of its own", async () => {
  await Promise.all(COMMANDS.map(async ({ name }) => {
    const ways = [[name, "--help"], ["help", name]];
    const { code, stdout } = await alike(...ways);
    assertEquals(code, 0);
    assertMatch(stdout, new RegExp(`^Usage: ws-random ${name}`, "m"));
  }));
});

test("--version tells the version of deno.json, whatever $PORT is", async () => {
  await Promise.all(["--version", "-V"].map(async (option) => {
    const { code, stdout } = await main([option], { PORT: "many" });
    assertEquals([code, stdout], [0, `ws-random ${config.version}\n`]);
  }));
});

test("without a command it is the server", async () => {
  const [none, option] = await Promise.all([
    main([], { PORT: "many" }),
    main(["--port=many"]),
  ]);
  assertEquals([none.code, option.code], [2, 2]);
  assertMatch(none.stderr, /^ws-random: \$PORT: "many" is not/);
  assertMatch(option.stderr, /^ws-random: --port: "many" is not/);
});

test("an unknown command is answered with the closest", async () => {
  const cases: [string, string][] = [
    ["serve", 'unknown command "serve"; did you mean server?'],
    ["start", 'unknown command "start"; see ws-random --help'],
  ];
  await Promise.all(cases.map(async ([command, message]) => {
    const { code, stdout, stderr } = await main([command]);
    assertEquals([code, stdout], [2, ""]);
    assertEquals(stderr, `ws-random: ${message}\n`);
  }));
});

test("demo is a server on a free port, and the client against it", async () => {
  const { code, stdout, stderr } = await run([...task("demo"), "-n", "500"]);
  assertEquals(code, 0, stderr);
  assertEquals(stdout.trimEnd().split("\n").length, 500);
  assertMatch(stderr, /500 of 500 requests answered exactly once/);
  const [, port] = /^Listening on http:\/\/127\.0\.0\.1:(\d+)\/$/m.exec(
    stderr,
  )!;
  assert(Number(port) >= 1024, port);
});
