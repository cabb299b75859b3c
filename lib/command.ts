/**
 * How a command runs and ends: help, version, and for every failure one line on
 * stderr and an exit status.
 *
 * @module
 */

import {
  type Command,
  type Flags,
  helpText,
  type Options,
  parseFlags,
  UsageError,
} from "./flags.ts";
import { VERSION } from "./version.ts";

/** Every request answered and valid; the server shut down as asked. */
export const EXIT_OK = 0;
/** Not so, or nothing could be started or reached. */
export const EXIT_FAILURE = 1;
/** The command line could not be understood. */
export const EXIT_USAGE = 2;
/** Ended by Ctrl-C: 128 and the number of the signal, as shells have it. */
export const EXIT_INTERRUPTED = 130;

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
      complain(`${error.message}; see ws-random ${command.name} --help`);
      return EXIT_USAGE;
    }
    complain(error instanceof Error ? error.message : String(error));
    return EXIT_FAILURE;
  }
}

/** Prints one line on stderr. */
export function complain(message: string): void {
  console.error(`ws-random: ${message.replaceAll(/\s*\n\s*/g, " ")}`);
}
