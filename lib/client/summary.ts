/**
 * The report of a run as text for people.
 *
 * @module
 */

import { cut, escapeText, plural } from "../text.ts";
import type { Report } from "./report.ts";
import type { Invalid } from "./counters.ts";

/** How many ranges of requests, or reasons of breaks, the text names; the JSON names
 * all. */
const SHOWN = 10;

/** Columns of the text. */
const COLUMNS = 80;
const NAME_COLUMNS = 11;

/** The report as text, all but its {@linkcode verdict}. */
export function reportText(report: Report): string {
  const { answered, firstInvalid, latencyMs, lateMs, numbers } = report;
  const [pause] = report.pauses;
  const manyHandshakes = report.connections + report.reconnects > 1;
  const counted =
    (["sent", "answered", "missing", "lost", "invalid", "overtaken"] as const)
      .map((name) => `${report[name]} ${name}`);
  const rows: Record<string, string[] | false> = {
    server: report.subprotocol === null
      ? [report.url]
      : [report.url, `subprotocol ${report.subprotocol}`],
    requests: counted,
    missing: report.missing > 0 && rangesText(report.missingRequests),
    lost: report.lost > 0 && rangesText(report.lostRequests),
    invalid: firstInvalid !== null && invalidText(firstInvalid),
    time: [`${report.seconds} s`, `${report.perSecond} answered per second`],
    "in flight": [
      `${report.inFlight} at most on ${
        report.connections > 1 ? "each of " : ""
      }` +
      plural(report.connections, "connection"),
      `${report.reconnects} reconnects`,
      `${report.resent} resent`,
    ],
    breaks: report.breaks.length > 0 && breaksText(report.breaks),
    "gave up": report.gaveUp > 0 && [plural(report.gaveUp, "connection")],
    "latency ms": answered > 0 && percentiles(latencyMs),
    "late ms": lateMs !== null && answered > 0 && percentiles(lateMs),
    "pause ms": pause !== undefined && [
      `${pause.ms.toFixed(2)} at most`,
      `from ${(pause.atMs / 1000).toFixed(3)} s on`,
    ],
    "connect ms": manyHandshakes && percentiles(report.handshakeMs),
    numbers: numbers.mean !== null && [
      `${numbers.min} to ${numbers.max}`,
      `mean ${numbers.mean}`,
      `chi-square ${numbers.chiSquare}`,
      numbers.uniform,
    ],
  };
  return Object.entries(rows)
    .filter((row): row is [string, string[]] => row[1] !== false)
    .map(([name, parts]) => name.padEnd(NAME_COLUMNS) + wrap(parts))
    .join("\n");
}

function percentiles(values: Record<string, number | null>): string[] {
  return Object.entries(values)
    .filter((entry): entry is [string, number] => entry[1] !== null)
    .map(([name, ms]) => `${name} ${ms.toFixed(2)}`);
}

function invalidText({ request, reason, response }: Invalid): string[] {
  const which = request === null ? "first" : `first for request ${request}`;
  const text = response === null ? [] : [JSON.stringify(response)];
  return [`${which}: ${reason}`, ...text];
}

/** How many breaks there were, and how many for each reason. */
function breaksText(breaks: Report["breaks"]): string[] {
  const counts = new Map<string, number>();
  for (const { reason } of breaks) {
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  const reasons = [...counts].sort(([, a], [, b]) => b - a)
    .map(([reason, count]) => `${count} × ${reason}`);
  if (reasons.length > 1) reasons[0] = `${breaks.length}: ${reasons[0]}`;
  return firstOf(reasons, "reasons");
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
  const { ok, answered, count, missing, resent, breaks } = report;
  const start = `${answered} of ${count} requests answered`;
  if (ok) {
    const again = `, ${resent} sent again after ${
      plural(breaks.length, "break")
    }`;
    const crossed = report.crossedLimits.map((limit) => `, but ${limit}`);
    return `${start} exactly once${resent > 0 ? again : ""}${crossed.join("")}`;
  }
  const faults = (["missing", "lost", "overtaken", "invalid"] as const)
    .filter((name) => name !== "missing" || !report.interrupted)
    .filter((name) => report[name] > 0)
    .map((name) => `${report[name]} ${name}`);
  if (faults.length === 0 && missing === 0) faults.push("numbers not uniform");
  return (report.interrupted ? "interrupted: " : "") + start +
    (faults.length > 0 ? `: ${faults.join(", ")}` : "");
}

function rangesText(ranges: [number, number][]): string[] {
  const texts = ranges.map(([first, last]) =>
    first === last ? `${first}` : `${first}-${last}`
  );
  return firstOf(texts, "ranges");
}

function firstOf(texts: string[], what: string): string[] {
  const more = texts.length - SHOWN;
  if (more <= 0) return texts;
  return [...texts.slice(0, SHOWN), `${more} more ${what} in --json`];
}
