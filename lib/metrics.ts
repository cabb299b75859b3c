/**
 * What the server counts, and how Prometheus reads it (text format 0.0.4).
 *
 * @module
 */

/** Why a handshake is refused. */
export const REFUSAL_REASONS = [
  "method",
  "upgrade",
  "version",
  "key",
  "origin",
  "full",
  "draining",
] as const;

/** Why a handshake is refused. */
export type RefusalReason = typeof REFUSAL_REASONS[number];

/** The close codes that RFC 6455 section 7.4.1 names, and `other` for the rest,
 * so that peers cannot make labels without end. */
const CLOSE_LABELS = [
  ...Array.from({ length: 16 }, (_, index) => String(1000 + index)),
  "other",
];

/** Every counter, by the name of its sample. */
const COUNTERS = [
  "connections_total",
  "requests_total",
  ...REFUSAL_REASONS.map((reason) => `refusals_total{reason="${reason}"}`),
  ...CLOSE_LABELS.map((code) => `closes_total{code="${code}"}`),
];
const INDEX = new Map(COUNTERS.map((name, index) => [name, index]));

const FAMILIES: [name: string, type: string, help: string][] = [
  ["connections_open", "gauge", "Connections open now."],
  ["connections_total", "counter", "Connections accepted."],
  ["requests_total", "counter", "Requests answered."],
  ["refusals_total", "counter", "Handshakes refused, by reason."],
  ["closes_total", "counter", "Connections closed, by close code."],
  ["uptime_seconds", "gauge", "Seconds since the start."],
];

/** Counters since the start, none of which ever goes down, and the number of
 * connections that are open. */
export class Metrics {
  #startedAt = performance.now();
  #counters = new Float64Array(COUNTERS.length);
  #open = 0;

  /** Connections that are not over. */
  get open(): number {
    return this.#open;
  }

  /** Connections accepted. */
  get connections(): number {
    return this.get("connections_total");
  }

  /** Requests whose response was handed to the socket. */
  get requests(): number {
    return this.get("requests_total");
  }

  /** Whole seconds since the start. */
  get uptimeSeconds(): number {
    return Math.floor((performance.now() - this.#startedAt) / 1000);
  }

  /** Counts a connection, unless so many are open already. */
  accept(most: number): boolean {
    if (this.#open >= most) return false;
    this.#open++;
    this.#add("connections_total", 1);
    return true;
  }

  answer(requests: number): void {
    this.#add("requests_total", requests);
  }

  refuse(reason: RefusalReason): void {
    this.#add(`refusals_total{reason="${reason}"}`, 1);
  }

  /** Counts a connection that is over, by its close code. */
  close(code: number): void {
    this.#open--;
    const label = code >= 1000 && code <= 1015 ? code : "other";
    this.#add(`closes_total{code="${label}"}`, 1);
  }

  /** The value of a counter, by the name of its sample. */
  get(name: string): number {
    return this.#counters[INDEX.get(name)!];
  }

  /** All of them as Prometheus text. */
  toString(): string {
    const samples = [
      `connections_open ${this.#open}`,
      ...COUNTERS.map((name) => `${name} ${this.get(name)}`),
      `uptime_seconds ${this.uptimeSeconds}`,
    ];
    return FAMILIES.flatMap(([family, type, help]) => [
      `# HELP ws_random_${family} ${help}`,
      `# TYPE ws_random_${family} ${type}`,
      ...samples.filter((sample) => sample.split(/[{ ]/)[0] === family)
        .map((sample) => `ws_random_${sample}`),
    ]).join("\n");
  }

  #add(name: string, count: number): void {
    this.#counters[INDEX.get(name)!] += count;
  }
}
