/**
 * Watches the tests of a file from a thread of its own: a test that loops without
 * end lets no timer of its own thread fire.
 *
 * @module
 */

/// <reference lib="webworker" />

/** A test that begins, with its name and limit, or one that has ended. */
export type Message =
  | { id: number; name: string; seconds: number }
  | { id: number };

const running = new Map<number, ReturnType<typeof setTimeout>>();

self.onmessage = ({ data }: MessageEvent<Message>) => {
  if ("name" in data) {
    running.set(data.id, setTimeout(end, data.seconds * 1000, data));
  } else {
    clearTimeout(running.get(data.id));
    running.delete(data.id);
  }
};

/** Ends all tests as Ctrl-C does: Deno names those that run. */
function end({ name, seconds }: { name: string; seconds: number }): void {
  const line =
    `"${name}" lets no timer fire, and has not ended in ${seconds} s`;
  // Deno holds back what a test writes, until that ends.
  Deno.writeTextFileSync("/dev/stderr", `\n${line}\n`, { append: true });
  Deno.kill(Deno.pid, "SIGINT");
}
