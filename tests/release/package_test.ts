// The package, as a user has it from JSR: `deno publish` sends it to a registry
// on loopback, and Deno takes it from there. And the checkout, installed.

import { createHash } from "node:crypto";
import { assertEquals, assertMatch } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { missing, Process, ROOT, run } from "../../harness/process.ts";
import {
  assertServesPage,
  freshDenoDir,
  testIf,
} from "../../harness/helpers.ts";

// Deno 2.6 calls imports as text unstable: it runs them if told to, and does not
// publish them.
const OLD = Deno.version.deno.startsWith("2.6.");
const UNSTABLE = OLD ? ["--unstable-raw-imports"] : [];
const PUBLISHER = OLD ? ["npx", "-y", "deno@2.9.6"] : [Deno.execPath()];

const test = testIf(
  !missing("tar", "--version") && !(OLD && missing("npx", "-v")),
);

const PERMISSIONS = ["--allow-net", "--allow-env=PORT"];

/** A registry of one package: what `deno publish` asks of JSR, and what
 * https://jsr.io/docs/api says of packages. */
class Registry implements AsyncDisposable {
  /** What was published. */
  files = new Map<string, Uint8Array<ArrayBuffer>>();
  #server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => this.#answer(request),
  );

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/`;
  }

  async #answer(request: Request): Promise<Response> {
    const { name, version, exports } = config;
    const { pathname } = new URL(request.url);
    if (request.method === "POST") {
      await this.#unpack(await request.bytes());
      return Response.json({ id: "1", status: "success", error: null });
    }
    if (
      pathname === `/api/scopes/${name.slice(1).replace("/", "/packages/")}`
    ) {
      return Response.json({ name });
    }
    if (pathname === `/${name}/meta.json`) {
      return Response.json({ versions: { [version]: {} } });
    }
    if (pathname === `/${name}/${version}_meta.json`) {
      const manifest = Object.fromEntries(
        Array.from(this.files, ([file, bytes]) => {
          const hash = createHash("sha256").update(bytes).digest("hex");
          return [`/${file}`, {
            size: bytes.length,
            checksum: `sha256-${hash}`,
          }];
        }),
      );
      return Response.json({ manifest, exports: { ".": exports } });
    }
    const bytes = this.files.get(pathname.replace(`/${name}/${version}/`, ""));
    return new Response(bytes, { status: bytes ? 200 : 404 });
  }

  async #unpack(archive: Uint8Array): Promise<void> {
    const folder = await Deno.makeTempDir();
    await Deno.writeFile(`${folder}/.tgz`, archive);
    const { stdout } = await run(["tar", "-xvzf", ".tgz"], { cwd: folder });
    for (const file of stdout.trimEnd().split("\n")) {
      this.files.set(file, await Deno.readFile(`${folder}/${file}`));
    }
    await Deno.remove(folder, { recursive: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** Installs what is named here as a command, and asks that for its version. */
async function assertInstalls(
  args: string[],
  options: Deno.CommandOptions = {},
): Promise<void> {
  const root = await Deno.makeTempDir();
  await Deno.mkdir(`${root}/bin`);
  await Deno.symlink(Deno.execPath(), `${root}/bin/deno`);
  const install = ["install", "--global", "--root", root, ...PERMISSIONS];
  const { code, stderr } = await run(
    [Deno.execPath(), ...install, ...args],
    options,
  );
  assertEquals(code, 0, stderr);
  const PATH = `${root}/bin:${Deno.env.get("PATH")}`;
  const version = await run([`${root}/bin/ws-random`, "--version"], {
    ...options,
    cwd: root,
    env: { ...options.env, PATH },
  });
  assertEquals(version.stdout, `ws-random ${config.version}\n`, version.stderr);
  await Deno.remove(root, { recursive: true });
}

test("the package can be published, run and installed", async (t) => {
  await using registry = new Registry();
  const denoDir = await freshDenoDir();
  const env = { JSR_URL: registry.url, NO_COLOR: "1" };
  const user = { cwd: denoDir, env: { ...env, DENO_DIR: denoDir } };
  const name = `jsr:${config.name}`;
  const start = [Deno.execPath(), "run", "--no-prompt", ...UNSTABLE];

  await t.step("deno publish sends the program and its papers", async () => {
    const publish = "publish --allow-dirty --no-provenance --token=x";
    const { code, stderr } = await run(
      [...PUBLISHER, ...publish.split(" ")],
      { env },
    );
    assertEquals(code, 0, stderr);
    const allowed =
      /^(main|server|client)\.ts$|^(lib|static)\/|^deno\.json$|^[A-Z]+(\.md)?$/;
    for (const file of registry.files.keys()) assertMatch(file, allowed);
  });

  await t.step("its demo needs the network only", async () => {
    const demo = [...start, "--allow-net", name, "demo"];
    const { code, stdout, stderr } = await run(demo, user);
    assertEquals(code, 0, stderr);
    assertEquals(stdout.trimEnd().split("\n").length, 10_000);
  });

  await t.step("its server serves the page of this checkout", async () => {
    const server = [...start, ...PERMISSIONS, name, "--port=0"];
    await using process = new Process(server, user);
    const [, url] = await process.until(/^Listening on (\S+)\n/);
    await assertServesPage(url);
  });

  await t.step("it can be installed", async () => {
    await assertInstalls([...UNSTABLE, name], user);
  });
  await Deno.remove(denoDir, { recursive: true });
});

test("a checkout can be installed", async () => {
  await assertInstalls(["--config=deno.json", "--name=ws-random", "main.ts"]);
});

test("the lines for JSR in docs/installing.md replace those of deno.json", async () => {
  const page = await Deno.readTextFile(`${ROOT}docs/installing.md`);
  const [lines] = /(?<=```json\n)[^`]*jsr:[^`]*/.exec(page)!;
  const expected = Object.keys(config.imports)
    .filter((key) => key.startsWith("@std/"))
    .map((key) => [key, `jsr:${key.replace(/^@std\/\w+/, "$&@1")}`]);
  assertEquals(JSON.parse(`{${lines}}`), Object.fromEntries(expected));
});
