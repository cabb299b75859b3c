/**
 * The server's side of the opening handshake (RFC 6455 section 4.2): whether a
 * request asks for a WebSocket, and every reason to refuse it. Deno itself accepts
 * any version, key, method and origin.
 *
 * @module
 */

import { STATUS_CODE } from "@std/http/status";
import { isLoopback } from "../protocol.ts";
import { cut } from "../text.ts";
import { isHost } from "./responses.ts";

/** Why handshakes are refused: the labels of the metrics. */
export const REFUSAL_REASONS = [
  "method",
  "upgrade",
  "version",
  "key",
  "host",
  "origin",
  "full",
  "draining",
] as const;
export type RefusalReason = typeof REFUSAL_REASONS[number];

/** Why a handshake is refused, for the peer, the operator and the metrics. */
export interface Refusal {
  /** The label in the metrics. */
  reason: RefusalReason;
  /** The HTTP status. */
  status: number;
  /** A line: what came, what was expected, and what to do. */
  message: string;
  /** Headers that tell the client what would be accepted. */
  headers?: Record<string, string>;
}

/** What decides which origins a server admits. */
export interface Admission {
  /** Of the page that it serves. */
  scheme: "http" | "https";
  /** Whether only this machine can reach it. Then a foreign name in `Host` is an
   * attacker's that resolves to this machine (DNS rebinding). */
  loopback: boolean;
  /** Origins that it admits beside its own; `*` for any. */
  allowOrigin: readonly string[];
}

export const DRAINING: Refusal = {
  reason: "draining",
  status: STATUS_CODE.ServiceUnavailable,
  message: "this server shuts down; connect again to reach another",
  headers: { "retry-after": "1" },
};

export function full(connections: number): Refusal {
  return {
    reason: "full",
    status: STATUS_CODE.ServiceUnavailable,
    message: `all ${connections} connections are in use; try again later, ` +
      "or raise --max-connections",
    headers: { "retry-after": "1" },
  };
}

/** Peers that do not read hold too much, or messages that arrive. */
export const OUT_OF_MEMORY: Refusal = {
  reason: "full",
  status: STATUS_CODE.ServiceUnavailable,
  message: "this server's memory is in use; try again later, or limit the " +
    "connections of one address",
  headers: { "retry-after": "1" },
};

/** The only version there is (RFC 6455 section 4.2.1, item 6). */
const WEBSOCKET_VERSION = "13";

/** 16 bytes of base64 (RFC 6455 section 4.2.1, item 5): the last character
 * before the padding carries two bits only. */
const WEBSOCKET_KEY = /^[A-Za-z0-9+/]{21}[AQgw]==$/;

/** Whether the request asks to become a WebSocket (RFC 6455 section 4.2.1,
 * items 3 and 4; both headers are compared in lower case). */
export function asksForWebSocket({ headers }: Request): boolean {
  const lists = (name: string, token: string) =>
    elements(headers.get(name)?.toLowerCase()).includes(token);
  return lists("upgrade", "websocket") && lists("connection", "upgrade");
}

/** Whether the client offers a subprotocol, compared exactly (RFC 6455 section
 * 4.2.2, item 5). */
export function offersProtocol({ headers }: Request, name: string): boolean {
  return elements(headers.get("sec-websocket-protocol")).includes(name);
}

/** The elements of a comma-separated header. */
function elements(header: string | null | undefined): string[] {
  return header?.split(",").map(withoutBlanks) ?? [];
}

/** HTTP's blanks are two (RFC 9110 section 5.6.3); `trim` knows more, by which Deno
 * finds another element than this program. */
function withoutBlanks(text: string): string {
  const isBlank = (at: number) => text[at] === " " || text[at] === "\t";
  let [start, end] = [0, text.length];
  while (isBlank(start)) start++;
  while (end > start && isBlank(end - 1)) end--;
  return text.slice(start, end);
}

/** Characters of an address that a proxy tells: more than an IPv6 address has. */
const MAX_ADDRESS = 60;

/** What Deno tells of a peer that is gone already. */
const NO_ADDRESS = "0.0.0.0";

/** Who asks, for the operator: the address, and what the proxy there says of it. Of
 * several in `X-Forwarded-For` the last is the one that this proxy has seen. */
