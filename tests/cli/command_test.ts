import { assertEquals, assertMatch } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { Process, run } from "../../harness/process.ts";
import { test, testOnLinux } from "../../harness/tests.ts";

/** Deno with all permissions, which runs a script in the project's folder. */
const evaluate = (script: string) => [
  ...[Deno.execPath(), "eval", "--no-check", "--no-lock", script],
];

test("runCommand() ends each failure with one line and its status", async () => {
  const { stdout, stderr } = await run(evaluate(`
    import { runCommand } from "./lib/cli/command.ts";
    import { UsageError } from "./lib/text.ts";
    const summary = "Do it.";
    const flags = { count: { default: 7, parse: Number, help: "how often" } };
    const command = { name: "do", summary, flags };
    const statuses = [];
    for (const [args, end] of [
      [["--count=3"], async ({ count }) => count],
      [["--help"], async () => 50],
      [["--version"], async () => 50],
      [["--cuont=3"], async () => 50],
      [[], () => Promise.reject(new UsageError("no file"))],
      [[], () => Promise.reject(new Error("disk full"))],
      [[], () => Promise.reject("broken")],
    ]) statuses.push(await runCommand(command, args, end));
    console.log(statuses.join(" "));
  `));
  const lines = stdout.trimEnd().split("\n");
  assertEquals(lines[0], "Do it.");
  assertMatch(stdout, /^Usage: ws-random do \[options\]$/m);
  assertEquals(lines.slice(-2), [
    ...[`ws-random ${config.version}`, "3 0 0 2 2 1 1"],
  ]);
  const [unknown, ...others] = stderr.trimEnd().split("\n");
  assertMatch(unknown, /^ws-random: .*--cuont.*; see ws-random do --help$/);
  assertEquals(others, [
    "ws-random: no file; see ws-random do --help",
    "ws-random: disk full",
    "ws-random: broken",
  ]);
});

testOnLinux(
  "onTermination() ends at a signal, and at another press at once",
  async () => {
    for (
      const [signal, status] of [["SIGINT", 130], ["SIGTERM", 143], [
        "SIGHUP",
        129,
      ]] as const
    ) {
      // The same press comes from several programs, half a second apart at most.
      await using process = new Process(evaluate(`
      import { onTermination } from "./lib/cli/command.ts";
      const times = [1000, 1500, 1500.1];
      performance.now = () => {
        console.log("pressed");
        return times.shift();
      };
      onTermination((status) => console.log("ends with", status));
      setInterval(() => {}, 1000);
      console.log("ready");
    `));
      await process.until(/ready/);
      process.kill(signal);
      await process.until(new RegExp(`ends with ${status}`));
      process.kill(signal);
      await process.until(/(?:pressed[^]*){2}/);
      process.kill(signal);
      assertEquals(await process.end(), status);
      assertEquals(process.stdout.match(/pressed/g)?.length, 3);
      assertEquals(process.stdout.match(/ends/g)?.length, 1);
    }
  },
);
