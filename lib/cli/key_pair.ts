/**
 * A certificate and its key, from the files of `--cert` and `--key`.
 *
 * @module
 */

import { UsageError } from "../text.ts";

/**
 * Reads the files of `--cert` and `--key`.
 *
 * @throws {UsageError} If one of them cannot be read or is not given, or if the key is
 * encrypted.
 */
export async function readKeyPair(
  { cert, key }: { cert?: string; key?: string },
): Promise<Deno.TlsCertifiedKeyPem | undefined> {
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) {
    throw new UsageError("--cert and --key go together; one is missing");
  }
  const read = (option: string, path: string) =>
    Deno.readTextFile(path).catch((error) => {
      throw new UsageError(
        `${option}: cannot read ${path}: ${error.message}`,
      );
    });
  const pem = {
    cert: await read("--cert", cert),
    key: await read("--key", key),
  };
  if (/^(?:-----BEGIN|Proc-Type:).* ?ENCRYPTED/m.test(pem.key)) {
    throw new UsageError(
      `--key: ${key} is encrypted, and nobody is there to type its ` +
        `passphrase; decrypt it with: openssl pkey -in ${key} -out key.pem`,
    );
  }
  return pem;
}
