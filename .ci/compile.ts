/**
 * `deno task compile`: makes ./ws-random for this system, or for the one that
 * `--target` names. Deno takes any runtime that $DENORT_BIN names, also one of
 * another system or version, and says nothing; so what can be started here is.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";

function fail(message: string): never {
  console.error(`compile: ${message}`);
  Deno.exit(1);
}

const here = Deno.build.target;
const { target = here } = parseArgs(Deno.args, { string: ["target"] });
const denort = Deno.env.get("DENORT_BIN");
if (denort && target !== here) {
  fail(
    `DENORT_BIN is a runtime for ${here}; unset it to compile for ${target}`,
  );
}

const { code } = await new Deno.Command(Deno.execPath(), {
  args: [
    "compile",
    "--no-lock",
    "--quiet",
    "--no-prompt",
    "--allow-net",
    "--allow-read", // for --ca, --cert and --key
    "--allow-env=HOST,PORT,TERM",
    "--output=ws-random",
    ...Deno.args,
    "main.ts",
  ],
}).spawn().status;
if (code !== 0) Deno.exit(code);

if (target === here) {
  const binary = Deno.build.os === "windows" ? "ws-random.exe" : "ws-random";
  const { success } = await new Deno.Command(`./${binary}`, {
    args: ["--version"],
    stdout: "null",
    stderr: denort ? "null" : "inherit",
  }).spawn().status;
  if (!success) {
    await Deno.remove(binary);
    fail(
      denort
        ? `${denort} is not a runtime for Deno ${Deno.version.deno}; ` +
          "the one of .ci/denort is for deno@2.6.8 only"
        : "the binary does not start",
    );
  }
}
