/**
 * Runs a proxy with the file of `deploy/` that is shipped: only its addresses are
 * changed, and times where a test would have to wait.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import {
  freePort,
  IN_CI,
  missing,
  Process,
  type Result,
  ROOT,
  run,
  runClient,
  serverProcess,
} from "../../harness/process.ts";
import { RawSocket } from "../../harness/sockets.ts";
import { eventually, type Test, testIf } from "../../harness/helpers.ts";

/** The proxies' programs, and what they only say their version to. */
const PROGRAMS = { haproxy: "-v", nginx: "-v", caddy: "version" };

type Program = keyof typeof PROGRAMS;

const isHere = (program: Program) => !missing(program, PROGRAMS[program]);

/** Returns a function that defines tests of a proxy, if that is here. */
export function testOf(program: Program): Test {
  return testIf(isHere(program));
}

/** The same for what is the same in each of them and takes long: elsewhere than in CI
 * the first that is here stands for all. */
export function longTestOf(program: Program): Test {
  const first = (Object.keys(PROGRAMS) as Program[]).find(isHere);
  return testIf(IN_CI || program === first);
}

/** A proxy and what is particular to it. */
export interface Proxy {
  name: string;
  /** Its file in `deploy/`. */
  file: string;
  /** Its command line and environment. The folder holds the file and is the only
   * one it may write to. */
  command(folder: string): { command: string[]; env?: Record<string, string> };
  /** Keeps the file from what would disturb others on this machine. */
  adapt?(config: string): string;
  /** Turns the file into one that ends TLS, by what it has in comments. */
  withTls(config: string, cert: string, key: string): Promise<string> | string;
  /** What makes it take its file anew: a command, or another process that takes its
   * place. */
  reload(folder: string, pid: number): { run: string[] } | { start: string[] };
  /** Whether a reload, in the end, cuts the connections of before. */
  reloadCuts: boolean;
  /** How many handshakes may be refused in a second while one server drains: 0 if
   * the proxy asks the other one by itself. */
  refusals: number;
}

/** A proxy that runs before two servers. */
export interface Running {
  /** Where it listens. */
  port: number;
  servers: { server: Process; port: number }[];
  /** Changes its file and tells it so; it may take a moment. */
  reload(change: (config: string) => string): Promise<void>;
}

/** What differs from the shipped file and the server's defaults. */
export interface Setup {
  /** Changes the file further. */
  change?: (config: string) => string | Promise<string>;
  /** Options of both servers. */
  serverArgs?: string[];
}

/** Puts a server at this port in the place of both. */
export const withServerAt = (port: number) => (config: string): string =>
  config.replaceAll(/127\.0\.0\.1:800[12]/g, `127.0.0.1:${port}`);

/** Runs a proxy before two servers. */
export async function withProxy(
  proxy: Proxy,
  use: (running: Running) => Promise<void>,
  { change = (config) => config, serverArgs = [] }: Setup = {},
): Promise<void> {
  const servers = [
    await serverProcess(...serverArgs),
    await serverProcess(...serverArgs),
  ];
  const folder = await Deno.makeTempDir();
  const port = freePort();
  const shipped = await Deno.readTextFile(`${ROOT}deploy/${proxy.file}`);
  const config = (await change(proxy.adapt?.(shipped) ?? shipped))
    .replaceAll(/127\.0\.0\.1:(8000|8443)/g, `127.0.0.1:${port}`)
    .replaceAll("127.0.0.1:8001", `127.0.0.1:${servers[0].port}`)
    .replaceAll("127.0.0.1:8002", `127.0.0.1:${servers[1].port}`);
  const file = `${folder}/${proxy.file}`;
  await Deno.writeTextFile(file, config);
  const { command, env } = proxy.command(folder);
  const processes: Process[] = [];
  const start = (command: string[]) =>
    processes.push(new Process(command, { env, stderr: "null" }));
  const reload = async (change: (config: string) => string) => {
    await Deno.writeTextFile(file, change(config));
    const how = proxy.reload(folder, processes.at(-1)!.pid);
    if ("start" in how) {
      start(how.start);
      return;
    }
    const { code, stderr } = await run(how.run, { env });
    assertEquals(code, 0, stderr);
  };
  try {
    start(command);
    await eventually(() => listens(port));
    await use({ port, servers, reload });
  } finally {
    for (const process of processes) await end(process);
    for (const { server } of servers) await server[Symbol.asyncDispose]();
    await Deno.remove(folder, { recursive: true });
  }
}

/** Ends it with all its workers, which would outlive a SIGKILL. */
async function end(process: Process): Promise<void> {
  try {
    process.kill("SIGTERM");
  } catch {
    // it has ended by itself
  }
  await process.end();
}

function listens(port: number): Promise<boolean> {
  return RawSocket.connect(port).then((socket) => {
    socket[Symbol.dispose]();
    return true;
  }, () => false);
}

/** A run of the client, as fast as it can if there is no `--rate`. */
export function load(
  port: number,
  count: number,
  ...args: string[]
): Promise<Result> {
  const url = `ws://127.0.0.1:${port}/ws`;
  return runClient(url, "--json", `-n${count}`, "--timeout=60", ...args);
}
