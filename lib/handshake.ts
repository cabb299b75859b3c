/**
 * The server's side of the opening handshake, RFC 6455 section 4.2: whether a
 * request asks for a WebSocket, and why it may be refused. Deno's own check
 * accepts more: any version, any key, any method, any origin.
 *
 * @module
 */

import { STATUS_CODE } from "@std/http/status";

/** Why a handshake is refused, as the answer and the metrics say it. */
export interface Refusal {
  /** The label in the metrics. */
  reason: "method" | "upgrade" | "version" | "key" | "origin" | "full";
  /** The HTTP status. */
  status: number;
  /** What is wrong, in a line. */
  message: string;
  /** Headers that tell the client what would be right. */
  headers?: Record<string, string>;
}

/** The only version there is (RFC 6455 section 4.2.1, item 6). */
const WEBSOCKET_VERSION = "13";

/** 16 bytes of base64 (RFC 6455 section 4.2.1, item 5): the last character
 * before the padding carries two bits only. */
const WEBSOCKET_KEY = /^[A-Za-z0-9+/]{21}[AQgw]==$/;

/** Whether the request asks to become a WebSocket (RFC 6455 section 4.2.1,
 * items 3 and 4). */
export function asksForWebSocket({ headers }: Request): boolean {
  return hasToken(headers.get("upgrade"), "websocket") &&
    hasToken(headers.get("connection"), "upgrade");
}

/**
 * Checks a request for the endpoint.
 *
 * @param scheme The scheme of the page that this server serves.
 * @param allowed Origins let in beside the server's own; `*` for any.
 * @returns The first reason to refuse the request, `undefined` if there is none.
 */
export function refusal(
  request: Request,
  scheme: "http" | "https",
  allowed: readonly string[],
): Refusal | undefined {
  const { headers, method } = request;
  if (method !== "GET") {
    return {
      reason: "method",
      status: STATUS_CODE.MethodNotAllowed,
      message: `a WebSocket is opened with GET, not ${method}`,
      headers: { allow: "GET" },
    };
  }
  if (!asksForWebSocket(request)) {
    return {
      reason: "upgrade",
      status: STATUS_CODE.UpgradeRequired,
      message: "this is a WebSocket endpoint; the page is at /",
      headers: { upgrade: "websocket", connection: "Upgrade" },
    };
  }
  if (headers.get("sec-websocket-version") !== WEBSOCKET_VERSION) {
    return {
      reason: "version",
      status: STATUS_CODE.UpgradeRequired,
      message: `Sec-WebSocket-Version must be ${WEBSOCKET_VERSION}`,
      headers: { "sec-websocket-version": WEBSOCKET_VERSION },
    };
  }
  if (!WEBSOCKET_KEY.test(headers.get("sec-websocket-key") ?? "")) {
    return {
      reason: "key",
      status: STATUS_CODE.BadRequest,
      message: "Sec-WebSocket-Key must be 16 bytes of base64",
    };
  }
  if (!originAllowed(headers, scheme, allowed)) {
    return {
      reason: "origin",
      status: STATUS_CODE.Forbidden,
      message: "pages of this origin may not connect; see --allow-origin",
    };
  }
}

/** Whether the client offers a subprotocol (RFC 6455 section 4.2.2, item 5). */
export function offersProtocol({ headers }: Request, name: string): boolean {
  return hasToken(headers.get("sec-websocket-protocol"), name);
}

/** Lets in who is no browser (no `Origin`), the server's own page, and the
 * origins allowed. A proxy that ends TLS says so in `X-Forwarded-Proto`, which
 * no page can set on a WebSocket. */
function originAllowed(
  headers: Headers,
  scheme: string,
  allowed: readonly string[],
): boolean {
  const origin = headers.get("origin");
  if (origin === null || allowed.includes("*") || allowed.includes(origin)) {
    return true;
  }
  const outside = headers.get("x-forwarded-proto") ?? scheme;
  const own = URL.parse(`${outside}://${headers.get("host")}`)?.origin;
  return own !== "null" && origin === own;
}

/** Whether a comma-separated header holds a token, in upper or lower case. */
function hasToken(header: string | null, token: string): boolean {
  return header?.toLowerCase().split(",").some((part) =>
    part.trim() === token
  ) ?? false;
}
