/**
 * What the server counts, and how Prometheus reads it (text format 0.0.4).
 *
 * @module
 */

import { CLOSE } from "../protocol.ts";
import { REFUSAL_REASONS, type RefusalReason } from "./handshake.ts";

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

const REQUESTS = INDEX.get("requests_total")!;

const FAMILIES: [name: string, type: string, help: string][] = [
  ["connections_open", "gauge", "Connections open now."],
  ["connections_total", "counter", "Connections accepted."],
  ["requests_total", "counter", "Requests answered."],
  ["refusals_total", "counter", "Handshakes refused, by reason."],
  ["closes_total", "counter", "Connections closed, by close code."],
  ["uptime_seconds", "gauge", "Seconds since the start."],
];

/** Bytes before the counters, in the memory that workers share: when the server was
 * started, and how many connections are open. */
const HEAD_BYTES = 2 * Float64Array.BYTES_PER_ELEMENT;
const COUNTERS_BYTES = COUNTERS.length * Float64Array.BYTES_PER_ELEMENT;

/** The counters and the number of open connections of a server, all its workers
 * together. Each worker adds to counters of its own, so that none waits for another. */
export class Metrics {
  #startedAt: Float64Array;
  #open: Int32Array;
  /** Those of each worker. */
  #counters: Float64Array[];
  #own: Float64Array;

  /**
   * @param memory From {@linkcode Metrics.memory}, shared by all workers.
   * @param worker Which of them counts here, from 0 on.
   */
  constructor(memory = Metrics.memory(1), worker = 0) {
    this.#startedAt = new Float64Array(memory, 0, 1);
    this.#open = new Int32Array(memory, this.#startedAt.byteLength, 1);
    const workers = (memory.byteLength - HEAD_BYTES) / COUNTERS_BYTES;
    this.#counters = Array.from(
      { length: workers },
      (_, index) =>
        new Float64Array(
          memory,
          HEAD_BYTES + index * COUNTERS_BYTES,
          COUNTERS.length,
        ),
    );
    this.#own = this.#counters[worker];
  }

  /** Memory for the metrics of a server that starts now. */
  static memory(workers: number): SharedArrayBuffer {
    const memory = new SharedArrayBuffer(HEAD_BYTES + workers * COUNTERS_BYTES);
    new Float64Array(memory)[0] = now();
    return memory;
  }

  /** Connections that are not over. */
  get open(): number {
    return Atomics.load(this.#open, 0);
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
    return Math.floor((now() - this.#startedAt[0]) / 1000);
  }

  /** Counts a connection, unless the most are open already. */
  accept(most: number): boolean {
    if (Atomics.add(this.#open, 0, 1) >= most) {
      Atomics.sub(this.#open, 0, 1);
      return false;
    }
    this.#add("connections_total", 1);
    return true;
  }

  answer(requests: number): void {
    this.#own[REQUESTS] += requests; // at every message
  }

  refuse(reason: RefusalReason): void {
    this.#add(`refusals_total{reason="${reason}"}`, 1);
  }

  /** Counts a connection that is over, by its close code. */
  close(code: number): void {
    Atomics.sub(this.#open, 0, 1);
    const label = code >= 1000 && code <= 1015 ? code : "other";
    this.#add(`closes_total{code="${label}"}`, 1);
  }

  /** Counts the connections of a worker that died as closed without a close frame. */
  abandon(worker: number): void {
    const metrics = new Metrics(this.#open.buffer as SharedArrayBuffer, worker);
    const closed = CLOSE_LABELS.map((code) => `closes_total{code="${code}"}`);
    let open = metrics.#own[INDEX.get("connections_total")!];
    for (const name of closed) open -= metrics.#own[INDEX.get(name)!];
    while (open-- > 0) metrics.close(CLOSE.ABNORMAL);
  }

  /** The value of a counter, by the name of its sample. */
  get(name: string): number {
    const index = INDEX.get(name)!;
    return this.#counters.reduce((sum, counters) => sum + counters[index], 0);
  }

  /** All of them as Prometheus text. */
  toString(): string {
    const samples = [
      `connections_open ${this.open}`,
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
    this.#own[INDEX.get(name)!] += count;
  }
}

/** Milliseconds of a clock that all workers share. */
function now(): number {
  return performance.timeOrigin + performance.now();
}
