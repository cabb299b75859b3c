// deploy/Containerfile, built and run. The two images that it begins from are stood in
// for by local ones of the same names: this machine's libraries, and Deno 2.6.8 with
// the runtime of .ci/denort.

import { assertEquals, assertMatch } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { IN_CI, missing, ROOT, run } from "../../harness/process.ts";
import { test, testIf } from "../../harness/helpers.ts";
import { Container, Images, NAMESPACES, SHELL } from "./_image.ts";

const CONTAINERFILE = `${ROOT}deploy/Containerfile`;

const OLD = Deno.version.deno.startsWith("2.6.");

// As for `deno task compile`, that runtime fits Deno 2.6 only.
const testWithBuildah = testIf(
  Deno.build.target === "x86_64-unknown-linux-gnu" && (OLD || IN_CI) &&
    !missing("buildah", "--version") &&
    !missing(NAMESPACES[0], ...NAMESPACES.slice(1), "ip", "link") &&
    !missing(`${ROOT}.ci/denort`),
);

test("the Containerfile compiles with the Deno of the README", async () => {
  const [image] = await baseImages();
  const readme = await Deno.readTextFile(`${ROOT}README.md`);
  const [, version] = /^npx -y deno@(\S+) task test$/m.exec(readme)!;
  assertEquals(image, `docker.io/denoland/deno:debian-${version}`);
});

testWithBuildah(
  "the image serves as its process 1, and drains at SIGTERM",
  async (t) => {
    await using images = new Images();
    await t.step("it is built", () => buildImage(images));
    const image = await images.config("ws-random");
    const { Entrypoint, Cmd } = image;
    const healthCheck = image.Healthcheck.Test.slice(1);
    const files = await images.container("ws-random");
    const start = (command: string[], options?: Deno.CommandOptions) =>
      new Container(files, image, command, options);

    await t.step("its program is the binary", async () => {
      assertEquals(Object.keys(image.ExposedPorts), ["8000/tcp"]);
      assertMatch(image.User, /^[1-9]\d*:[1-9]\d*$/);
      await using version = start([...Entrypoint, "--version"]);
      assertEquals(await version.end(), 0);
      assertEquals(version.stdout, `ws-random ${config.version}\n`);
    });

    await t.step("without a server it is unhealthy", async () => {
      await using check = start(healthCheck, { stderr: "piped" });
      assertEquals(await check.end(), 1);
      assertMatch(await check.stderr(), /^ws-random: cannot reach /);
    });

    await using server = start([...Entrypoint, ...Cmd]);
    await t.step("its server listens on all addresses", async () => {
      const [, where] = await server.until(/^Listening on (.*)\n/);
      assertMatch(where, /^http:\S+:8000\/ and every other address/);
    });
    await t.step("it is healthy", async () => {
      const { code, stdout, stderr } = await server.exec(healthCheck);
      assertEquals([code, stdout], [0, ""], stderr);
    });
    await t.step("its client proves 10,000 responses", async () => {
      const command = [...Entrypoint, "client", "-q"];
      const { code, stderr } = await server.exec(command);
      assertEquals(code, 0, stderr);
    });
    await t.step("it ends at SIGTERM", async () => {
      assertEquals(await server.stop(), 0);
      assertMatch(
        server.stdout,
        /\nStopped after 2 connections and 10001 requests\n$/,
      );
    });
  },
);

/** What the Containerfile begins its stages from. */
async function baseImages(): Promise<string[]> {
  const text = await Deno.readTextFile(CONTAINERFILE);
  return text.match(/(?<=^FROM )\S+/gm)!;
}

async function buildImage(images: Images): Promise<void> {
  const deno = OLD ? Deno.execPath() : (await run(
    ["npx", "-y", "deno@2.6.8", "eval", "console.log(Deno.execPath())"],
  )).stdout.trim();
  const denort = (await run([`${ROOT}.ci/denort`])).stdout.trim();
  const { npmCache } = JSON.parse(
    (await run([Deno.execPath(), "info", "--json"])).stdout,
  );
  const [forDeno, forBinary] = await baseImages();
  await images.standIn(forDeno, [SHELL, deno], [
    "ENV PATH=/bin DENORT_BIN=/bin/denort DENO_DIR=/deno-dir",
  ]);
  await images.standIn(forBinary, [denort], []);
  // These are too large to be copied from layer to layer.
  const mounts = {
    [deno]: "/bin/deno",
    [denort]: "/bin/denort",
    [npmCache]: "/deno-dir/npm",
  };
  await images.build("ws-random", {
    file: CONTAINERFILE,
    context: ROOT,
    options: Object.entries(mounts).map(([from, to]) =>
      `--volume=${from}:${to}:ro`
    ),
  });
}
