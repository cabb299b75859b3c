/** How much memory a server takes. @module */

import { type Process, run } from "../../harness/process.ts";

/** The highest resident memory there was, in MB. Deno itself may read /proc with
 * -A only. */
export async function peakMemory({ pid }: Process): Promise<number> {
  const { stdout } = await run(["cat", `/proc/${pid}/status`]);
  return Number(/VmHWM:\s+(\d+)/.exec(stdout)![1]) / 1000;
}
