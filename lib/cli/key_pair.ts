/**
 * Certificates and keys, from the files of `--cert`, `--key` and `--ca`.
 *
 * @module
 */

import { UsageError } from "../text.ts";

/** More than any file of certificates or keys; a device may have no end. */
const MAX_BYTES = 1_000_000;

/**
 * Reads the files of `--cert` and `--key`.
 *
 * @throws {UsageError} If one of them is not given, cannot be read or used, or if the
 * key is encrypted or another certificate's.
 */
export function readKeyPair(
  { cert, key }: { cert?: string; key?: string },
): Deno.TlsCertifiedKeyPem | undefined {
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) {
    throw new UsageError("--cert and --key go together; one is missing");
  }
  const pem = { cert: readPem("--cert", cert), key: readPem("--key", key) };
  if (/^(?:-----BEGIN|Proc-Type:).* ?ENCRYPTED/m.test(pem.key)) {
    throw new UsageError(
      `--key: ${key} is encrypted, and nobody is there to type its ` +
        `passphrase; decrypt it with: openssl pkey -in ${key} -out key.pem`,
    );
  }
  try {
    // A listener tells what is wrong; an HTTP client of Deno 2.6 would panic.
    Deno.listenTls({ hostname: "127.0.0.1", port: 0, ...pem }).close();
  } catch (error) {
    const { message } = error as Error;
    throw new UsageError(
      /KeyMismatch/.test(message)
        ? `--key ${key} is not the key of --cert ${cert}`
        : `--cert ${cert} and --key ${key} are not usable: ${message}`,
    );
  }
  return pem;
}

/**
 * Reads the file of an option.
 *
 * @throws {UsageError} If it cannot be read or is none of certificates or keys.
 */
export function readPem(option: string, path: string): string {
  try {
    const { isFile, size } = Deno.statSync(path);
    if (isFile && size <= MAX_BYTES) return Deno.readTextFileSync(path);
    throw new Error("it is no file of at most 1 MB");
  } catch (error) {
    const { message } = error as Error;
    throw new UsageError(`${option}: cannot read ${path}: ${message}`);
  }
}
