// The client at a terminal and in a pipe: Ctrl-C, writes that fail, the progress
// bar, and text from outside.

import { assertEquals, assertMatch } from "@std/assert";
import {
  NO_PERMISSIONS,
  Process,
  run,
  runClient,
  task,
} from "../harness/process.ts";
import { checkLines } from "./client_helpers.ts";
import { withServer } from "./helpers.ts";

const ignore = NO_PERMISSIONS;

Deno.test(
  "Ctrl-C: the report so far, exit 130",
  { ignore },
  () =>
    withServer({}, async (url) => {
      await using client = new Process([
        ...task("client"),
        url,
        ..."--count 1m --rate 1000".split(" "),
      ], { stderr: "piped" });
      await client.until(/^Message 100 /m);
      client.kill("SIGINT");
      const [code, stderr] = await Promise.all([client.end(), client.stderr()]);
      assertEquals(code, 130);
      const [, answered] =
        /\ninterrupted: (\d+) of 1000000 requests answered\n$/.exec(stderr)!;
      checkLines(client.stdout, Number(answered));
    }),
);

Deno.test(
  "client | head -3: a quiet end",
  { ignore },
  () =>
    withServer({}, async (url) => {
      const command = [...task("client"), url, "--count", "1m"].join(" ");
      const { code, stdout, stderr } = await run([
        "sh",
        "-c",
        `${command} | head -3`,
      ]);
      assertEquals([code, stderr], [0, ""]);
      assertMatch(stdout, /^Message 1 \d+\nMessage 2 \d+\nMessage 3 \d+\n$/);
    }),
);

Deno.test("a progress bar on a terminal, none elsewhere", {
  ignore: ignore || Deno.build.os !== "linux",
}, () =>
  withServer({}, async (url) => {
    const command = [...task("client"), url, "-q", "--rate=200", "-n50"].join(
      " ",
    );
    const terminal = await run(["script", "-qec", command, "/dev/null"]);
    assertEquals(terminal.code, 0, terminal.stdout);
    assertMatch(terminal.stdout, /[█░]{30} \d+\/50/);
    const plain = await runClient(url, "-q", "--rate=200", "-n50");
    assertEquals(/[█░]/.test(plain.stderr), false);
  }));
