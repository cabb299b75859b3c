// `deno task compile`, in a copy of the project, so that no other test loses the
// binary that it tests.

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  IN_CI,
  missing,
  type Result,
  ROOT,
  run,
} from "../../harness/process.ts";
import { freshDenoDir, testIf } from "../../harness/helpers.ts";

const test = testIf(!missing("cp", "--version"));

let folder: Promise<string> | undefined;

/** One copy for all tests, so that Deno checks its types once. */
async function copyProject(): Promise<string> {
  const folder = await Deno.makeTempDir();
  const sources = ["deno.json", "deno.lock", ".ci", "lib", "static"];
  for (const { name } of Deno.readDirSync(ROOT)) {
    if (name.endsWith(".ts")) sources.push(name);
  }
  await run(["cp", "-r", ...sources, folder]);
  return folder;
}

Deno.test.afterAll(async () => {
  if (folder) await Deno.remove(await folder, { recursive: true });
});

/** Compiles, with these variables; also tells what was made, and removes it. */
async function compile(
  args: string[],
  variables: Record<string, string>,
): Promise<Result & { made: string[] }> {
  const cwd = await (folder ??= copyProject());
  const before = list(cwd);
  const { DENORT_BIN: _, ...env } = Deno.env.toObject();
  const result = await run(
    [Deno.execPath(), "task", "--quiet", "compile", ...args],
    { cwd, clearEnv: true, env: { ...env, ...variables } },
  );
  const made = [...list(cwd).difference(before)];
  for (const name of made) await Deno.remove(`${cwd}/${name}`);
  return { ...result, made };
}

function list(folder: string): Set<string> {
  return new Set(Array.from(Deno.readDirSync(folder), ({ name }) => name));
}

test("compile --help tells its options, and makes nothing", async () => {
  const { code, stdout, stderr, made } = await compile(["--help"], {});
  assertEquals([code, stderr, made], [0, "", []]);
  assertMatch(stdout, /^Usage: deno task compile \[--target <system>\]/);
});

test("compile --target asks for the runtime of that system", async (t) => {
  const denoDir = await freshDenoDir();
  using proxy = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  (async () => {
    for await (const connection of proxy) connection.close();
  })();
  for (const target of ["aarch64-apple-darwin", "x86_64-pc-windows-msvc"]) {
    await t.step(target, async () => {
      const result = await compile(["--target", target], {
        DENO_DIR: denoDir,
        HTTPS_PROXY: `http://127.0.0.1:${proxy.addr.port}`,
      });
      assertEquals(result.code, 1, result.stderr);
      assertStringIncludes(
        result.stderr,
        `/v${Deno.version.deno}/denort-${target}.zip`,
      );
      assertEquals(result.made, []);
    });
  }
  await Deno.remove(denoDir, { recursive: true });
});

const OLD = Deno.version.deno.startsWith("2.6.");

// It is a download of 40 MB, of which other versions only tell that it does not fit.
const testWithDenort = testIf(
  Deno.build.target === "x86_64-unknown-linux-gnu" && (OLD || IN_CI) &&
    !missing(`${ROOT}.ci/denort`),
);

testWithDenort(
  "compile takes the runtime of .ci/denort with Deno 2.6 only",
  async (t) => {
    const denort = (await run([`${ROOT}.ci/denort`])).stdout.trim();
    await t.step("for this system", async () => {
      const result = await compile([], { DENORT_BIN: denort });
      if (OLD) {
        assertEquals([result.code, result.stderr], [0, ""]);
        assertEquals(result.made, ["ws-random"]);
      } else {
        assertEquals(result.code, 1);
        assertMatch(
          result.stderr,
          /^compile: \S+ is not a runtime for Deno .* deno@2\.6\.8 only\n$/,
        );
        assertEquals(result.made, []);
      }
    });
    await t.step("nothing that is none", async () => {
      const folder = await Deno.makeTempDir();
      const text = `${folder}/text`;
      await Deno.writeTextFile(text, "not a program", { mode: 0o755 });
      for (const other of ["/bin/ls", text]) {
        const result = await compile([], { DENORT_BIN: other });
        assertEquals(result.code, 1, other);
        // Deno 2.9 says by itself what is wrong with the text.
        if (other !== text || OLD) {
          assertMatch(
            result.stderr,
            /^compile: \S+ is not a runtime for Deno /,
          );
        }
        assertEquals(result.made, []);
      }
      await Deno.remove(folder, { recursive: true });
    });
    await t.step("not for another", async () => {
      const args = ["--target=aarch64-unknown-linux-gnu"];
      const result = await compile(args, { DENORT_BIN: denort });
      assertEquals(result.code, 1);
      assertMatch(
        result.stderr,
        /^compile: DENORT_BIN is a runtime for x86_64-unknown-linux-gnu; unset it to compile for aarch64-unknown-linux-gnu\n$/,
      );
      assertEquals(result.made, []);
    });
  },
);