export function peerOf({ headers }: Request, address: string): string {
  if (address === NO_ADDRESS) return "a peer that was gone";
  const forwarded = headers.get("x-forwarded-for");
  if (!forwarded) return address;
  const last = forwarded.slice(forwarded.lastIndexOf(",") + 1).trim();
  return `${cut(last, MAX_ADDRESS)} by way of ${address}`;
}

/**
 * Checks a request for the endpoint.
 *
 * @returns The first reason to refuse the request, `undefined` if there is none.
 */
export function refusal(
  request: Request,
  admission: Admission,
): Refusal | undefined {
  const { headers, method } = request;
  if (method !== "GET") {
    return {
      reason: "method",
      status: STATUS_CODE.MethodNotAllowed,
      message: `a WebSocket is opened with GET, not ${brief(method)}`,
      headers: { allow: "GET" },
    };
  }
  if (!asksForWebSocket(request)) {
    return noUpgrade("this is a WebSocket endpoint; the page is at /");
  }
  // Several lines look like a list here. Of them Deno 2.9 takes the first, and after
  // another protocol than this one it fails in a way that ends the process.
  const upgrade = headers.get("upgrade") ?? "";
  if (upgrade.includes(",")) {
    const sent = brief(upgrade);
    return noUpgrade(`Upgrade must be websocket alone, not "${sent}"`);
  }
  const version = headers.get("sec-websocket-version");
  if (version !== WEBSOCKET_VERSION) {
    return {
      reason: "version",
      status: STATUS_CODE.UpgradeRequired,
      message: `Sec-WebSocket-Version must be ${WEBSOCKET_VERSION}, not "${
        brief(version ?? "")
      }"`,
      headers: { "sec-websocket-version": WEBSOCKET_VERSION },
    };
  }
  const key = headers.get("sec-websocket-key") ?? "";
  if (!WEBSOCKET_KEY.test(key)) {
    return {
      reason: "key",
      status: STATUS_CODE.BadRequest,
      message: `Sec-WebSocket-Key must be 16 bytes of base64, not "${
        brief(key)
      }"`,
    };
  }
  const host = headers.get("host");
  if (host === null || !isHost(host)) {
    return {
      reason: "host",
      status: STATUS_CODE.BadRequest,
      message: host === null
        ? "a handshake must have a Host header"
        : `Host must be a host, not "${brief(host)}"`,
    };
  }
  const message = foreignOrigin(headers, admission);
  if (message) {
    return { reason: "origin", status: STATUS_CODE.Forbidden, message };
  }
}

function noUpgrade(message: string): Refusal {
  return {
    reason: "upgrade",
    status: STATUS_CODE.UpgradeRequired,
    message,
    headers: { upgrade: "websocket", connection: "Upgrade" },
  };
}

/**
 * Admits clients that are no browser (no `Origin`), the server's own page, and the
 * allowed origins. A proxy that ends TLS says so in `X-Forwarded-Proto`, which no
 * page can set on a WebSocket; its first element is what the browser used.
 *
 * @returns What is wrong with the origin, `undefined` if it is admitted.
 */
function foreignOrigin(
  headers: Headers,
  { scheme, loopback, allowOrigin }: Admission,
): string | undefined {
  const origin = headers.get("origin");
  if (
    origin === null || allowOrigin.includes("*") || allowOrigin.includes(origin)
  ) return undefined;
  const [proto] = elements(headers.get("x-forwarded-proto"));
  const forwarded = /^https?$/i.test(proto) ? proto : undefined;
  const own = URL.parse(
    `${forwarded ?? scheme}://${headers.get("host") ?? ""}`,
  );
  const page = `page of ${brief(origin)}, but this server`;
  if (own && loopback && !forwarded && !isLoopback(own.hostname)) {
    const host = brief(own.host);
    return `${page} listens on this machine only and is not ${host}; ${REMEDY}`;
  }
  if (own?.origin === origin) return undefined;
  const name = own ? brief(own.origin) : "not named in Host";
  return `${page} is ${name}; ${REMEDY}`;
}

const REMEDY = "set X-Forwarded-Proto in the proxy or --allow-origin";

/** As much of a header as a message repeats. */
function brief(text: string): string {
  return cut(text, 100);
}
