/**
 * Makes typed options and usage errors from a command's table of options. The help
 * text is made from the same table (`help.ts`), so they cannot differ.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { closestString } from "@std/text/closest-string";
import { levenshteinDistance } from "@std/text/levenshtein-distance";
import { cut, hideSecrets, UsageError } from "../text.ts";
import { boolean } from "./values.ts";

/** A row of a table. */
export interface Flag<T = unknown> {
  /** What the option does, as `--help` prints it. */
  help: string;
  /** The heading that `--help` prints it under. */
  group?: string;
  /** The one-letter form, without the hyphen. */
  short?: string;
  /** What `--help` calls the value; without it the option is a switch. */
  value?: string;
  /** Given by its place on the command line, not by its name. */
  positional?: true;
  /** Any text is a value: an empty one, one that looks like an option. */
  any?: true;
  /** The value if none is given, as a user would write it. */
  default?: string;
  /** The value if none is given, of a switch or an option that may be repeated. */
  none?: T;
  /** The environment variable that replaces the default. */
  env?: string;
  /**
   * Returns the value as it is used; throws an `Error` that says what it should be.
   *
   * @param before What was given before, of an option that may be repeated.
   */
  parse(text: string, before: T): T;
}

/** The table: the key is the option's name in camelCase, `--max-message` for
 * `maxMessage`. */
export type Flags = Record<string, Flag>;

/** A command and its table. */
export interface Command<T extends Flags = Flags> {
  name: string;
  summary: string;
  flags: T;
  /** What people type out of habit of other tools, `-p --port`, and what to do here. */
  foreign?: Record<string, string>;
}

/** The options that a table describes, by name and with their types. */
export type Options<T extends Flags> = {
  [K in keyof T]:
    | ReturnType<T[K]["parse"]>
    | (T[K] extends { default: string } | { none: unknown } ? never
      : undefined);
};

/** Of an option without a value. */
export const onOff = { none: false, parse: boolean };

/** Puts options under a heading of `--help`. */
export function under<const T extends Flags>(group: string, flags: T): T {
  return Object.fromEntries(
    Object.entries(flags).map(([name, flag]) => [name, { ...flag, group }]),
  ) as T;
}

/** The options of every command. */
export const COMMON_FLAGS = {
  help: { ...onOff, short: "h", help: "print this help" },
  version: { ...onOff, short: "V", help: "print the version" },
} as const satisfies Flags;

/**
 * Reads a command line. With `--help` nothing else in it counts.
 *
 * @returns The value of every option of the table, and of `help` and `version`.
 *
 * @throws {UsageError} If an option is unknown, lacks its value, or has one of
 * the wrong kind or out of range.
 */
export function parseFlags<T extends Flags>(
  command: Command<T>,
  args: string[],
): Options<T & typeof COMMON_FLAGS> {
  const flags: Flags = { ...command.flags, ...COMMON_FLAGS };
  const given = readArguments(args, flags, command.foreign ?? {});
  const help = given.get("help")?.at(-1) === "true";
  const read = ([name, flag]: [string, Flag]): [string, unknown] => {
    const texts = given.get(name) ?? [];
    if (texts.length > 0) {
      const option = flag.positional ? name : `--${kebab(name)}`;
      return [name, texts.reduce(convert(option, flag), flag.none)];
    }
    const variable = !help && flag.env && Deno.env.get(flag.env);
    return [
      name,
      variable
        ? convert(`$${flag.env}`, flag)(flag.none, variable)
        : defaultOf(flag),
    ];
  };
  return Object.fromEntries(
    Object.entries(flags).map(read),
  ) as Options<T & typeof COMMON_FLAGS>;
}

/** The value of every option of the table if none is given. */
export function defaults<T extends Flags>({ flags }: Command<T>): Options<T> {
  return Object.fromEntries(
    Object.entries(flags).map(([name, flag]) => [name, defaultOf(flag)]),
  ) as Options<T>;
}

function defaultOf(flag: Flag): unknown {
  return flag.default === undefined
    ? flag.none
    : flag.parse(flag.default, flag.none);
}

/**
 * The texts that a command line gives, by the option's name in the table; with
 * `--help` that alone.
 */
