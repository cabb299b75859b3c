/**
 * What the server counts, and how Prometheus reads it (text format 0.0.4).
 *
 * @module
 */

import { VERSION } from "../cli/command.ts";
import { CLOSE } from "../protocol.ts";
import { REFUSAL_REASONS, type RefusalReason } from "./handshake.ts";

/** Counters that differ in a label: where each is in the memory of a worker. */
interface Family<Value extends string = string> {
  name: string;
  /** What is counted. */
  help: string;
  label: string;
  at: Record<Value, number>;
}

/** How many counters there are. */
let length = 0;

/** Takes a family's part of the memory. Without a label it has one counter, "". */
function family<Value extends string>(
  name: string,
  help: string,
  label = "",
  values: readonly Value[] = ["" as Value],
): Family<Value> {
  const at = {} as Record<Value, number>;
  for (const value of values) at[value] = length++;
  return { name: `ws_random_${name}`, help, label, at };
}

/** The close codes that RFC 6455 section 7.4.1 names, and `other` for the rest,
 * so that peers cannot make labels without end. */
const CLOSE_LABELS = [
  ...Array.from({ length: 16 }, (_, index) => String(1000 + index)),
  "other",
];

const FAMILIES = {
  connections: family("connections_total", "Connections accepted."),
  requests: family(
    "requests_total",
    "Requests whose response was handed to the socket while it was open.",
  ),
  received: family(
    "received_bytes_total",
    "Bytes of messages received, without what WebSocket, TLS and TCP add.",
  ),
  sent: family("sent_bytes_total", "Bytes of these responses."),
  refusals: family(
    "refusals_total",
    "Handshakes refused, by reason.",
    "reason",
    REFUSAL_REASONS,
  ),
  closes: family(
    "closes_total",
    "Connections over, by the close code of the side that ended it; 1006 if " +
      "it told none.",
    "code",
    CLOSE_LABELS,
  ),
};
const CONNECTIONS = FAMILIES.connections.at[""];
const REQUESTS = FAMILIES.requests.at[""];
const RECEIVED = FAMILIES.received.at[""];
const SENT = FAMILIES.sent.at[""];
const REFUSALS = FAMILIES.refusals.at;
const CLOSES = FAMILIES.closes.at;

/** Bytes before the counters, in the memory that workers share: when the server was
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

  /** How many workers count here. */
  get workers(): number {
    return this.#workers.length;
  }

  /** Connections that are not over. */
  get open(): number {
    return Atomics.load(this.#open, 0);
  }

  /** Connections accepted. */
  get connections(): number {
    return this.#sum(CONNECTIONS);
  }

  /** Requests whose response was handed to the socket while it was open. */
  get requests(): number {
    return this.#sum(REQUESTS);
  }

  /** Connections closed with this code. */
  closes(code: number): number {
    return this.#sum(CLOSES[closeLabel(code)]);
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
    this.#own[CONNECTIONS]++;
    return true;
  }

  /** Counts a message. */
  receive(bytes: number): void {
    this.#own[RECEIVED] += bytes;
  }

  /** Counts a message in response to so many requests. */
  answer(requests: number, bytes: number): void {
    this.#own[REQUESTS] += requests;
    this.#own[SENT] += bytes;
  }

  refuse(reason: RefusalReason): void {
    this.#own[REFUSALS[reason]]++;
  }

  /** Counts a connection that is over, by its close code. */
  close(code: number): void {
    Atomics.sub(this.#open, 0, 1);
    this.#own[CLOSES[closeLabel(code)]]++;
  }

  /** Counts the connections of a worker that died as closed without a close frame. */
  abandon(worker: number): void {
    const counted = this.#workers[worker];
    let open = counted[CONNECTIONS];
    for (const at of Object.values(CLOSES)) open -= counted[at];
    Atomics.sub(this.#open, 0, open);
    counted[CLOSES[closeLabel(CLOSE.ABNORMAL)]] += open;
  }

  /** All of them as Prometheus text. */
  toString(): string {
    const sample = ({ name, label }: Family, value: string, at: number) =>
      `${name}${label && `{${label}="${value}"}`} ${this.#sum(at)}`;
    const counters = Object.values<Family>(FAMILIES).flatMap((each) => [
      ...head(each.name, "counter", each.help),
      ...Object.entries(each.at).map(([value, at]) => sample(each, value, at)),
    ]);
    return [
      ...gauge(
        "ws_random_connections_open",
        "Connections open now.",
        this.open,
      ),
      ...counters,
      ...head("ws_random_build_info", "gauge", "1; the label is the version."),
      `ws_random_build_info{version="${VERSION}"} 1`,
      ...gauge(
        "process_start_time_seconds",
        "When the server was started, in seconds since 1970.",
        this.#startedAt[0] / 1000,
      ),
      ...gauge(
        "process_resident_memory_bytes",
        "Memory of the process, all workers together.",
        Deno.memoryUsage().rss,
      ),
    ].join("\n");
  }

  /** The value of a counter, of all workers together. */
  #sum(at: number): number {
    return this.#workers.reduce((sum, worker) => sum + worker[at], 0);
  }
}

function closeLabel(code: number): string {
  return code in CLOSES ? String(code) : "other";
}

function gauge(name: string, help: string, value: number): string[] {
  return [...head(name, "gauge", help), `${name} ${value}`];
}

function head(name: string, type: "counter" | "gauge", help: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

/** Milliseconds since 1970, of a clock that all workers share and nobody sets. */
function now(): number {
  return performance.timeOrigin + performance.now();
}
