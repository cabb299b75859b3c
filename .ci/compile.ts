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

/** What a program says of its version; why it does not start, if it does not. */
async function firstWords(path: string): Promise<string> {
  try {
    const { stdout } = await new Deno.Command(path, {
      args: ["--version"],
      stderr: denort ? "null" : "inherit",
    }).output();
    return new TextDecoder().decode(stdout);
  } catch (error) {
    return String(error);
  }
}

const here = Deno.build.target;
const { target = here, help } = parseArgs(Deno.args, {
  string: ["target"],
  boolean: ["help"],
  alias: { help: "h" },
});
if (help) {
  console.log(
    "Usage: deno task compile [--target <system>] [options of deno compile]",
  );
  Deno.exit();
}
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
    "--allow-env=PORT,TERM,HTTP_PROXY,http_proxy,HTTPS_PROXY,https_proxy,ALL_PROXY,all_proxy,NO_PROXY,no_proxy",
    "--output=ws-random",
    ...Deno.args,
    "main.ts",
  ],
}).spawn().status;
if (code !== 0) Deno.exit(code);

if (target === here) {
  const binary = Deno.build.os === "windows" ? "ws-random.exe" : "ws-random";
  const said = await firstWords(`./${binary}`);
  if (!said.startsWith("ws-random ")) {
    await Deno.remove(binary);
    fail(
      denort
        ? `${denort} is not a runtime for Deno ${Deno.version.deno}; ` +
          "the one of .ci/denort is for deno@2.6.8 only"
        : "the binary does not start",
    );
  }
}
