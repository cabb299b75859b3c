/**
 * What there is to GET: the page, and what the server tells of itself.
 *
 * @module
 */

import { STATUS_CODE } from "@std/http/status";
import { cut } from "../text.ts";
import type { Metrics } from "./metrics.ts";
import { type Asset, assetResponse } from "./page.ts";
import { reply } from "./responses.ts";

/** What a server has to show. */
export interface Content {
  /** The page's files by path. */
  assets: Map<string, Asset>;
  metrics: Metrics;
  /** Whether load balancers may send new connections. */
  ready: boolean;
}

/**
 * The response to a request that names no host: HTTP/2 in cleartext, of which a peer can
 * leave 200 bodies on a connection untaken, 12 kB each, for as long as it likes; or a
 * load balancer's check by HTTP/1.0; or what should be refused (RFC 9112 section 3.2).
 *
 * @returns The status alone.
 */
export function bareResponse(path: string, { ready }: Content): Response {
  if (path === "/livez") return probeResponse(true);
  const probes = path === "/readyz" || path === "/healthz";
  return probes ? probeResponse(ready) : reply(STATUS_CODE.BadRequest, null);
}

/** The response to any request that is not for the endpoint. */
export function contentResponse(
  request: Request,
  path: string,
  content: Content,
): Response {
  const found = find(request, path, content);
  if (!found) {
    return reply(STATUS_CODE.NotFound, `nothing at ${cut(path, 100)}`);
  }
  if (request.method === "GET" || request.method === "HEAD") return found;
  return reply(
    STATUS_CODE.MethodNotAllowed,
    `${cut(request.method, 100)} is not allowed here`,
    { allow: "GET, HEAD" },
  );
}

function find(
  request: Request,
  path: string,
  { assets, metrics, ready }: Content,
): Response | undefined {
  const asset = assets.get(path);
  if (asset) return assetResponse(request, asset);
  if (path === "/healthz") return healthResponse(metrics, ready);
  if (path === "/livez") return probeResponse(true);
  if (path === "/readyz") return probeResponse(ready);
  if (path === "/metrics") return metricsResponse(metrics);
}

/** Tells a load balancer whether to send new connections here, and people more. */
function healthResponse(metrics: Metrics, ready: boolean): Response {
  const health = {
    status: ready ? "ok" : "draining",
    connections: metrics.open,
    uptimeSeconds: metrics.uptimeSeconds,
  };
  return reply(
    ready ? STATUS_CODE.OK : STATUS_CODE.ServiceUnavailable,
    JSON.stringify(health),
    { "content-type": "application/json", "cache-control": "no-store" },
  );
}

/** Tells a load balancer yes or no. */
function probeResponse(yes: boolean): Response {
  const status = yes ? STATUS_CODE.OK : STATUS_CODE.ServiceUnavailable;
  return reply(status, null, { "cache-control": "no-store" });
}

function metricsResponse(metrics: Metrics): Response {
  return reply(STATUS_CODE.OK, String(metrics), {
    "content-type": "text/plain; version=0.0.4; charset=utf-8",
    "cache-control": "no-store",
  });
}
