/**
 * Certificates for the tests of TLS.
 *
 * @module
 */

import { run } from "../../harness/process.ts";

/**
 * Makes a certificate that is its own authority, with its key, in a folder.
 *
 * @param host The only one that it is for.
 * @param days From now to its end, or from its end to now if negative.
 */
export async function certificateFor(
  folder: string,
  host: string,
  days = 2,
): Promise<{ cert: string; key: string }> {
  const start = `${folder}/${host}${days}`;
  const [cert, key] = [`${start}.pem`, `${start}.key`];
  await openssl(
    "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes",
    ...["-subj", `/CN=${host}`, "-keyout", key, "-out", `${start}.csr`],
  );
  await Deno.writeTextFile(
    `${start}.ext`,
    `subjectAltName=DNS:${host}\nbasicConstraints=critical,CA:FALSE\n`,
  );
  await openssl(
    `x509 -req -days ${days}`,
    ...["-in", `${start}.csr`, "-signkey", key],
    ...["-extfile", `${start}.ext`, "-out", cert],
  );
  return { cert, key };
}

async function openssl(words: string, ...args: string[]): Promise<void> {
  const command = ["openssl", ...words.split(" "), ...args];
  const { code, stderr } = await run(command);
  if (code !== 0) throw new Error(stderr);
}
