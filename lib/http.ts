/**
 * HTTP responses, the headers that every one of them carries, and the page's
 * files, read once and served from memory.
 *
 * @module
 */

import { eTag, ifNoneMatch } from "@std/http/etag";
import { STATUS_CODE } from "@std/http/status";
import { VERSION } from "./version.ts";

/** Nothing but what this server itself serves may run, be shown or connected
 * to; no inline script or style. `'self'` covers `ws:` and `wss:` of the same
 * host in today's browsers (CSP level 3). */
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

/** Sent with every response, errors and the handshake included. */
export const SECURITY_HEADERS: Record<string, string> = {
  "content-security-policy": CONTENT_SECURITY_POLICY,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

/**
 * Makes a response.
 *
 * @param body Text gets a newline at its end, for the reader at a terminal.
 * @param headers Added to the security headers; `content-type` is plain text if
 * it is not among them.
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

const encode = (text: string) => new TextEncoder().encode(text);

/** The files and their types, by the path they are served at. */
const FILES: Record<string, { file: string; type: string }> = {
  "/": { file: "index.html", type: "text/html; charset=utf-8" },
  "/app.js": { file: "app.js", type: "text/javascript; charset=utf-8" },
  "/connection.js": {
    file: "connection.js",
    type: "text/javascript; charset=utf-8",
  },
  "/element.js": { file: "element.js", type: "text/javascript; charset=utf-8" },
  "/one.js": { file: "one.js", type: "text/javascript; charset=utf-8" },
  "/many.js": { file: "many.js", type: "text/javascript; charset=utf-8" },
  "/proof.js": { file: "proof.js", type: "text/javascript; charset=utf-8" },
  "/style.css": { file: "style.css", type: "text/css; charset=utf-8" },
  "/favicon.svg": { file: "favicon.svg", type: "image/svg+xml" },
};

/** A file in memory and the headers it is served with. */
export interface Asset {
  /** What the file holds. */
  body: Uint8Array<ArrayBuffer>;
  /** `Content-Type`, a strong `ETag`, and `Cache-Control`. */
  headers: Record<string, string>;
}

/**
 * Reads the assets.
 *
 * @returns The assets by the path they are served at.
 *
 * @throws {Deno.errors.NotFound} If a file is missing.
 */
export async function loadAssets(): Promise<Map<string, Asset>> {
  return new Map(
    await Promise.all(
      Object.entries(FILES).map(async ([path, { file, type }]) => {
        const url = new URL(`../static/${file}`, import.meta.url);
        const body = file === "index.html"
          ? encode((await Deno.readTextFile(url)).replace("{version}", VERSION))
          : await Deno.readFile(url);
        const headers = {
          "content-type": type,
          "etag": await eTag(body) as string,
          // Asked for each time, so that a new version shows; and never
          // compressed by Deno before 2.7, which would make the ETag weak.
          "cache-control": "no-cache, no-transform",
        };
        return [path, { body, headers }] as const;
      }),
    ),
  );
}

/** The response to a GET or HEAD of an asset: 304 if the browser has it. */
export function assetResponse(request: Request, asset: Asset): Response {
  const { body, headers } = asset;
  return ifNoneMatch(request.headers.get("if-none-match"), headers.etag)
    ? reply(STATUS_CODE.OK, body, headers)
    : reply(STATUS_CODE.NotModified, null, headers);
}
