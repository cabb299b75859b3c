/**
 * The `ws-random` command: it hands its arguments to the subcommand they name.
 *
 * @module
 */

import { exitStatus, main as client, runClient } from "./client.ts";
import { EXIT_OK, EXIT_USAGE, runCommand, VERSION } from "./lib/cli/command.ts";
import { closest, type Command, defaults } from "./lib/cli/flags.ts";
import { mergeCommand, mergeReports, readReports } from "./lib/client/merge.ts";
import { clientCommand, demoCommand } from "./lib/client/options.ts";
import { reportText, verdict } from "./lib/client/summary.ts";
import { serverCommand } from "./lib/server/options.ts";
import { complain } from "./lib/text.ts";
import { main as server, startServer } from "./server.ts";

/** `ws-random demo`: a server on a free port, and the client against it. */
function demo(args: string[]): Promise<number> {
  return runCommand(demoCommand, args, async (options) => {
    const server = await startServer({ port: 0 });
    console.error(`Listening on ${server.url}`);
    const url = server.url.replace(/^http(.*)/, "ws$1ws");
    const status = await runClient({
      ...defaults(clientCommand),
      ...options,
      url: new URL(url),
    });
    await server.shutdown();
    return status;
  });
}

/** `ws-random merge`: several reports become one. */
function merge(args: string[]): Promise<number> {
  return runCommand(mergeCommand, args, async ({ file, json }) => {
    const report = await mergeReports(await readReports(file));
    console.log(
      json
        ? JSON.stringify(report, null, 2)
        : `${reportText(report)}\n\n${verdict(report)}`,
    );
    return exitStatus(report);
  });
}

const COMMANDS: [Command, (args: string[]) => Promise<number>][] = [
  [serverCommand, server],
  [clientCommand, client],
  [demoCommand, demo],
  [mergeCommand, merge],
];

const HELP = [
  "A WebSocket server that answers every request with that request and a random",
  "number from 1 to 100, and a client that proves it was answered exactly once.",
  "",
  "Usage:",
  ...COMMANDS.map(([{ name, summary }]) =>
    `  ws-random ${name} [options]`.padEnd(31) + summary
  ),
  "",
  "Without a command it is the server. Each command has a --help of its own.",
].join("\n");

async function main([first, ...rest]: string[]): Promise<number> {
  const commandOf = (word?: string) =>
    COMMANDS.find(([{ name }]) => name === word);
  if (first === "help" && commandOf(rest[0])) return main([rest[0], "--help"]);
  if (first === "--help" || first === "-h" || first === "help") {
    console.log(HELP);
    return EXIT_OK;
  }
  // The server's own would ask for $PORT before.
  if (first === "--version" || first === "-V") {
    console.log(`ws-random ${VERSION}`);
    return EXIT_OK;
  }
  if (first === undefined) return server([]);
  if (first.startsWith("-")) return server([first, ...rest]);
  const [, run] = commandOf(first) ?? [];
  if (run) return run(rest);
  const meant = closest(first, COMMANDS.map(([{ name }]) => name));
  await complain(
    `unknown command ${JSON.stringify(first)}; ` +
      (meant ? `did you mean ${meant}?` : "see ws-random --help"),
  );
  return EXIT_USAGE;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
