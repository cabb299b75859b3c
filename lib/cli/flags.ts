/**
 * Makes typed options, the help text and usage errors from a command's table of
 * options, so that they cannot differ. The tables are in `options.ts`.
 *
 * @module
 */

// Not @std/cli: it refuses -n10k and --message '', takes --quiet=0 for true, and does
// not tell what it has read each argument as.
import { parseArgs } from "node:util";
import { cut, UsageError } from "../text.ts";

interface Described {
  /** What the option does, as `--help` prints it. */
  help: string;
  /** The one-letter form, without the hyphen. */
  short?: string;
  /** Given by its place on the command line, not by its name. */
  positional?: true;
}

interface BooleanFlag extends Described {
  type: "boolean";
}

/** A text that may be given more than once. */
interface ListFlag extends Described {
  type: "list";
  /** What `--help` calls the value. */
  placeholder?: string;
  /** Returns the value as it is used; throws an `Error` that says what the
   * value should be. */
  check?: (value: string) => string;
}

interface TextFlag extends Omit<ListFlag, "type"> {
  type: "text";
  /** Any text is a value: an empty one, one that looks like an option. */
  any?: true;
  /** The value if none is given; without it that is `undefined`. */
  default?: string;
  /** The environment variable that replaces the default. */
  env?: string;
}

interface NumberFlag extends Described {
  type: "integer" | "decimal";
  /** As of {@linkcode TextFlag}. */
  default?: number;
  min: number;
  max: number;
  env?: string;
}

/** A row of a table. */
type Flag = BooleanFlag | TextFlag | ListFlag | NumberFlag;

/** The table: the key is the option's name in camelCase, `--max-message` for
 * `maxMessage`. */
export type Flags = Record<string, Flag>;

/** A command and its table. */
export interface Command<T extends Flags = Flags> {
  name: string;
  summary: string;
  flags: T;
}

/** The type of an option's value. */
type Value<F> = F extends { type: "boolean" } ? boolean
  : F extends { type: "list" } ? string[]
  : F extends { type: "text" }
    ? F extends { default: string } ? string : string | undefined
  : F extends { default: number } ? number
  : number | undefined;

/** The options that a table describes, by name and with their types. */
export type Options<T extends Flags> = { [K in keyof T]: Value<T[K]> };

/** The options of every command. */
const COMMON_FLAGS = {
  help: { type: "boolean", short: "h", help: "print this help" },
  version: { type: "boolean", short: "V", help: "print the version" },
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
  const entries = Object.entries(flags);
  const named = entries.filter(([, flag]) => !flag.positional);
  const { tokens } = parseArgs({
    args,
    strict: false,
    tokens: true,
    allowPositionals: true,
    options: Object.fromEntries(named.map(([name, { type, short }]) => [
      kebab(name),
      {
        type: type === "boolean" ? "boolean" : "string",
        ...(short && { short }),
      },
    ])),
  });
  const given: Given = new Map();
  const help = tokens.some((token) =>
    token.kind === "option" && (token.name === "help"
      ? token.value !== "false"
      // Taken for the value of the option before it.
      : !token.inlineValue && !takesAny(flags[token.name]) &&
        ["--help", "-h"].includes(token.value ?? ""))
  );
  if (help) given.set("help", ["true"]);
  else readTokens(args, tokens, entries, given);

  const value = (name: string, flag: Flag): unknown => {
    const option = flag.positional ? name : `--${kebab(name)}`;
    const values = given.get(name)?.map((text) => convert(option, text, flag));
    if (values) return flag.type === "list" ? values : values.at(-1);
    const env = !help && "env" in flag ? flag.env : undefined;
    const variable = env && Deno.env.get(env);
    return variable ? convert(`$${env}`, variable, flag) : defaultOf(flag);
  };
  return Object.fromEntries(
    entries.map(([name, flag]) => [name, value(name, flag)]),
  ) as Options<T & typeof COMMON_FLAGS>;
}

/** The value of every option of the table if none is given. */
export function defaults<T extends Flags>({ flags }: Command<T>): Options<T> {
  return Object.fromEntries(
    Object.entries(flags).map(([name, flag]) => [name, defaultOf(flag)]),
  ) as Options<T>;
}

