/**
 * A command's table of options turned into typed options, a help text and usage
 * errors, so that these cannot differ. The tables are in `options.ts`.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";

/** What every row of a table has. */
export interface Described {
  /** What the option does, as `--help` prints it. */
  help: string;
  /** The one-letter form, without the hyphen. */
  short?: string;
  /** Given by its place on the command line, not by its name. */
  positional?: true;
}

/** On or off. */
export interface BooleanFlag extends Described {
  /** The kind of value. */
  type: "boolean";
}

/** A text. */
export interface TextFlag extends Described {
  /** The kind of value. */
  type: "text";
  /** The value if none is given; without it that is `undefined`. */
  default?: string;
  /** Returns the value as it is used; throws an `Error` that says what the
   * value should be. */
  check?: (value: string) => string;
  /** The environment variable that replaces the default. */
  env?: string;
}

/** A text that may be given more than once. */
export interface ListFlag extends Described {
  /** The kind of value. */
  type: "list";
  /** As of {@linkcode TextFlag}. */
  check?: (value: string) => string;
}

/** A number. */
export interface NumberFlag extends Described {
  /** The kind of value. */
  type: "integer" | "decimal";
  /** The value if none is given; without it that is `undefined`. */
  default?: number;
  /** The smallest value allowed. */
  min: number;
  /** The largest value allowed. */
  max: number;
  /** The environment variable that replaces the default. */
  env?: string;
}

/** One row of a table. */
export type Flag = BooleanFlag | TextFlag | ListFlag | NumberFlag;

/** The table: the key is the option's name in camelCase, `--max-message` for
 * `maxMessage`. */
export type Flags = Record<string, Flag>;

/** A command: its name, its summary, and its table. */
export interface Command<T extends Flags = Flags> {
  /** `server`, `client`, … */
  name: string;
  /** What the command does, in a line. */
  summary: string;
  /** Its options. */
  flags: T;
}

/** The type of an option's value. */
export type Value<F> = F extends { type: "boolean" } ? boolean
  : F extends { type: "list" } ? string[]
  : F extends { type: "text" }
    ? F extends { default: string } ? string : string | undefined
  : F extends { default: number } ? number
  : number | undefined;

/** The options that a table describes, by name and with their types. */
export type Options<T extends Flags> = { [K in keyof T]: Value<T[K]> };

/** A command line that cannot be carried out. The message names the option and
 * the value, in one line. */
export class UsageError extends Error {
  /** The name of the error. */
  override name = "UsageError";
}

/** What every command takes besides. */
export const COMMON_FLAGS = {
  help: { type: "boolean", short: "h", help: "print this help" },
  version: { type: "boolean", short: "V", help: "print the version" },
} as const satisfies Flags;

/**
 * Reads a command line.
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
  const entries = Object.entries(flags);
  const names = (wanted: (flag: Flag) => boolean) =>
    entries.filter(([, flag]) => wanted(flag)).map(([name]) => kebab(name));

  const parsed = parseArgs(args, {
    boolean: names((flag) => flag.type === "boolean"),
    string: ["_", ...names((flag) => flag.type !== "boolean")],
    collect: names((flag) => flag.type === "list"),
    alias: Object.fromEntries(
      entries.flatMap(([name, { short }]) =>
        short ? [[kebab(name), short]] : []
      ),
    ),
    unknown: (arg: string, key?: string) => {
      if (key !== undefined) throw new UsageError(`unknown option ${arg}`);
    },
  }) as Record<string, string | string[] | boolean> & { _: string[] };

  const positionals = entries.filter(([, flag]) => flag.positional);
  const surplus = parsed._[positionals.length];
  if (surplus !== undefined) {
    throw new UsageError(`unexpected argument ${JSON.stringify(surplus)}`);
  }

  const value = (name: string, flag: Flag): unknown => {
    const option = flag.positional ? name : `--${kebab(name)}`;
    const given = flag.positional
      ? parsed._[positionals.findIndex(([other]) => other === name)]
      : parsed[kebab(name)];
    if (flag.type === "boolean") return given;
    if (flag.type === "list") {
      return (given as string[]).map((item) => convert(option, item, flag));
    }
    if (given !== undefined) return convert(option, given as string, flag);
    const variable = flag.env && Deno.env.get(flag.env);
    return variable ? convert(`$${flag.env}`, variable, flag) : flag.default;
  };
  return Object.fromEntries(
    entries.map(([name, flag]) => [name, value(name, flag)]),
  ) as Options<T & typeof COMMON_FLAGS>;
}

/** What every option is if nothing is given. */
export function defaults<T extends Flags>({ flags }: Command<T>): Options<T> {
  const value = (flag: Flag) =>
    flag.type === "boolean" ? false : flag.type === "list" ? [] : flag.default;
  return Object.fromEntries(
    Object.entries(flags).map(([name, flag]) => [name, value(flag)]),
  ) as Options<T>;
}

/** The text that `--help` prints. */
export function helpText({ name, summary, flags }: Command): string {
  const rows = Object.entries({ ...flags, ...COMMON_FLAGS } as Flags)
    .map(([name, flag]) => {
      const left = flag.positional
        ? `  [${name}]`
        : `  ${flag.short ? `-${flag.short},` : "   "} --${kebab(name)}` +
          (flag.type === "boolean" ? "" : ` <${PLACEHOLDER[flag.type]}>`);
      return [left, flag.help + defaultOf(flag)];
    });
  const width = Math.max(...rows.map(([left]) => left.length));
  const arguments_ = Object.entries(flags)
    .filter(([, flag]) => flag.positional)
    .map(([name]) => ` [${name}]`).join("");
  return [
    summary,
    "",
    `Usage: ws-random ${name}${arguments_} [options]`,
    "",
    ...rows.map(([left, right]) => `${left.padEnd(width)}  ${right}`),
    "",
    "Numbers may be written 10k, 2m or 1_000_000.",
  ].join("\n");
}

const PLACEHOLDER = { text: "text", list: "text", integer: "n", decimal: "n" };

function defaultOf(flag: Flag): string {
  if (!("default" in flag)) return "";
  const env = flag.env ? `, or $${flag.env}` : "";
  return ` [default: ${flag.default}${env}]`;
}

/** `maxMessage` -> `max-message` */
function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The value of an option or variable, checked and of the right type. */
function convert(
  option: string,
  given: string,
  flag: TextFlag | ListFlag | NumberFlag,
): string | number {
  if (given === "") throw new UsageError(`${option} needs a value`);
  try {
    return "min" in flag
      ? parseNumber(given, flag)
      : flag.check?.(given) ?? given;
  } catch (error) {
    throw new UsageError(
      `${option}: ${JSON.stringify(given)} ${(error as Error).message}`,
    );
  }
}

const UNITS: Record<string, number> = { "": 1, k: 1e3, m: 1e6 };

/** `10k`, `2.5m`, `1_000_000` or `0.5`. */
function parseNumber(text: string, { type, min, max }: NumberFlag): number {
  const match = /^(\d+(?:_\d+)*(?:\.\d+)?)([km]?)$/i.exec(text);
  const value = match
    ? Number(match[1].replaceAll("_", "")) * UNITS[match[2].toLowerCase()]
    : NaN;
  if (
    !(value >= min && value <= max) ||
    (type === "integer" && !Number.isInteger(value))
  ) {
    const kind = type === "integer" ? "a whole number" : "a number";
    throw new Error(`is not ${kind} from ${min} to ${max}`);
  }
  return value;
}
