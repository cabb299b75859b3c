/**
 * The servers that are compared, and how they are started.
 *
 * @module
 */

import { Process, ROOT, run, task } from "../harness/process.ts";

const WS_VERSION = "8.23.0";
const BUN_VERSION = "1.4.5";
/** Debian's own Python. */
export const PYTHON = "/usr/bin/python3";
const BUN = `${ROOT}bench/node_modules/@oven/bun-linux-x64/bin/bun`;
/** Where the peers are. */
export const PEERS = `${ROOT}bench/peers/`;

/** A program that takes part. */
export interface Peer {
  name: string;
  command: string[];
  /** Prints its version. */
  version: string[];
}

const DENO = [Deno.execPath(), "--version"];
/** This program's server. */
export const OURS: Peer = {
  name: "ws-random",
  command: [...task("server"), "--port=0"],
  version: DENO,
};
/** This program's server on two cores. */
export const TWO_WORKERS: Peer = {
  ...OURS,
  name: "ws-random, two workers",
  command: [...OURS.command, "--workers=2"],
};
/** The runtime's own limit. */
export const BARE: Peer = {
  name: "bare Deno",
  command: [Deno.execPath(), "run", "--allow-net", `${PEERS}deno.ts`],
  version: DENO,
};
/** npm's ws. */
export const NODE_WS: Peer = {
  name: `ws ${WS_VERSION} on Node`,
  command: ["node", `${PEERS}ws.mjs`],
  version: ["node", "--version"],
};
/** Bun's own server. */
export const BUN_PEER: Peer = {
  name: "Bun",
  command: [BUN, `${PEERS}bun.mjs`],
  version: [BUN, "--version"],
};
/** Debian's python3-websockets. */
export const PYTHON_PEER: Peer = {
  name: "Python websockets",
  command: [PYTHON, `${PEERS}server.py`],
  version: [PYTHON, "-c", "import websockets; print(websockets.__version__)"],
};

/** Runs with the server of a peer, at the port where it listens. */
export async function withPeer<T>(
  { command }: Peer,
  use: (port: number, server: Process) => Promise<T>,
): Promise<T> {
  await using server = new Process(command, { stderr: "null" });
  const [, port] = await server.until(/http:\/\/[^:]+:(\d+)\/\n/);
  return await use(Number(port), server);
}

/** The resident memory of a process, in MB. */
export async function residentMemory({ pid }: Process): Promise<number> {
  const { stdout } = await run(["cat", `/proc/${pid}/status`]);
  return Number(/VmRSS:\s+(\d+)/.exec(stdout)![1]) / 1000;
}

/** Whether a peer is installed; says so if it is not. */
export async function present(
  { name, command, version }: Peer,
): Promise<boolean> {
  const found = await run(version).then(({ code }) => code === 0, () => false);
  if (!found) {
    console.error(`left out: ${name} (${command[0]} is not installed)`);
  }
  return found;
}

/** Installs those that npm has, for the bench alone. */
export async function installPeers(): Promise<void> {
  await run([
    "npm",
    "install",
    "--silent",
    "--no-save",
    "--prefix",
    `${ROOT}bench`,
    `ws@${WS_VERSION}`,
    `@oven/bun-linux-x64@${BUN_VERSION}`,
  ]).catch(() => {});
}
