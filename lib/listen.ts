/**
 * What a server listens on: its address, its certificate, and what is wrong with
 * them in words that say what to do.
 *
 * @module
 */

import { UsageError } from "./flags.ts";
import type { ServerOptions } from "./options.ts";

/**
 * Reads the files of `--cert` and `--key`.
 *
 * @throws {UsageError} If one of them cannot be read, or is not given.
 */
export async function readCertificate(
  { cert, key }: ServerOptions,
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
  return {
    cert: await read("--cert", cert),
    key: await read("--key", key),
  };
}

/** Workers share their port with any other process that shares it, but that is
 * not wanted without `--reuse-port`. */
export function assertPortFree(options: ServerOptions): void {
  const { host: hostname, port } = options;
  try {
    Deno.listen({ hostname, port }).close();
  } catch (error) {
    throw listenError(error as Error, options);
  }
}

/** The error of `Deno.serve` in words that say what to do. */
export function listenError(
  { name, message }: Error,
  { host, port, cert }: ServerOptions,
): Error {
  if (name === "AddrInUse") {
    return new Error(
      `port ${port} of ${host} is taken; choose another with --port`,
    );
  }
  if (name === "InvalidData" && cert !== undefined) {
    return new Error(`--cert ${cert} and its --key are not usable: ${message}`);
  }
  return new Error(`cannot listen on ${host} port ${port}: ${message}`);
}

/** The host as a browser on this machine can open it. */
export function linkHost(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return host.includes(":") ? `[${host}]` : host;
}
