/**
 * A clock for what the program waits for, which stands still until a test moves it on.
 *
 * @module
 */

import { setImmediate as turn } from "node:timers/promises";

interface Timer {
  /** By the clock, in milliseconds. */
  due: number;
  /** Milliseconds from one call to the next; none if it is called once. */
  every?: number;
  run: () => void;
}

/** Takes the place of the global timers and of `performance.now()`, until it is
 * disposed of. The sockets know nothing of it, nor does Deno's own code. */
export class Clock implements Disposable {
  /** A whole number, so that times add up exactly. */
  #now = Math.ceil(performance.now());
  #timers = new Map<number, Timer>();
  #id = 1e9; // no real timer has it
  #disposables = new DisposableStack();

  constructor() {
    const set = (run: () => void, milliseconds = 0, repeats = false) => {
      const every = repeats ? milliseconds : undefined;
      this.#timers.set(++this.#id, {
        ...{ due: this.#now + milliseconds, every, run },
      });
      return this.#id;
    };
    const clear = (id: number) => this.#timers.delete(id);
    this.#replace(globalThis, {
      setTimeout: set,
      clearTimeout: clear,
      setInterval: (run: () => void, ms: number) => set(run, ms, true),
      clearInterval: clear,
    });
    this.#replace(performance, { now: () => this.#now });
  }

  #replace(object: object, properties: Record<string, unknown>): void {
    for (const [name, value] of Object.entries(properties)) {
      const before = Object.getOwnPropertyDescriptor(object, name);
      Object.defineProperty(object, name, { value, configurable: true });
      this.#disposables.defer(() => {
        if (before) Object.defineProperty(object, name, before);
        else Reflect.deleteProperty(object, name);
      });
    }
  }

  /** How many timers there are. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Lets time pass: each timer is called when it is due, in a turn of its own of
   * the event loop. */
  async pass(milliseconds: number): Promise<void> {
    const until = this.#now + milliseconds;
    for (let next = this.#next(); next; next = this.#next()) {
      if (next[1].due > until) break;
      this.#now = Math.max(this.#now, next[1].due);
      this.#call(...next);
      await turn();
    }
    this.#now = until;
  }

  /** Lets time pass in which the event loop does not turn. */
  stall(milliseconds: number): void {
    this.#now += milliseconds;
  }

  #next(): [number, Timer] | undefined {
    return [...this.#timers].sort(([, a], [, b]) => a.due - b.due).at(0);
  }

  #call(id: number, timer: Timer): void {
    if (timer.every === undefined) this.#timers.delete(id);
    else timer.due = this.#now + timer.every;
    timer.run();
  }

  [Symbol.dispose](): void {
    this.#disposables.dispose();
  }
}
