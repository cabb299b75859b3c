/**
 * A server with a fault that a test puts into it.
 *
 * @module
 */

import config from "../../deno.json" with { type: "json" };
import { Process, ROOT, task } from "../../harness/process.ts";

/**
 * Runs a server of which one module is another; the rest is the program as it is.
 *
 * @param path The module, from the project's folder on.
 * @param source What stands in its place, given where the module itself can be had.
 */
export async function withFaultyServer(
  path: string,
  source: (module: string) => string,
  args: string[],
  use: (server: Process, port: number) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const module = new URL(path, `file://${ROOT}`).href;
  await Deno.writeTextFile(`${folder}/module.ts`, source(`${module}?`));
  const imports = { ...config.imports, [module]: `${folder}/module.ts` };
  await Deno.writeTextFile(`${folder}/map.json`, JSON.stringify({ imports }));
  const [deno, command, ...rest] = task("server").map((arg) =>
    arg === "--allow-read=." ? `${arg},${folder}` : arg
  );
  await using server = new Process([
    ...[deno, command, `--import-map=${folder}/map.json`],
    ...[...rest, "--port=0", ...args],
  ], { stderr: "piped" });
  const [, port] = await server.until(/^Listening on \S+:(\d+)\/\n/);
  await use(server, Number(port));
  await Deno.remove(folder, { recursive: true });
}

/** In place of `lib/protocol.ts`: the request `die` makes the code that answers throw,
 * and `reject` leaves a promise. */
export const faultyProtocol = (module: string) =>
  `export * from "${module}";
  import { answer as right } from "${module}";
  export function answer(request) {
    if (request === "die") throw new RangeError("a fault\\nof the test");
    if (request === "reject") Promise.reject(new RangeError("a fault later"));
    return right(request);
  }`;
