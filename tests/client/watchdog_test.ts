import { assertEquals } from "@std/assert";
import { Watchdog } from "../../lib/client/watchdog.ts";
import { pureTest as test } from "../../harness/tests.ts";

type Sample = Parameters<Watchdog["check"]>[0];

const SENT: Sample = { waits: true, oldest: 7, sent: 1, responses: 0 };

/** Checks until something is wrong: what, and after how many ticks. */
function trouble(watchdog: Watchdog, sample: Sample) {
  for (let ticks = 1;; ticks++) {
    const found = watchdog.check(sample);
    if (found) return [found, ticks];
  }
}

test("Watchdog.check() says that a connection is silent after the timeout, at most a tick late", () => {
  const watchdog = new Watchdog(1000, 50);
  // The request may have been sent just before the first tick.
  assertEquals(trouble(watchdog, SENT), ["silent", 21]);
  assertEquals(watchdog.check({ ...SENT, oldest: 8 }), undefined);
});

test("Watchdog.check() allows a handshake the same time", () => {
  const watchdog = new Watchdog(1000, 50);
  const handshake = { waits: true, oldest: undefined, sent: 0, responses: 0 };
  for (let connection = 0; connection < 2; connection++) {
    watchdog.reset();
    assertEquals(trouble(watchdog, handshake), ["silent", 21]);
  }
});

test("Watchdog.check() says that responses are wrong a second after as many as requests", () => {
  const watchdog = new Watchdog(10_000, 250);
  assertEquals(trouble(watchdog, { ...SENT, responses: 1 }), ["wrong", 5]);
});
