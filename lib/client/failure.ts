/**
 * Why a connection could not be opened or kept, in plain words.
 *
 * @module
 */

import { STATUS_TEXT } from "@std/http/status";
import { CLOSE } from "../protocol.ts";
import { cut, escapeText, hideSecrets } from "../text.ts";

/** How a connection ended before its work was done. */
export interface Failure {
  /** What happened, in a line. */
  message: string;
  /** Whether another try would end the same way. */
  fatal: boolean;
  /** Whether fewer requests at a time might end otherwise. */
  policy?: boolean;
}

/** Close codes after which another try would end the same way (RFC 6455 section
 * 7.4.1). */
const FATAL_CODES: Record<number, string> = {
  [CLOSE.PROTOCOL_ERROR]: "protocol error",
  [CLOSE.UNSUPPORTED_DATA]: "unsupported data",
  [CLOSE.INVALID_DATA]: "invalid payload data",
  [CLOSE.POLICY_VIOLATION]: "policy violation",
  [CLOSE.TOO_BIG]: "message too big",
};

/** Statuses below 500 that allow another try: Request Timeout, Too Early, Too Many
 * Requests. */
const PASSING_STATUSES = [408, 425, 429];

/** What Deno says of a handshake that failed, what that means, and whether another try
 * would fail, too. The first row that matches counts; `$1` is what it captured. */
const HANDSHAKE_ERRORS: [cause: RegExp, meaning: string, fatal: boolean][] = [
  [
    /UnknownIssuer/,
    "its certificate is from an unknown authority; see --ca",
    true,
  ],
  [
    /CaUsedAsEndEntity/,
    "its certificate is an authority's own; make one for the server " +
    "(basicConstraints CA:FALSE)",
    true,
  ],
  [
    /NotValidForName|certificate not valid for name/,
    "its certificate is for another host",
    true,
  ],
  [/Expired|certificate expired/, "its certificate has expired", true],
  [/NotValidYet|not valid yet/, "its certificate is not valid yet", true],
  [/invalid peer certificate: (.*)/, "its certificate is not valid: $1", true],
  [/NoApplicationProtocol/, "its TLS does not offer HTTP/1.1", true],
  [
    /InvalidContentType/,
    "it does not speak TLS; use ws:// and not wss://",
    true,
  ],
  [
    /(HandshakeFailure|InsufficientSecurity)/,
    "its TLS has no cipher that this client has, or it wants a client " +
    "certificate; see --cert ($1)",
    true,
  ],
  [
    /CertificateRequired|BadCertificate/,
    "it wants a client certificate; see --cert",
    true,
  ],
  [
    /((?:received (?:fatal alert|corrupt message)|peer (?:misbehaved|is incompatible)).*)/,
    "TLS failed ($1)",
    true,
  ],
  [/invalid HTTP/, "it does not speak HTTP", true],
  [
    /(Invalid upgrade header)/,
    "it does not speak WebSocket at that path ($1)",
    true,
  ],
  [
    /Invalid connection header/,
    'its answer has another Connection header than "Upgrade", and Deno takes ' +
    'no list there, such as "keep-alive, Upgrade"',
    true,
  ],
  [
    /message head is too large/,
    "its answer to the handshake is too long to read",
    true,
  ],
  [
    /tcp connect error: (Can.*t assign requested address.*)/,
    "no TCP connection: no local port is left for another one ($1)",
    false,
  ],
  [
    /tcp connect error(?!: (?!Connection refused))/,
    "no TCP connection (is the server running?)",
    false,
  ],
  [/tcp connect error: (.*)/, "no TCP connection: $1", false],
  [
    /tcp open error(?!: (?!Too many open files))/,
    "no file descriptor is left for another connection (see ulimit -n)",
    false,
  ],
  [
    /proxy authentication required/,
    "the proxy wants a user and a password: http://user:password@host",
    true,
  ],
  [/unsuccessful tunnel/, "the proxy could not connect to it", false],
  [/dns error/, "no address is known for its host name", false],
  [
    /a second handshake succeeded/,
    "the handshake failed, and another one succeeded",
    false,
  ],
  // Deno does not tell more over TLS, and `fetch` could not be asked.
  [/HTTP\/2/i, "the handshake failed", false],
  [
    /tls handshake eof/,
    "it closed the connection during the TLS handshake",
    false,
  ],
  [
    /connection (?:closed before|error)|operation was canceled|reset by peer/,
    "it closed the connection instead of answering the handshake",
    false,
  ],
];

