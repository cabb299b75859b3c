import { assertEquals } from "@std/assert";
import { missing, Process, ROOT, run, task } from "../../harness/process.ts";
import { test, testIf, testOnLinux } from "../../harness/helpers.ts";

const UNITS = ["ws-random.service", "ws-random@.service"];

const read = (unit: string) => Deno.readTextFile(`${ROOT}deploy/${unit}`);

const testWithSystemd = testIf(!missing("systemd-analyze", "--version"));

testWithSystemd("systemd finds nothing wrong with the units", async () => {
  const folder = await Deno.makeTempDir();
  for (const unit of UNITS) {
    const path = `${folder}/${unit.replace("@", "@8001")}`;
    // The program need not be installed for this.
    const text = (await read(unit))
      .replace("/usr/local/bin/ws-random", "/bin/true");
    await Deno.writeTextFile(path, text);
    const { code, stderr } = await run(["systemd-analyze", "verify", path]);
    assertEquals([code, stderr], [0, ""], unit);
  }
  await Deno.remove(folder, { recursive: true });
});

test("the units differ in what they are for, and in nothing else", async () => {
  const [one, many] = await Promise.all(
    UNITS.map(async (unit) =>
      (await read(unit)).split("\n").filter((line) =>
        !/^(#|Description=|ExecStart=)/.test(line)
      )
    ),
  );
  assertEquals(one, many);
});

testOnLinux(
  "the commands of the units are ones that the server understands",
  async () => {
    for (const unit of UNITS) {
      const [, options] = (await read(unit))
        .match(/^ExecStart=\S+ server (.*)$/m)!;
      const args = options.replace(/--port \S+/, "--port 0").split(" ");
      await using server = new Process([...task("server"), ...args]);
      await server.until(/^Listening on /);
    }
  },
);
