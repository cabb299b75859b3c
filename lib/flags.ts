/**
 * The options of each command, in one table each. The table gives the types,
 * the defaults, the help text and the usage errors, so they cannot differ.
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

/** Deno does not receive a message that is longer. */
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

/** `ws-random server` */
export const serverCommand = {
  name: "server",
  summary: "Serve the page and the WebSocket endpoint.",
  flags: {
    host: {
      type: "text",
      default: "127.0.0.1",
      env: "HOST",
      help: "address to listen on; 0.0.0.0 for all",
    },
    port: {
      type: "integer",
      short: "p",
      default: 8000,
      env: "PORT",
      min: 0,
      max: 65535,
      help: "port to listen on; 0 takes a free one",
    },
    allowOrigin: {
      type: "list",
      check: checkOrigin,
      help: "let pages of this origin connect too; may be repeated; * for any",
    },
    maxConnections: {
      type: "integer",
      default: 10_000,
      min: 1,
      max: 1_000_000,
      help: "open connections; more get 503",
    },
    maxMessage: {
      type: "integer",
      default: 65_536,
      min: 1,
      max: MAX_MESSAGE_BYTES,
      help: "bytes of a request; larger ones close with 1009",
    },
    maxBacklog: {
      type: "integer",
      default: 1_048_576,
      min: 1024,
      max: 1_073_741_824,
      help: "bytes waiting for one slow reader; more close with 1008",
    },
    idleTimeout: {
      type: "decimal",
      default: 30,
      min: 0,
      max: 86_400,
      help: "seconds until a silent peer is dropped; 0 for never",
    },
    grace: {
      type: "decimal",
      default: 5,
      min: 0,
      max: 3600,
      help: "seconds for open connections at shutdown",
    },
    cert: {
      type: "text",
      help: "PEM file of the certificate chain, for https and wss",
    },
    key: { type: "text", help: "PEM file of its private key" },
    reusePort: {
      type: "boolean",
      help: "let several processes listen on one port (Linux)",
    },
  },
} as const satisfies Command;

/** What `ws-random server` takes. */
export type ServerOptions = Options<typeof serverCommand.flags>;

/** `ws-random client` */
export const clientCommand = {
  name: "client",
  summary: "Send requests, print the responses and check every one.",
  flags: {
    url: {
      type: "text",
      positional: true,
      default: "ws://127.0.0.1:8000/ws",
      check: checkUrl,
      help: "the server; http(s):// is taken as ws(s)://",
    },
    count: {
      type: "integer",
      short: "n",
      default: 10_000,
      min: 1,
      max: 1_000_000_000,
      help: "requests in all",
    },
    connections: {
      type: "integer",
      short: "c",
      default: 1,
      min: 1,
      max: 60_000,
      help: "share the requests among so many connections",
    },
    window: {
      type: "integer",
      short: "w",
      default: 1000,
      min: 1,
      max: 1_000_000,
      help: "unanswered requests per connection; 1 is strict ping-pong",
    },
    batch: {
      type: "integer",
      short: "b",
      default: 1,
      min: 1,
      max: 1000,
      help: "requests per message, at most; more than 1 by ws-random.lines",
    },
    message: {
      type: "text",
      default: "Message {i}",
      help: "text of a request; {i} is 1, 2, 3, …",
    },
    rate: {
      type: "decimal",
      min: 0.001,
      max: 1_000_000,
      help: "requests per second, evenly spaced; unlimited if not given",
    },
    timeout: {
      type: "decimal",
      default: 10,
      min: 0.1,
      max: 86_400,
      help: "seconds without an answer until a connection counts as dead",
    },
    retries: {
      type: "integer",
      default: 5,
      min: 0,
      max: 1_000_000,
      help: "reconnects in a row without progress before giving up",
    },
    quiet: { type: "boolean", short: "q", help: "no response lines" },
    json: {
      type: "boolean",
      help: "the report as JSON on stdout, no response lines",
    },
    histogram: { type: "boolean", help: "draw the numbers received" },
  },
} as const satisfies Command;

/** What `ws-random client` takes. */
export type ClientOptions = Options<typeof clientCommand.flags>;

const { url: _url, ...demoFlags } = clientCommand.flags;

/** `ws-random demo`: the client's options but for the URL. */
export const demoCommand = {
  name: "demo",
  summary: "Start a server on a free port and run the client against it.",
  flags: demoFlags,
} as const satisfies Command;

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

function checkUrl(text: string): string {
  const url = URL.parse(text.replace(/^http(?=s?:)/i, "ws"));
  if (!url || !/^wss?:$/.test(url.protocol)) {
    throw new Error("is not a URL like ws://127.0.0.1:8000/ws");
  }
  url.hash = ""; // never sent, and the WebSocket constructor refuses it
  return url.href;
}

function checkOrigin(text: string): string {
  if (text === "*") return text;
  const origin = URL.parse(text)?.origin ?? "null";
  if (origin === "null") {
    throw new Error("is not * or an origin like https://example.com");
  }
  return origin;
}
