/**
 * What the server counts, and how Prometheus reads it (text format 0.0.4).
 *
 * @module
 */

import { VERSION } from "../cli/command.ts";
import { CLOSE } from "../protocol.ts";
import { REFUSAL_REASONS, type RefusalReason } from "./handshake.ts";

/** A metric, with a sample for each value of its label. */
interface Family<Value extends string = string> {
  name: string;
  type: "counter" | "gauge";
  /** What is counted. */
  help: string;
  /** The samples' labels, `{code="1000"}` say, by the value. */
  labels: Record<Value, string>;
  /** Where each sample is in the memory of a worker, by the value of its label. */
  at: Record<Value, number>;
}

/** How many samples there are. */
let length = 0;

/** Defines a metric, and takes its part of the memory of a worker. */
function family<Value extends string>(
  type: Family["type"],
  name: string,
  help: string,
  label = "",
  values: readonly Value[] = ["" as Value],
): Family<Value> {
  const each = <T>(make: (value: Value) => T) =>
    Object.fromEntries(values.map((value) => [value, make(value)])) as Record<
      Value,
      T
    >;
  return {
    ...{ type, name, help },
    labels: each((value) => label && `{${label}="${value}"}`),
    at: each(() => length++),
  };
}

/** The close codes that RFC 6455 section 7.4.1 names, and `other` for the rest,
 * so that peers cannot make labels without end. */
const CLOSE_LABELS = [
  ...Array.from({ length: 16 }, (_, index) => String(1000 + index)),
  "other",
];

const CONNECTIONS = family(
  "counter",
  "ws_random_connections_total",
  "Connections accepted.",
);
const REQUESTS = family(
  "counter",
  "ws_random_requests_total",
  "Requests whose response was handed to the socket.",
);
const RECEIVED = family(
  "counter",
  "ws_random_received_bytes_total",
  "Bytes of messages received, without what WebSocket, TLS and TCP add.",
);
const SENT = family(
  "counter",
  "ws_random_sent_bytes_total",
  "Bytes of responses handed to the socket.",
);
const REFUSALS = family(
  "counter",
  "ws_random_refusals_total",
  "Handshakes refused, by reason.",
  "reason",
  REFUSAL_REASONS,
);
const CLOSES = family(
  "counter",
  "ws_random_closes_total",
  "Connections closed, by close code.",
  "code",
  CLOSE_LABELS,
);
const FAMILIES: Family[] = [
  CONNECTIONS,
  REQUESTS,
  RECEIVED,
  SENT,
  REFUSALS,
  CLOSES,
];

/** Bytes before the samples, in the memory that workers share: when the server was
 * started, and how many connections are open. */
const HEAD_BYTES = 2 * Float64Array.BYTES_PER_ELEMENT;
const WORKER_BYTES = length * Float64Array.BYTES_PER_ELEMENT;

/** The metrics of a server, all its workers together. Each worker counts in memory of
 * its own, so that none waits for another. */
export class Metrics {
  #startedAt: Float64Array;
  #open: Int32Array;
  /** Those of each worker. */
  #workers: Float64Array[];
  #own: Float64Array;

  /**
   * @param memory From {@linkcode Metrics.memory}, shared by all workers.
   * @param worker Which of them counts here, from 0 on.
   */
  constructor(memory = Metrics.memory(1), worker = 0) {
    this.#startedAt = new Float64Array(memory, 0, 1);
    this.#open = new Int32Array(memory, this.#startedAt.byteLength, 1);
    this.#workers = [];
    for (let at = HEAD_BYTES; at < memory.byteLength; at += WORKER_BYTES) {
      this.#workers.push(new Float64Array(memory, at, length));
    }
    this.#own = this.#workers[worker];
  }

  /** Memory for the metrics of a server that starts now. */
  static memory(workers: number): SharedArrayBuffer {
    const memory = new SharedArrayBuffer(HEAD_BYTES + workers * WORKER_BYTES);
    new Float64Array(memory)[0] = now();
    return memory;
  }

  /** Connections that are not over. */
  get open(): number {
    return Atomics.load(this.#open, 0);
  }

  /** Connections accepted. */
  get connections(): number {
    return this.#sum(CONNECTIONS.at[""]);
  }

  /** Requests whose response was handed to the socket. */
  get requests(): number {
    return this.#sum(REQUESTS.at[""]);
  }

  /** Handshakes refused for this reason. */
  refusals(reason: RefusalReason): number {
    return this.#sum(REFUSALS.at[reason]);
  }

  /** Connections closed with this code. */
  closes(code: number): number {
    return this.#sum(CLOSES.at[closeLabel(code)]);
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
    this.#own[CONNECTIONS.at[""]]++;
    return true;
  }

  /** Counts a message. */
  receive(bytes: number): void {
    this.#own[RECEIVED.at[""]] += bytes;
  }

  /** Counts a message in response to so many requests. */
  answer(requests: number, bytes: number): void {
    this.#own[REQUESTS.at[""]] += requests;
    this.#own[SENT.at[""]] += bytes;
  }

  refuse(reason: RefusalReason): void {
    this.#own[REFUSALS.at[reason]]++;
  }

  /** Counts a connection that is over, by its close code. */
  close(code: number): void {
    Atomics.sub(this.#open, 0, 1);
    this.#own[CLOSES.at[closeLabel(code)]]++;
  }

  /** Counts the connections of a worker that died as closed without a close frame. */
  abandon(worker: number): void {
    const counted = this.#workers[worker];
    let open = counted[CONNECTIONS.at[""]];
    for (const at of Object.values(CLOSES.at)) open -= counted[at];
    Atomics.sub(this.#open, 0, open);
    counted[CLOSES.at[closeLabel(CLOSE.ABNORMAL)]] += open;
  }

  /** All of them as Prometheus text. */
  toString(): string {
    const { rss } = Deno.memoryUsage();
    return [
      ...gauge(
        "ws_random_connections_open",
        "Connections open now.",
        this.open,
      ),
      ...FAMILIES.flatMap(({ name, type, help, labels, at }) => [
        ...head(name, type, help),
        ...Object.entries(at).map(([value, index]) =>
          `${name}${labels[value]} ${this.#sum(index)}`
        ),
      ]),
      ...gauge(
        "process_start_time_seconds",
        "When the server was started, in seconds since 1970.",
        this.#startedAt[0] / 1000,
      ),
      ...gauge(
        "process_resident_memory_bytes",
        "Memory of the process, all workers together.",
        rss,
      ),
      ...head(
        "ws_random_build_info",
        "gauge",
        "Always 1; its label tells the version.",
      ),
      `ws_random_build_info{version="${VERSION}"} 1`,
    ].join("\n");
  }

  /** The value of a sample, of all workers together. */
  #sum(at: number): number {
    return this.#workers.reduce((sum, worker) => sum + worker[at], 0);
  }
}

function closeLabel(code: number): string {
  return code in CLOSES.at ? String(code) : "other";
}

function gauge(name: string, help: string, value: number): string[] {
  return [...head(name, "gauge", help), `${name} ${value}`];
}

function head(name: string, type: string, help: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

/** Milliseconds since 1970, of a clock that all workers share and nobody sets. */
function now(): number {
  return performance.timeOrigin + performance.now();
}
