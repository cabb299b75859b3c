import { assertEquals } from "@std/assert";
import { Watchdog } from "../lib/watchdog.ts";

const SENT = { waits: true, oldest: 7, sent: 1, responses: 0 };

/** Looks until something is the matter; how many ticks that took. */
function ticksUntilSilent(watchdog: Watchdog, look: typeof SENT): number {
  let ticks = 1;
  while (watchdog.look(look) === undefined) ticks++;
  return ticks;
}

Deno.test("Watchdog.look() says that a connection is silent after the timeout, at most a tick late", () => {
  const watchdog = new Watchdog(1000, 50);
  // The request may have been sent just before the first tick.
  assertEquals(ticksUntilSilent(watchdog, SENT), 21);
  assertEquals(watchdog.look({ ...SENT, oldest: 8 }), undefined);
});

Deno.test("Watchdog.look() allows a handshake the same time", () => {
  const watchdog = new Watchdog(1000, 50);
  const handshake = { waits: true, oldest: undefined, sent: 0, responses: 0 };
  for (let connection = 0; connection < 2; connection++) {
    watchdog.reset();
    let ticks = 1;
    while (watchdog.look(handshake) === undefined) ticks++;
    assertEquals(ticks, 21);
  }
});

Deno.test("Watchdog.look() says that responses are wrong a second after as many as requests", () => {
  const watchdog = new Watchdog(10_000, 250);
  const wrong = { ...SENT, responses: 1 };
  let ticks = 1;
  let trouble;
  while ((trouble = watchdog.look(wrong)) === undefined) ticks++;
  assertEquals([trouble, ticks], ["wrong", 5]);
});
