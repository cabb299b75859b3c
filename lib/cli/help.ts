/**
 * The text that `--help` prints, made from a command's table of options.
 *
 * @module
 */

import {
  type Command,
  COMMON_FLAGS,
  type Flag,
  type Flags,
  kebab,
} from "./flags.ts";

/** The widest line of the help, in characters. */
const COLUMNS = 80;

/** The text that `--help` prints. */
export function helpText({ name, summary, flags }: Command): string {
  const all: Flags = { ...flags, ...COMMON_FLAGS };
  const rows = Object.entries(all).map(([name, flag]) => ({
    group: flag.group ?? "",
    left: leftColumn(name, flag),
    right: [...flag.help.split(" "), ...defaultText(flag)],
  }));
  const width = Math.max(...rows.map(({ left }) => left.length)) + 2;
  const lines: string[] = [];
  let heading = "";
  for (const { group, left, right } of rows) {
    if (group !== heading) lines.push("", ...(group ? [`${group}:`] : []));
    heading = group;
    const [first, ...more] = wrap(right, COLUMNS - width);
    lines.push(left.padEnd(width) + first);
    lines.push(...more.map((line) => " ".repeat(width) + line));
  }
  const positionals = Object.entries(flags)
    .filter(([, { positional }]) => positional)
    .map(([name, { none }]) => ` [${name}]${none === undefined ? "" : "…"}`)
    .join("");
  return [
    summary,
    "",
    `Usage: ws-random ${name}${positionals} [options]`,
    ...(rows[0].group ? [] : [""]),
    ...lines,
    "",
    "Counts may be written 10k, 2m (million), 1e6 or 1_000_000, and times 500ms, 10s,",
    "5m (minutes) or 1h; a bare number is seconds.",
  ].join("\n");
}

function leftColumn(name: string, flag: Flag): string {
  if (flag.positional) return `  [${name}]`;
  const short = flag.short ? `-${flag.short},` : "   ";
  const value = flag.value === undefined ? "" : ` <${flag.value}>`;
  return `  ${short} --${kebab(name)}${value}`;
}

/** In brackets, if there is one. */
function defaultText({ default: value, env }: Flag): string[] {
  if (value === undefined) return [];
  return [`[default: ${value}${env ? `, or $${env}` : ""}]`];
}

/** Puts words into lines. */
function wrap(words: string[], columns: number): string[] {
  const lines = [""];
  for (const word of words) {
    const line = lines[lines.length - 1];
    if (line !== "" && line.length + 1 + word.length > columns) {
      lines.push(word);
    } else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines;
}
