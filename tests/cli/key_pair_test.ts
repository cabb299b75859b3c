import { assertEquals, assertThrows } from "@std/assert";
import { readKeyPair, readPem } from "../../lib/cli/key_pair.ts";
import { UsageError } from "../../lib/text.ts";
import { makeCertificate, missing } from "../../harness/process.ts";
import { pureTest, test, testIf } from "../../harness/tests.ts";

pureTest("readKeyPair() wants both a certificate and a key, or none", () => {
  assertEquals(readKeyPair({}), undefined);
  for (const one of [{ cert: "a.pem" }, { key: "b.pem" }]) {
    assertThrows(() => readKeyPair(one), UsageError, "go together");
  }
});

testIf(!missing("openssl", "version"))(
  "readKeyPair() reads what belongs together, and says what does not",
  async () => {
    const folders = [await Deno.makeTempDir(), await Deno.makeTempDir()];
    const [mine, other] = await Promise.all(folders.map(makeCertificate));
    const read = (path: string) => Deno.readTextFileSync(path);
    assertEquals(readKeyPair(mine), {
      ...{ cert: read(mine.cert), key: read(mine.key) },
    });
    const refused = (cert: string, key: string, message: string) =>
      assertThrows(() => readKeyPair({ cert, key }), UsageError, message);
    refused(
      mine.cert,
      other.key,
      `--key ${other.key} is not the key of --cert ${mine.cert}`,
    );
    refused(
      mine.key,
      mine.key,
      `--cert ${mine.key} and --key ${mine.key} are not usable: `,
    );
    refused(`${folders[0]}/none`, mine.key, "--cert: cannot read ");
    refused(mine.cert, `${folders[0]}/none`, "--key: cannot read ");

    const path = `${folders[0]}/encrypted.pem`;
    for (
      const head of [
        "-----BEGIN ENCRYPTED PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED",
      ]
    ) {
      await Deno.writeTextFile(path, `# a key\n${head}\nAAAA\n`);
      refused(
        mine.cert,
        path,
        `--key: ${path} is encrypted, and nobody is there to type its ` +
          `passphrase; decrypt it with: openssl pkey -in ${path} -out key.pem`,
      );
    }
    // A comment is no key.
    const comment = "was -----BEGIN ENCRYPTED PRIVATE KEY-----";
    await Deno.writeTextFile(path, `# ${comment}\n${read(mine.key)}`);
    assertEquals(readKeyPair({ cert: mine.cert, key: path })?.key, read(path));
    for (const folder of folders) {
      await Deno.remove(folder, { recursive: true });
    }
  },
);

test("readPem() takes a file of a megabyte at most", async () => {
  const path = await Deno.makeTempFile();
  for (const length of [0, 1e6]) {
    await Deno.writeTextFile(path, "x".repeat(length));
    assertEquals(readPem("--ca", path).length, length);
  }
  await Deno.writeTextFile(path, "x".repeat(1e6 + 1));
  for (const none of [path, "/dev/zero", Deno.cwd()]) {
    assertThrows(
      () => readPem("--ca", none),
      UsageError,
      `--ca: cannot read ${none}: it is no file of at most 1 MB`,
    );
  }
  await Deno.remove(path);
});
