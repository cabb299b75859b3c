/**
 * How a command runs and ends: help, version, and one line on stderr and an exit
 * status for every failure.
 *
 * @module
 */

import config from "../../deno.json" with { type: "json" };
import { type Command, type Flags, type Options, parseFlags } from "./flags.ts";
import { helpText } from "./help.ts";
import { complain, UsageError } from "../text.ts";

/** As `deno.json` has it: `1.2.3`. */
export const VERSION: string = config.version;

export const EXIT_OK = 0;
export const EXIT_FAILURE = 1;
export const EXIT_USAGE = 2;
/** Signals that end a command, and its exit status then: 128 plus the signal's
 * number, as shells have it. */
const SIGNALS: [Deno.Signal, number][] = Deno.build.os === "windows"
  ? [["SIGINT", 130]] // it knows no SIGTERM
  : [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]];

/** A second signal within this is the same key press, in milliseconds: a terminal sends
 * Ctrl-C to npx, `deno task` and the command, and the first two pass it on, some 2 ms
 * later. */
const SAME_PRESS_MS = 500;

/**
 * Runs a command with its arguments.
 *
 * @returns The exit status.
 */
export async function runCommand<T extends Flags>(
  command: Command<T>,
  args: string[],
  run: (options: Options<T>) => Promise<number>,
): Promise<number> {
  try {
    const options = parseFlags(command, args);
    if (options.help) console.log(helpText(command));
    else if (options.version) console.log(`ws-random ${VERSION}`);
    else return await run(options);
    return EXIT_OK;
  } catch (error) {
    if (error instanceof UsageError) {
      await complain(`${error.message}; see ws-random ${command.name} --help`);
      return EXIT_USAGE;
    }
    await complain(error instanceof Error ? error.message : String(error));
    return EXIT_FAILURE;
  }
}

/**
 * Listens for SIGINT, SIGTERM and SIGHUP. A second one exits at once.
 *
 * @param end Called with the exit status at the first one.
 */
export function onTermination(end: (status: number) => void): void {
  let signalledAt: number | undefined;
  for (const [signal, status] of SIGNALS) {
    Deno.addSignalListener(signal, () => {
      if (signalledAt === undefined) {
        signalledAt = performance.now();
        end(status);
      } else if (performance.now() - signalledAt > SAME_PRESS_MS) {
        Deno.exit(status);
      }
    });
  }
}
