/**
 * A server on several cores: workers, each a thread with a server of its own, that
 * listen on one port and count in one memory.
 *
 * @module
 */

import { Metrics } from "./metrics.ts";
import { counted, Notices } from "./notices.ts";
import type { ServerOptions } from "./options.ts";

/** For how long a worker that died is not replaced, in milliseconds: one that
 * cannot start would be started without end. */
const PAUSE_MS = 1000;

/** What the workers have beyond `--grace` to shut down, in milliseconds. */
const BEYOND_GRACE_MS = 1000;

/** The first message to a worker: its options, the memory of all metrics, and
 * which worker it is, from 0 on. At the second, whatever it is, it shuts down. */
type Start = [ServerOptions, memory: SharedArrayBuffer, index: number];

/** What a worker tells: where it listens, and at last why it has ended, if it was
 * not told to. */
type Report = { url: string } | { ended?: string };

/** How many workers a value of `--workers` means. */
export function workerCount(text: string): number {
  return text === "max" ? navigator.hardwareConcurrency : Number(text);
}

/** Whether this thread is a worker; `import.meta.main` is true in one, too. */
export function isWorker(): boolean {
  return "DedicatedWorkerGlobalScope" in globalThis;
}

/** Workers that are one server. */
export class Workers {
  url = "";
  readonly metrics: Metrics;
  #memory: SharedArrayBuffer;
  #options: ServerOptions;
  #running = new Map<number, Worker>();
  #notices = new Notices();
  #draining = false;
  /** Is told when the last worker has ended. */
  #onEmpty = () => {};

  /** @param module What each of them runs; it calls {@linkcode work}. */
  constructor(readonly module: string, options: ServerOptions, count: number) {
    this.#options = { ...options, workers: "1", reusePort: true };
    this.#memory = Metrics.memory(count);
    this.metrics = new Metrics(this.#memory);
  }

  /** Starts them; the port of the first is everybody's. */
  async start(count: number): Promise<this> {
    this.url = await this.#open(0);
    const port = this.#options.port || Number(new URL(this.url).port);
    this.#options = { ...this.#options, port };
    const others = Array.from(
      { length: count - 1 },
      (_, i) => this.#open(i + 1),
    );
    await Promise.all(others).catch(async (error) => {
      await this.shutdown();
      throw error;
    });
    return this;
  }

  /** Opens a worker and resolves to where it listens. */
  #open(index: number): Promise<string> {
    const worker = new Worker(this.module, { type: "module" });
    this.#running.set(index, worker);
    const start: Start = [this.#options, this.#memory, index];
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
      worker.onmessage = ({ data }: MessageEvent<Report>) => {
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
    this.#notices.add(
      "worker",
      (count) => `${counted(count, "worker")} died${more}: ${message}`,
    );
    if (this.#draining) return;
    setTimeout(() => {
      if (this.#draining) return;
      this.#open(index).catch((error) => this.#replace(index, error));
    }, PAUSE_MS);
  }

  /** Shuts them all down, and takes little more than `--grace` at the most. */
  async shutdown(): Promise<void> {
    this.#draining = true;
    const empty = new Promise<void>((resolve) => this.#onEmpty = resolve);
    const milliseconds = this.#options.grace * 1000 + BEYOND_GRACE_MS;
    const timer = setTimeout(() => this.#onEmpty(), milliseconds);
    for (const worker of this.#running.values()) {
      worker.postMessage("shut down");
    }
    if (this.#running.size > 0) await empty;
    clearTimeout(timer);
    for (const worker of this.#running.values()) worker.terminate();
    this.#notices[Symbol.dispose]();
  }
}

/** What a worker does: it runs a server until it is told to shut it down. A fault
 * of this program ends the worker and its connections, but no other. */
export function work(
  startServer: (options: ServerOptions, metrics: Metrics) => Promise<
    { url: string; shutdown(): Promise<void> }
  >,
): void {
  const scope = globalThis as unknown as Worker & { close(): void };
  const report = (report: Report) => scope.postMessage(report);
  const die = (event: Event, error: unknown) => {
    event.preventDefault(); // Deno would print it in many lines
    report({ ended: Deno.inspect(error).replaceAll(/\s+/g, " ") });
    scope.close(); // nothing runs here after this
  };
  addEventListener("error", (event) => die(event, event.error));
  addEventListener("unhandledrejection", (event) => die(event, event.reason));

  scope.onmessage = async ({ data }: MessageEvent<Start>) => {
    const [options, memory, index] = data;
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
