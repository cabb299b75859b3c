/**
 * What the server counts, and how Prometheus reads it (text format 0.0.4).
 *
 * @module
 */

/** Counters since the start; none of them ever goes down. */
export interface Metrics {
  /** When the server started, in milliseconds of `performance.now()`. */
  startedAt: number;
  /** Connections accepted. */
  connections: number;
  /** Requests answered. */
  requests: number;
  /** Handshakes refused, by reason. */
  refusals: Map<string, number>;
  /** Connections closed, by close code. */
  closes: Map<string, number>;
}

/** Counters at zero. */
export function createMetrics(): Metrics {
  return {
    startedAt: performance.now(),
    connections: 0,
    requests: 0,
    refusals: new Map(),
    closes: new Map(),
  };
}

/** Counts one more of a kind. */
export function count(counter: Map<string, number>, label: string): void {
  counter.set(label, (counter.get(label) ?? 0) + 1);
}

/** The label of a close code. A code that RFC 6455 section 7.4.1 does not name
 * is `other`, so that peers cannot make labels without end. */
export function closeLabel(code: number): string {
  return code >= 1000 && code <= 1015 ? String(code) : "other";
}

/** Seconds since the start. */
export function uptimeSeconds({ startedAt }: Metrics): number {
  return Math.floor((performance.now() - startedAt) / 1000);
}

/**
 * The counters as Prometheus text.
 *
 * @param open Connections open now.
 */
export function prometheusText(metrics: Metrics, open: number): string {
  const { connections, requests, refusals, closes } = metrics;
  const labelled = (name: string, label: string, map: Map<string, number>) =>
    [...map].map(([value, n]) => `ws_random_${name}{${label}="${value}"} ${n}`);
  return [
    ...family("connections_open", "gauge", "Connections open now."),
    `ws_random_connections_open ${open}`,
    ...family("connections_total", "counter", "Connections accepted."),
    `ws_random_connections_total ${connections}`,
    ...family("requests_total", "counter", "Requests answered."),
    `ws_random_requests_total ${requests}`,
    ...family("refusals_total", "counter", "Handshakes refused."),
    ...labelled("refusals_total", "reason", refusals),
    ...family("closes_total", "counter", "Connections closed, by close code."),
    ...labelled("closes_total", "code", closes),
    ...family("uptime_seconds", "gauge", "Seconds since the start."),
    `ws_random_uptime_seconds ${uptimeSeconds(metrics)}`,
  ].join("\n");
}

function family(name: string, type: string, help: string): string[] {
  return [
    `# HELP ws_random_${name} ${help}`,
    `# TYPE ws_random_${name} ${type}`,
  ];
}
