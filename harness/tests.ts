/**
 * Defines tests, each with a time limit of its own, which Deno's tests have not:
 * one that hangs or loops without end fails by its name, and holds up no other.
 *
 * @module
 */

import type { Message } from "./limit_worker.ts";
import { NO_PERMISSIONS } from "./process.ts";

/** What a test may differ in. */
export interface Options
  extends Pick<Deno.TestDefinition, "ignore" | "sanitizeOps"> {
  sanitizeResources?: boolean;
  /** Seconds that it may take. */
  limit?: number;
}

/** Defines a test. */
export type Test = (
  name: string,
  run: (t: Deno.TestContext) => void | Promise<void>,
  options?: Options,
) => void;

/** Against what never ends, not for what is slow: ten times what the slowest test
 * takes on a quiet machine, in seconds. */
const LIMIT = 300;

/** When a test is ended from another thread, as a multiple of its limit. */
const STUCK = 1.25;

/** Returns a function that defines tests, which are ignored by name where what they
 * need is not here. */
export function testIf(isHere: boolean): Test {
  return (name, run, { limit = LIMIT, ignore = false, ...rest } = {}) => {
    watcher ??= startWatcher();
    Deno.test({
      name,
      ...rest,
      ignore: ignore || !isHere,
      fn: (t) => within(limit, name, () => run(t)),
    });
  };
}

/** A test that needs no permissions: a bare `deno test` runs it too. */
export const pureTest = testIf(true);
/** A test that a bare `deno test`, which has no permissions, ignores. */
export const test = testIf(!NO_PERMISSIONS);
/** One that also needs `/proc`, `ulimit` or the like. */
export const testOnLinux = testIf(
  !NO_PERMISSIONS && Deno.build.os === "linux",
);

let watcher: Pick<Worker, "postMessage"> | undefined;

/** Before the first test, so that none of them has left it behind. */
function startWatcher(): typeof watcher {
  if (NO_PERMISSIONS) return { postMessage() {} };
  const url = new URL("./limit_worker.ts", import.meta.url);
  return new Worker(url, { type: "module" });
}

/** Where the seconds of each test are noted, if anywhere: `.ci/run_tests.ts` adds
 * them up by file. */
const NOTES = NO_PERMISSIONS ? undefined : Deno.env.get("TEST_SECONDS");

function note(seconds: number): void {
  const line = `${Deno.mainModule}\t${seconds}\n`;
  if (NOTES) Deno.writeTextFileSync(NOTES, line, { append: true });
}

let tests = 0;

async function within(
  seconds: number,
  name: string,
  run: () => void | Promise<void>,
): Promise<void> {
  const tell = (message: Message) => watcher!.postMessage(message);
  const id = tests++;
  const limit = Promise.withResolvers<void>();
  const timer = setTimeout(() => {
    limit.reject(new Error(`it has not ended in ${seconds} s`));
  }, seconds * 1000);
  tell({ id, name, seconds: seconds * STUCK });
  const began = performance.now();
  try {
    await Promise.race([run(), limit.promise]);
    // After what the program writes there without waiting, which Deno takes for a
    // leak: writes come in order.
    await Deno.stderr.write(new Uint8Array());
  } finally {
    clearTimeout(timer);
    tell({ id });
    note((performance.now() - began) / 1000);
  }
}
