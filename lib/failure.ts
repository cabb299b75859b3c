/**
 * Why a connection could not be opened or kept, in plain words.
 *
 * @module
 */

import { STATUS_TEXT } from "@std/http/status";
import { cut, escapeText } from "./terminal.ts";

/** How a connection ended before its work was done. */
export interface Failure {
  /** What happened, in a line. */
  message: string;
  /** Whether another try would end the same way. */
  fatal: boolean;
  /** Whether fewer requests at a time might end otherwise. */
  policy?: boolean;
  /** Whether there was no server to talk to. */
  unreachable?: boolean;
}

/** Close codes that mean another try would end the same way (RFC 6455 section
 * 7.4.1). */
const FATAL_CODES: Record<number, string> = {
  1002: "protocol error",
  1003: "unsupported data",
  1007: "invalid payload data",
  1008: "policy violation",
  1009: "message too big",
};

/** Statuses below 500 that ask for another try: Request Timeout, Too Early, Too
 * Many Requests. */
const PASSING_STATUSES = [408, 425, 429];

/** What Deno says when a handshake fails, and what that means. Another try would
 * end the same way. */
const HANDSHAKE_ERRORS: [RegExp, string][] = [
  [/UnknownIssuer/, "its certificate is from an unknown authority; see --ca"],
  [
    /CaUsedAsEndEntity/,
    "its certificate is an authority's own; make one for the server " +
    "(basicConstraints CA:FALSE)",
  ],
  [
    /NotValidForName|certificate not valid for name/,
    "its certificate is for another host",
  ],
  [/Expired|certificate expired/, "its certificate has expired"],
  [/NotValidYet|not valid yet/, "its certificate is not valid yet"],
  [/invalid peer certificate: (.*)/, "its certificate is not valid: $1"],
  [/NoApplicationProtocol/, "its TLS does not offer HTTP/1.1"],
  [/InvalidContentType/, "it does not speak TLS; use ws:// and not wss://"],
  [
    /invalid HTTP version/,
    "it does not speak HTTP; if that is TLS, use wss:// and not ws://",
  ],
];

/**
 * Describes how a connection ended.
 *
 * @param code Of the close event; 0 if there was no close frame, where the event
 * should say 1006.
 * @param error What an error event before that said.
 */
export function describeFailure(
  code: number,
  reason: string,
  error: string,
): Failure {
  if (code !== 0 && code !== 1006) {
    const meaning = code in FATAL_CODES ? ` (${FATAL_CODES[code]})` : "";
    const said = reason && `: ${cut(escapeText(reason), 125)}`;
    return {
      message: `closed with ${code}${meaning}${said}`,
      fatal: code in FATAL_CODES,
      policy: code === 1008,
    };
  }
  const cause = /failed to connect to WebSocket: (.*)/s.exec(error)?.[1];
  if (cause === undefined) {
    const why = error.replace(/^(Network)?Error: /, "") || "no close frame";
    const message = `connection lost (1006, ${cut(escapeText(why), 200)})`;
    return { message, fatal: false };
  }
  const status = Number(/Invalid status code: (\d{3})/.exec(cause)?.[1]);
  if (status) return refusedHandshake(status);
  for (const [pattern, message] of HANDSHAKE_ERRORS) {
    const match = pattern.exec(cause);
    if (!match) continue;
    const detail = cut(escapeText(match[1] ?? ""), 200);
    return { message: message.replace("$1", () => detail), fatal: true };
  }
  return {
    message: cut(escapeText(cause), 200),
    fatal: false,
    unreachable: true,
  };
}

function refusedHandshake(status: number): Failure {
  const name = STATUS_TEXT[status as keyof typeof STATUS_TEXT] ?? "";
  return {
    message: `handshake refused with ${status} ${name}`.trimEnd(),
    fatal: status < 500 && !PASSING_STATUSES.includes(status),
  };
}
