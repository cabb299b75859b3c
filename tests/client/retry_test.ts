import { assert, assertEquals } from "@std/assert";
import { parseFlags } from "../../lib/cli/flags.ts";
import { clientCommand } from "../../lib/client/options.ts";
import { backoff, windowAfter } from "../../lib/client/retry.ts";
import { pureTest as test } from "../../harness/tests.ts";

test("backoff() outlasts a restart of 3 s with the default retries", () => {
  const { retries } = parseFlags(clientCommand, []);
  const total = (random: number) =>
    Array.from({ length: retries }, (_, failures) => backoff(failures, random))
      .reduce((sum, delay) => sum + delay);
  assert(total(0) > 3000 && total(1) < 10_000, `${total(0)} ms`);
});

test("backoff() grows up to 2 s, and half of it is chance", () => {
  assertEquals([0, 1, 2, 3, 50].map((n) => backoff(n, 1)), [
    50,
    200,
    800,
    2000,
    2000,
  ]);
  assertEquals([backoff(0, 0), backoff(3, 0.5)], [25, 1500]);
});

test("windowAfter() is half, or one where a policy lets nothing pass", () => {
  const broken = { message: "", fatal: false };
  const refused = { ...broken, policy: true };
  assertEquals(windowAfter(broken, 9, false), 4);
  assertEquals(windowAfter(broken, 1, true), 1);
  assertEquals(windowAfter(refused, 9, true), 4);
  assertEquals(windowAfter(refused, 9, false), 1);
});