/** Errors that a server with TLS may cause at a handshake without. */
const PERHAPS_TLS =
  /invalid HTTP version|closed before message completed|status code: 400/;

/** What a status may mean beyond its name. */
const STATUS_HINTS: Record<number, string> = {
  200: "no WebSocket is there, or a proxy before it does not pass Upgrade",
  400:
    "it may want a subprotocol (--subprotocol) or a client certificate (--cert)",
  401: "see --header, or put user:password@ into the URL",
  403: "it may take some origins only; see --header",
  404: "ws-random's endpoint is /ws",
  407: "the proxy wants a user and a password: http://user:password@host",
  426: "a proxy before it may not pass Upgrade",
};

/**
 * Describes how a connection ended.
 *
 * @param code Of the close event; without a close frame Deno has 0 where it should be
 * 1006.
 * @param error The message of an error event before that.
 * @param secure Whether it is a `wss://` URL.
 */
export function describeFailure(
  code: number,
  reason: string,
  error: string,
  secure: boolean,
): Failure {
  if (code !== 0 && code !== CLOSE.ABNORMAL) {
    const meaning = code in FATAL_CODES ? ` (${FATAL_CODES[code]})` : "";
    const said = reason && `: ${cut(escapeText(reason), 125)}`;
    return {
      message: `closed with ${code}${meaning}${said}`,
      fatal: code in FATAL_CODES,
      policy: code === CLOSE.POLICY_VIOLATION,
    };
  }
  const cause = /failed to connect to WebSocket: (.*)/s.exec(error)?.[1];
  if (cause === undefined) {
    const why = error.replace(/^(Network)?Error: /, "") || "no close frame";
    const message = `connection lost (1006, ${quoted(why)})`;
    return { message, fatal: false };
  }
  const failure = failedHandshake(cause);
  if (!secure && PERHAPS_TLS.test(cause)) {
    failure.message += "; if that is a TLS port, use wss://";
  }
  return failure;
}

function failedHandshake(cause: string): Failure {
  const [, status, location] =
    /Invalid status code: (\d{3}) ?(.*)/.exec(cause) ?? [];
  if (status) return refusal(Number(status), location);
  for (const [pattern, meaning, fatal] of HANDSHAKE_ERRORS) {
    const match = pattern.exec(cause);
    if (!match) continue;
    const detail = quoted(match[1] ?? "");
    return { message: meaning.replace("$1", () => detail), fatal };
  }
  return { message: quoted(cause), fatal: false };
}

/** Text from outside, harmless and of a length for a line. */
function quoted(text: string): string {
  return cut(escapeText(text), 200);
}

function refusal(status: number, location: string): Failure {
  const name = STATUS_TEXT[status as keyof typeof STATUS_TEXT];
  const refused = `handshake refused with ${status}${name ? ` ${name}` : ""}`;
  if (location !== "") {
    const url = quoted(hideSecrets(location));
    const final = url.replace(/^http/, "ws");
    const message = `${refused}; it redirects to ${url}: give ${final}`;
    return { message, fatal: true };
  }
  const hint = STATUS_HINTS[status];
  return {
    message: hint === undefined ? refused : `${refused}; ${hint}`,
    fatal: !(status >= 500 && status < 600) &&
      !PASSING_STATUSES.includes(status),
  };
}
