/**
 * A server on several cores: each worker is a thread with a server of its own; they
 * listen on one port and count in one memory.
 *
 * @module
 */

import { Metrics } from "./metrics.ts";
import { Notices } from "./log.ts";
import type { ServerOptions } from "./options.ts";
import { outliveDeno } from "./rejections.ts";
import { plural } from "../text.ts";

/** The pause before a worker that died is replaced, in milliseconds: one that cannot
 * start would be started over and over. */
const PAUSE_MS = 1000;

/** How much longer than `--drain-delay` and `--grace` the workers may take to shut
 * down, in milliseconds. */
const BEYOND_GRACE_MS = 1000;

/** The first message to a worker: its options, the memory of all metrics, and
 * which worker it is, from 0 on. The second one, whatever it is, shuts it down. */
type ToWorker = [ServerOptions, memory: SharedArrayBuffer, index: number];

/** A message from a worker: where it listens, or that it has ended, and why if it was
 * not shut down. */
type FromWorker = { url: string } | { ended?: string };

/** Whether this thread is a worker; `import.meta.main` is true in one, too. */
export function isWorker(): boolean {
  return "DedicatedWorkerGlobalScope" in globalThis;
}

export class Workers {
  url = "";
  readonly metrics: Metrics;
  #module: string;
  #count: number;
  #memory: SharedArrayBuffer;
  #options: ServerOptions;
  #running = new Map<number, Worker>();
  #notices: Notices;
  #draining = false;
  /** Called when the last worker has ended. */
  #onEmpty = () => {};

  /** @param module What each worker runs; it calls {@linkcode work}. */
  constructor(module: string, options: ServerOptions) {
    this.#module = module;
    this.#options = { ...options, workers: 1, reusePort: true };
    this.#notices = new Notices(options.logFormat);
    this.#memory = Metrics.memory(options.workers);
    this.#count = options.workers;
    this.metrics = new Metrics(this.#memory);
  }

  /** Starts them; the port of the first is everybody's. */
  async start(): Promise<this> {
    this.url = await this.#open(0);
    const port = this.#options.port || Number(new URL(this.url).port);
    this.#options = { ...this.#options, port };
    const others = Array.from(
      { length: this.#count - 1 },
      (_, i) => this.#open(i + 1),
    );
    await Promise.all(others).catch(async (error) => {
      await this.shutdown();
      throw error;
    });
    return this;
  }

  /** Starts a worker and resolves to the URL where it listens. */
  #open(index: number): Promise<string> {
    const worker = new Worker(this.#module, { type: "module" });
    this.#running.set(index, worker);
    const start: ToWorker = [this.#options, this.#memory, index];
    worker.postMessage(start);
    return new Promise((resolve, reject) => {
      let died = reject;
      const ended = (reason?: string) => {
        worker.terminate();
        this.metrics.abandon(index);
        this.#running.delete(index);
        if (this.#running.size === 0) this.#onEmpty();
        if (reason !== undefined) died(new Error(reason));
      };
      worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
        if (!("url" in data)) return ended(data.ended);
        died = (error) => this.#replace(index, error);
        resolve(data.url);
      };
      worker.onerror = (event) => {
        event.preventDefault();
        ended(event.message);
      };
    });
  }

  #replace(index: number, { message }: Error): void {
    const more = this.#draining ? "" : ", to be replaced";
    this.#notices.add({
      kind: "worker",
      what: (count) => `${plural(count, "worker")} died${more}`,
      why: message,
    });
    if (this.#draining) return;
    setTimeout(() => {
      if (this.#draining) return;
      this.#open(index).catch((error) => this.#replace(index, error));
    }, PAUSE_MS);
  }

  /** Shuts them all down, in little more than `--drain-delay` and `--grace` at the most. */
  async shutdown(): Promise<void> {
    this.#draining = true;
    const empty = new Promise<void>((resolve) => this.#onEmpty = resolve);
    const { drainDelay, grace } = this.#options;
    const milliseconds = drainDelay + grace + BEYOND_GRACE_MS;
    const timer = setTimeout(() => this.#onEmpty(), milliseconds);
    for (const worker of this.#running.values()) {
      worker.postMessage("shut down");
    }
    if (this.#running.size > 0) await empty;
    clearTimeout(timer);
    for (const worker of this.#running.values()) worker.terminate();
    await this.#notices[Symbol.asyncDispose]();
  }
}

/** Runs a server in a worker until the main thread shuts it down. An exception of this
 * program's own ends this worker and its connections, and no other. */
export function work(
  startServer: (options: ServerOptions, metrics: Metrics) => Promise<
    { url: string; shutdown(): Promise<void> }
  >,
): void {
  const scope = globalThis as unknown as Worker & { close(): void };
  const report = (report: FromWorker) => scope.postMessage(report);
  const die = (event: Event, error: unknown) => {
    event.preventDefault(); // Deno would print it in many lines
    report({ ended: Deno.inspect(error).replaceAll(/\s+/g, " ") });
    scope.close();
  };
  addEventListener("error", (event) => die(event, event.error));

  scope.onmessage = async ({ data }: MessageEvent<ToWorker>) => {
    const [options, memory, index] = data;
    outliveDeno(options.logFormat, (event) => die(event, event.reason));
    const server = startServer(options, new Metrics(memory, index));
    scope.onmessage = async () => {
      await (await server).shutdown();
      report({});
    };
    await server.then(
      ({ url }) => report({ url }),
      ({ message }) => report({ ended: message }),
    );
  };
}
