import { assert, assertEquals } from "@std/assert";
import { parseFlags } from "../../lib/cli/flags.ts";
import { realWorld } from "../../lib/client/environment.ts";
import { clientCommand } from "../../lib/client/options.ts";
import { Clock } from "../../harness/clock.ts";
import { test } from "../../harness/tests.ts";

test(
  "realWorld() has the machine's clock and chance, and timers that can be cancelled",
  async () => {
    using clock = new Clock();
    const world = realWorld(parseFlags(clientCommand, []));
    assertEquals(world.proxy, undefined); // this machine needs none
    assertEquals(world.now(), performance.now());
    assert(Math.abs(world.date() - Date.now()) < 60_000);
    const numbers = Array.from({ length: 100 }, () => world.random());
    assert(numbers.every((number) => number >= 0 && number < 1));
    assert(new Set(numbers).size > 50);

    const called: string[] = [];
    world.after(10, () => called.push("late"));
    world.after(5, () => called.push("early"));
    const cancel = world.after(7, () => called.push("never"));
    cancel();
    await clock.pass(9);
    assertEquals(called, ["early"]);
    await clock.pass(1);
    assertEquals(called, ["early", "late"]);
    // Its HTTP client lives as long as the process.
  },
  { sanitizeResources: false },
);
