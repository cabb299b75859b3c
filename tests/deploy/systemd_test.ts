import { assert, assertEquals } from "@std/assert";
import { parseFlags } from "../../lib/cli/flags.ts";
import { serverCommand } from "../../lib/server/options.ts";
import { missing, Process, ROOT, run, task } from "../../harness/process.ts";
import { test, testIf, testOnLinux } from "../../harness/helpers.ts";

const UNITS = ["ws-random.service", "ws-random@.service"];

const read = (unit: string) => Deno.readTextFile(`${ROOT}deploy/${unit}`);

const testWithSystemd = testIf(!missing("systemd-analyze", "--version"));

testWithSystemd(
  "systemd finds nothing wrong with the units, nor with what they suggest",
  async () => {
    const folder = await Deno.makeTempDir();
    for (const unit of UNITS) {
      const path = `${folder}/${unit.replace("@", "@8001")}`;
      // The program need not be installed for this.
      const shipped = (await read(unit))
        .replace("/usr/local/bin/ws-random", "/bin/true");
      const suggested = shipped
        .replaceAll(/^#(?=LoadCredential=)/gm, "")
        .replace(/^ExecStart=.*/m, "$& --cert %d/cert.pem --key %d/key.pem")
        .replaceAll(/^(?:Ambient|CapabilityB).*=$/gm, "$&CAP_NET_BIND_SERVICE");
      for (const text of [shipped, suggested]) {
        await Deno.writeTextFile(path, text);
        const { code, stderr } = await run(["systemd-analyze", "verify", path]);
        assertEquals([code, stderr], [0, ""], unit);
      }
      assertEquals(suggested.match(/CAP_NET_BIND_SERVICE$/gm)?.length, 2);
      assertEquals(suggested.match(/^LoadCredential=/gm)?.length, 2);
    }
    await Deno.remove(folder, { recursive: true });
  },
);

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

test("systemd waits for longer than a server takes to stop", async () => {
  for (const unit of UNITS) {
    const text = await read(unit);
    const [, options] = text.match(/^ExecStart=\S+ server (.*)$/m)!;
    const args = options.replace("%i", "8001").split(" ");
    const { drainDelay, grace } = parseFlags(serverCommand, args);
    const seconds = Number(/^TimeoutStopSec=(\d+)$/m.exec(text)![1]);
    assert(seconds * 1000 > drainDelay + grace + 2000, unit);
  }
});
