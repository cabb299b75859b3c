/**
 * The page's files.
 *
 * @module
 */

import { eTag } from "@std/http/etag";
import { STATUS_CODE } from "@std/http/status";
import appJs from "../../static/app.js" with { type: "text" };
import chartJs from "../../static/chart.js" with { type: "text" };
import connectionJs from "../../static/connection.js" with { type: "text" };
import earlyJs from "../../static/early.js" with { type: "text" };
import manyJs from "../../static/many.js" with { type: "text" };
import oneJs from "../../static/one.js" with { type: "text" };
import faviconSvg from "../../static/favicon.svg" with { type: "text" };
import indexHtml from "../../static/index.html" with { type: "text" };
import proofJs from "../../static/proof.js" with { type: "text" };
import styleCss from "../../static/style.css" with { type: "text" };
import { HIGHEST } from "../../static/proof.js";
import { VERSION } from "../cli/command.ts";
import { reply } from "./responses.ts";

/** By the end of a file's name. The standard library's table of all types would take
 * 5 ms of each start. */
const TYPES: Record<string, string> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
};

/** How often each number is expected among 10,000. */
const EXPECTED = 10_000 / HIGHEST;

/** What stands in braces in index.html. The page's scripts know it too, but come after
 * the first paint. */
const VALUES: Record<string, string | number> = {
  version: VERSION,
  highest: HIGHEST,
  expected: Math.round(EXPECTED),
  deviation: Math.round(2 * Math.sqrt(EXPECTED * (1 - 1 / HIGHEST))),
  axis: [1, ...[1, 2, 3, 4].map((part) => Math.round(HIGHEST * part / 4))]
    .map((number) => {
      const middle = `x="${(number - 0.5) / HIGHEST * 100}%"`;
      const look = 'y="1em" text-anchor="middle" fill="currentColor"';
      return `<text ${middle} ${look}>${number}</text>`;
    })
    .join(""),
};

/** The page's files. They are imported as text, so that they are part of the program
 * wherever it runs from: a folder, a binary or a registry. */
const FILES: Record<string, string> = {
  "index.html": indexHtml.replaceAll(
    /\{(\w+)\}/g,
    (_, name) => String(VALUES[name]),
  ),
  "app.js": appJs,
  "chart.js": chartJs,
  "connection.js": connectionJs,
  "early.js": earlyJs,
  "many.js": manyJs,
  "one.js": oneJs,
  "proof.js": proofJs,
  "style.css": styleCss,
  "favicon.svg": faviconSvg,
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
  for (const [name, text] of Object.entries(FILES)) {
    const body = new TextEncoder().encode(text);
    assets.set(name === "index.html" ? "/" : `/${name}`, {
      body,
      headers: {
        "content-type": TYPES[name.split(".").at(-1)!],
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
export function assetResponse(
  { headers }: Pick<Request, "headers">,
  asset: Asset,
): Response {
  const cached = names(headers.get("if-none-match"), asset.headers.etag);
  return cached
    ? reply(STATUS_CODE.NotModified, null, asset.headers)
    : reply(STATUS_CODE.OK, asset.body, asset.headers);
}

/** Whether an `If-None-Match` (RFC 9110 section 13.1.2) is `*` or lists this ETag, weak
 * or not. With its quotes it can be found nowhere but as an element of a list, for
 * it has no comma and no ETag has a quote inside. */
function names(header: string | null, etag: string): boolean {
  return header === "*" || header?.includes(etag) === true;
}