function readArguments(
  args: string[],
  flags: Flags,
  foreign: Record<string, string>,
): Map<string, string[]> {
  const entries = Object.entries(flags);
  const named = new Map(
    entries.filter(([, { positional }]) => !positional)
      .map(([name, flag]) => [kebab(name), { name, flag }]),
  );
  const faults: string[] = [];
  const { _: positionals, ...options } = parseArgs(
    inLongForm(
      args,
      [...named].map(([name, { flag }]) => ({ ...flag, name })),
      faults,
    ),
    {
      string: ["_", ...named.keys()],
      collect: [...named.keys()],
      unknown(arg: string, key?: string) {
        if (key !== undefined) faults.push(unknownOption(arg, named, foreign));
        return key === undefined;
      },
    },
  ) as { _: string[] } & Record<string, string[]>;
  if (options.help.some((text) => text !== "false")) {
    return new Map([["help", ["true"]]]);
  }
  const given = new Map(
    [...named].map(([option, { name }]) => [name, options[option]]),
  );
  for (const [name, { positional, none }] of entries) {
    const most = none === undefined ? 1 : Infinity; // it may be repeated
    if (positional) given.set(name, positionals.splice(0, most));
  }
  if (positionals.length > 0) {
    faults.push(`unexpected argument ${quoted(positionals[0])}`);
  }
  if (faults.length > 0) throw new UsageError(faults[0]);
  return given;
}

/**
 * Writes each option as `--name=value`, the one form in which parseArgs reads every
 * value alike: it does not read `-n2k`, nor a value that is empty or begins with a
 * hyphen.
 *
 * @param faults Gets a line for each option that lacks its value.
 */
function inLongForm(
  args: string[],
  flags: (Flag & { name: string })[],
  faults: string[],
): string[] {
  const long: string[] = [];
  const rest = [...args];
  for (let arg: string | undefined; (arg = rest.shift()) !== undefined;) {
    if (arg === "--") return [...long, arg, ...rest];
    const [, letter, joined] = /^-(\w)(.*)$/s.exec(arg) ?? [];
    const flag = flags.find(({ short, name }) =>
      letter === undefined ? arg === `--${name}` : short === letter
    );
    if (!flag) long.push(letter === undefined ? arg : `-${letter}`);
    else if (joined?.startsWith("=")) long.push(`--${flag.name}${joined}`);
    else if (flag.value === undefined) {
      long.push(`--${flag.name}=true`);
      if (joined) rest.unshift(`-${joined}`);
    } else if (joined) long.push(`--${flag.name}=${joined}`);
    else if (lacksValue(flag, rest[0])) {
      const instead = rest[0] === undefined
        ? ""
        : `; if it is ${quoted(rest[0])}, write --${flag.name}=…`;
      faults.push(`--${flag.name} needs a value${instead}`);
    } else long.push(`--${flag.name}=${rest.shift()}`);
  }
  return long;
}

/** Whether what follows an option is more likely the next one. */
function lacksValue({ any }: Flag, next: string | undefined): boolean {
  return next === undefined || (!any && /^-[^\d.]/.test(next));
}

/** The part of a name's letters that may be misspelt. */
const MISSPELT = 1 / 3;

/** The name that was meant, if there is one that is spelt nearly like this. */
export function closest(given: string, names: string[]): string | undefined {
  const name = closestString(given, names);
  const letters = levenshteinDistance(given, name);
  return letters <= name.length * MISSPELT ? name : undefined;
}

function unknownOption(
  arg: string,
  named: Map<string, unknown>,
  foreign: Record<string, string>,
): string {
  const option = arg.replace(/=.*/s, "");
  const [, instead] =
    Object.entries(foreign).find(([names]) =>
      names.split(" ").includes(option)
    ) ?? [];
  const meant = closest(option.slice(2), [...named.keys()]);
  const advice = instead ?? (meant && `did you mean --${meant}?`);
  return `unknown option ${cut(option, 100)}${advice ? `; ${advice}` : ""}`;
}

/** `maxMessage` -> `max-message` */
export function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Parses a text, and says of which option it is if that cannot be done. */
function convert(option: string, flag: Flag) {
  return (before: unknown, given: string): unknown => {
    if (given === "" && !flag.any) {
      throw new UsageError(`${option} needs a value`);
    }
    try {
      return flag.parse(given, before);
    } catch (error) {
      throw new UsageError(
        `${option}: ${quoted(given)} ${(error as Error).message}`,
      );
    }
  };
}

/** Text of the user's as a message repeats it: cut, and without its secrets. */
function quoted(text: string): string {
  const hidden = text.replace(/^(\w+:\/\/)?([^:]*):.*@/s, "$1$2:***@");
  return JSON.stringify(cut(hideSecrets(hidden), 100));
}
