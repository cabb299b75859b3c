/**
 * The report of a run as text for people.
 *
 * @module
 */

import { cut, escapeText, plural } from "../text.ts";
import { DOUBTFUL, ENOUGH_NUMBERS, type Report } from "./report.ts";

/** Columns of the text. */
const COLUMNS = 80;
const NAME_COLUMNS = 11;

/** The report as text, all but its {@linkcode verdict}. */
export function reportText(report: Report): string {
  const { answered, firstInvalid, latencyMs, numbers } = report;
  const counted =
    (["sent", "answered", "missing", "invalid", "overtaken"] as const)
      .map((name) => `${report[name]} ${name}`);
  const latencies = Object.entries(latencyMs)
    .map(([name, ms]) => `${name} ${ms?.toFixed(2)}`);
  const rows: Record<string, string[] | false> = {
    server: [report.url],
    requests: counted,
    missing: report.missing > 0 && rangesText(report.missingRequests),
    invalid: firstInvalid !== null && [
      firstInvalid.request
        ? `first for request ${firstInvalid.request}`
        : "first answers no request in flight",
      JSON.stringify(firstInvalid.response),
    ],
    time: [`${report.seconds} s`, `${report.perSecond} answered per second`],
    "in flight": [
      `${report.inFlight} at most on ${
        report.connections > 1 ? "each of " : ""
      }` +
      plural(report.connections, "connection"),
      `${report.reconnects} reconnects`,
      `${report.resent} resent`,
    ],
    "latency ms": answered > 0 && latencies,
    numbers: answered > 0 && [
      `${numbers.min} to ${numbers.max}`,
      `mean ${numbers.mean}`,
      `chi-square ${numbers.chiSquare}`,
      `p-value ${numbers.pValue}${doubt(report)}`,
    ],
  };
  return Object.entries(rows)
    .filter((row): row is [string, string[]] => row[1] !== false)
    .map(([name, parts]) => name.padEnd(NAME_COLUMNS) + wrap(parts))
    .join("\n");
}

function doubt({ answered, numbers }: Report): string {
  if (answered < ENOUGH_NUMBERS) return ": too few to tell";
  return numbers.pValue! < DOUBTFUL ? ": not uniform?" : "";
}

/** Wraps parts into lines; one that is too long for a line is cut. */
function wrap(parts: string[]): string {
  const columns = COLUMNS - NAME_COLUMNS;
  const lines: string[] = [];
  parts.forEach((text, index) => {
    const comma = index < parts.length - 1 ? "," : "";
    const part = cut(escapeText(text), columns - 1) + comma;
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + part.length <= columns) {
      lines[lines.length - 1] = `${line} ${part}`;
    } else lines.push(part);
  });
  return lines.join(`\n${" ".repeat(NAME_COLUMNS)}`);
}

/** The last line of the text. */
export function verdict(report: Report): string {
  const { ok, answered, count, missing, overtaken, invalid, resent } = report;
  const start = `${answered} of ${count} requests answered`;
  if (ok) {
    return `${start} exactly once${resent > 0 ? `, ${resent} sent twice` : ""}`;
  }
  const faults = [
    missing > 0 && !report.interrupted && `${missing} missing`,
    overtaken > 0 && `${overtaken} overtaken`,
    invalid > 0 && `${invalid} invalid`,
  ].filter((fault) => fault !== false);
  if (faults.length === 0 && missing === 0) faults.push("numbers not uniform");
  return (report.interrupted ? "interrupted: " : "") + start +
    (faults.length > 0 ? `: ${faults.join(", ")}` : "");
}

/** How many ranges of missing requests the text names; the JSON names all. */
const RANGES_SHOWN = 10;

function rangesText(ranges: [number, number][]): string[] {
  const shown = ranges.slice(0, RANGES_SHOWN)
    .map(([first, last]) => first === last ? `${first}` : `${first}-${last}`);
  const more = ranges.length - shown.length;
  return more > 0 ? [...shown, `${more} more ranges in --json`] : shown;
}
