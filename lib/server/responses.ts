/**
 * HTTP responses, the headers that each of them carries, and the page's files.
 *
 * @module
 */

import { eTag, ifNoneMatch } from "@std/http/etag";
import { STATUS_CODE } from "@std/http/status";
import appJs from "../../static/app.js" with { type: "text" };
import connectionJs from "../../static/connection.js" with { type: "text" };
import elementJs from "../../static/element.js" with { type: "text" };
import manyJs from "../../static/many.js" with { type: "text" };
import oneJs from "../../static/one.js" with { type: "text" };
import faviconSvg from "../../static/favicon.svg" with { type: "text" };
import indexHtml from "../../static/index.html" with { type: "text" };
import proofJs from "../../static/proof.js" with { type: "text" };
import manyCss from "../../static/many.css" with { type: "text" };
import oneCss from "../../static/one.css" with { type: "text" };
import styleCss from "../../static/style.css" with { type: "text" };
import type { Metrics } from "./metrics.ts";
import { VERSION } from "../version.ts";

/** The page may load and connect to this server only, and has no inline script or
 * style. `'self'` covers `ws:` and `wss:` of the same host in today's browsers (CSP
 * level 3). */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** Sent with every response, also with errors and handshakes. */
export const SECURITY_HEADERS: Record<string, string> = {
  "content-security-policy": CONTENT_SECURITY_POLICY,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

/**
 * @param body Text gets a newline at its end, for readers at a terminal.
 * @param headers Added to the security headers; without a `content-type` a body is
 * plain text.
 */
export function reply(
  status: number,
  body: string | Uint8Array<ArrayBuffer> | null,
  headers: Record<string, string> = {},
): Response {
  return new Response(typeof body === "string" ? `${body}\n` : body, {
    status,
    headers: {
      ...(body === null ? {} : { "content-type": "text/plain; charset=utf-8" }),
      ...SECURITY_HEADERS,
      ...headers,
    },
  });
}

const CSS = "text/css; charset=utf-8";
const JAVASCRIPT = "text/javascript; charset=utf-8";

/** The page's files by path. They are imported as text, so that they are part of the
 * program wherever it runs from: a folder, a binary or a registry. */
const FILES: Record<string, { text: string; type: string }> = {
  "/": {
    text: indexHtml.replace("{version}", VERSION),
    type: "text/html; charset=utf-8",
  },
  "/app.js": { text: appJs, type: JAVASCRIPT },
  "/connection.js": { text: connectionJs, type: JAVASCRIPT },
  "/element.js": { text: elementJs, type: JAVASCRIPT },
  "/many.js": { text: manyJs, type: JAVASCRIPT },
  "/one.js": { text: oneJs, type: JAVASCRIPT },
  "/proof.js": { text: proofJs, type: JAVASCRIPT },
  "/style.css": { text: styleCss, type: CSS },
  "/one.css": { text: oneCss, type: CSS },
  "/many.css": { text: manyCss, type: CSS },
  "/favicon.svg": { text: faviconSvg, type: "image/svg+xml" },
};

/** A file in memory and its headers. */
export interface Asset {
  body: Uint8Array<ArrayBuffer>;
  /** `Content-Type`, a strong `ETag`, and `Cache-Control`. */
  headers: Record<string, string>;
}

/** The page's files by the path they are served at. */
export async function loadAssets(): Promise<Map<string, Asset>> {
  const assets = new Map<string, Asset>();
  for (const [path, { text, type }] of Object.entries(FILES)) {
    const body = new TextEncoder().encode(text);
    assets.set(path, {
      body,
      headers: {
        "content-type": type,
        "etag": await eTag(body) as string,
        // The browser asks each time, so that it gets a new version; and Deno before
        // 2.7 does not compress the file, which would make the ETag weak.
        "cache-control": "no-cache, no-transform",
      },
    });
  }
  return assets;
}

/** The response to a GET or HEAD of an asset: 304 if the browser has it. */
export function assetResponse(request: Request, asset: Asset): Response {
  const { body, headers } = asset;
  return ifNoneMatch(request.headers.get("if-none-match"), headers.etag)
    ? reply(STATUS_CODE.OK, body, headers)
    : reply(STATUS_CODE.NotModified, null, headers);
}

/** The path as it was sent: `new URL` would resolve a `..` that a proxy in front,
 * which guards a path, has passed on. `undefined` if the host would change where the
 * path begins. */
export function pathOf({ url, headers }: Request): string | undefined {
  const host = headers.get("host");
  if (host && (/[/?#\\@\s]/.test(host) || !URL.canParse(`http://${host}`))) {
    return undefined;
  }
  return /^\w+:\/\/[^/?#]*([^?#]*)/.exec(url)?.[1];
}

/** Tells a load balancer whether to send new connections here. */
export function healthResponse(metrics: Metrics, draining: boolean): Response {
  const health = {
    status: draining ? "draining" : "ok",
    connections: metrics.open,
    uptimeSeconds: metrics.uptimeSeconds,
  };
  return reply(
    draining ? STATUS_CODE.ServiceUnavailable : STATUS_CODE.OK,
    JSON.stringify(health),
    { "content-type": "application/json", "cache-control": "no-store" },
  );
}

export function metricsResponse(metrics: Metrics): Response {
  return reply(STATUS_CODE.OK, String(metrics), {
    "content-type": "text/plain; version=0.0.4; charset=utf-8",
    "cache-control": "no-store",
  });
}