function defaultOf(flag: Flag): unknown {
  if (flag.type === "boolean") return false;
  return flag.type === "list" ? [] : flag.default;
}

/** The values that a command line gives, by the option's name in the table. */
type Given = Map<string, string[]>;

type Token = NonNullable<ReturnType<typeof parseArgs>["tokens"]>[number];

const takesAny = (flag?: Flag) => flag?.type === "text" && flag.any;

function readTokens(
  args: string[],
  tokens: Token[],
  entries: [string, Flag][],
  given: Given,
): void {
  const positionals = entries.filter(([, flag]) => flag.positional);
  const add = (name: string, value: string) =>
    given.set(name, [...given.get(name) ?? [], value]);
  for (const token of tokens) {
    if (token.kind === "positional") {
      const positional = positionals.shift();
      if (!positional) {
        throw new UsageError(`unexpected argument ${quoted(token.value)}`);
      }
      add(positional[0], token.value);
    } else if (token.kind === "option") {
      // -n=5, -q=false: the parser takes each character for an option.
      const [, first, rest] = /^(-\w)=(.*)$/s.exec(args[token.index]) ?? [];
      if (first !== undefined && token.rawName !== first) continue;
      const found = entries.find(([name, flag]) =>
        !flag.positional && kebab(name) === token.name
      );
      if (!found) throw new UsageError(`unknown option ${token.rawName}`);
      add(found[0], rest ?? valueOf(token, found[1]));
    }
  }
}

function valueOf(token: Token & { kind: "option" }, flag: Flag): string {
  const { name, value, inlineValue } = token;
  if (flag.type === "boolean") return value ?? "true";
  if (value === undefined) throw new UsageError(`--${name} needs a value`);
  if (!inlineValue && !takesAny(flag) && /^-[^\d.]/.test(value)) { // more likely the next option
    throw new UsageError(
      `--${name} needs a value; if it is ${quoted(value)}, write --${name}=…`,
    );
  }
  return value;
}

/** The text that `--help` prints. */
export function helpText({ name, summary, flags }: Command): string {
  const rows = Object.entries({ ...flags, ...COMMON_FLAGS } as Flags)
    .map(([name, flag]) => {
      const left = flag.positional
        ? `  [${name}]`
        : `  ${flag.short ? `-${flag.short},` : "   "} --${kebab(name)}` +
          (flag.type === "boolean"
            ? ""
            : ` <${"min" in flag ? "n" : flag.placeholder ?? "text"}>`);
      return [left, flag.help + defaultText(flag)];
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

function defaultText(flag: Flag): string {
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
  flag: Flag,
): string | number | boolean {
  if (given === "" && !takesAny(flag)) {
    throw new UsageError(`${option} needs a value`);
  }
  try {
    if (flag.type === "boolean") return parseBoolean(given);
    if ("min" in flag) return parseNumber(given, flag);
    return flag.check?.(given) ?? given;
  } catch (error) {
    throw new UsageError(
      `${option}: ${quoted(given)} ${(error as Error).message}`,
    );
  }
}

/** Text of the user's as a message repeats it: cut, and without a password. */
function quoted(text: string): string {
  const hidden = text.replace(/^(\w+:\/\/)?([^:]*):.*@/s, "$1$2:***@");
  return JSON.stringify(cut(hidden, 100));
}

function parseBoolean(text: string): boolean {
  if (text !== "true" && text !== "false") {
    throw new Error("is neither true nor false");
  }
  return text === "true";
}

const UNITS: Record<string, string> = { "": "", k: "e3", m: "e6" };

/** `10k`, `2.5m`, `1_000_000` or `0.5`. */
function parseNumber(text: string, { type, min, max }: NumberFlag): number {
  const match = /^(\d+(?:_\d+)*(?:\.\d+)?)([km]?)$/i.exec(text);
  // As one literal, or 1.001k would not be 1001.
  const value = match
    ? Number(
      match[1].replaceAll("_", "") + UNITS[match[2].toLowerCase()],
    )
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
