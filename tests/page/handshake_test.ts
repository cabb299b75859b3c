// The page's handshakes and probes that are not answered: when each is given up.

import { setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals } from "@std/assert";
import { ENGINES, type Tab } from "../../harness/browser.ts";
import { eventually } from "../../harness/helpers.ts";
import { press, status, text, throughGate } from "./_page.ts";

/** Stops what the page would do by time. */
const stopTimers = (tab: Tab) =>
  tab.evaluate(() => {
    for (let timer = Number(setTimeout(() => {})); timer > 0; timer--) {
      clearTimeout(timer);
    }
  });

throughGate(
  ENGINES,
  "a handshake that is never answered is given up",
  async (tab, gate) => {
    gate.swallows = /^GET \/ws/;
    gate.cut();
    await eventually(() => gate.swallowed > 0);
    await status(tab, "offline");
    gate.swallows = /^$/; // the one that is swallowed stays so
    await status(tab, "connected");
    assert(await press(tab));
  },
);

throughGate(
  ENGINES,
  "a handshake that takes three seconds is waited for, if not the first time",
  async (tab, gate) => {
    gate.hold = () => delay(3000);
    gate.cut();
    await eventually(() => gate.held > 0);
    await status(tab, "connected");
    assert(await press(tab));
  },
);

throughGate(
  ["chromium", "webkit"],
  "a handshake is given up soon where the server answers fast",
  async (tab, gate) => {
    gate.swallows = /^GET \/ws/;
    // A clock of the page's own: what it waits for at the least, not how fast
    // this machine is.
    const waited = tab.evaluate(() =>
      new Promise<number>((resolve) => {
        const wait = setTimeout;
        globalThis.setTimeout = ((run: () => void, milliseconds: number) => {
          // The delays are shorter, and the probe's limit is no timer.
          if (milliseconds > 1500) resolve(milliseconds);
          return wait(run, milliseconds);
        }) as typeof setTimeout;
      })
    );
    gate.cut();
    assert(await waited < 5000, `${await waited} ms`);
  },
);

for (const event of ["online", "visibilitychange"]) {
  throughGate(
    ENGINES,
    `${event} starts a handshake anew that hangs`,
    async (tab, gate) => {
      gate.swallows = /^GET \/ws/;
      gate.cut();
      await eventually(() => gate.swallowed > 0);
      assertEquals(await text(tab, "#status"), "connecting");
      gate.swallows = /^$/;
      await stopTimers(tab); // no attempt ends, and no other one begins
      await tab.evaluate((event) => {
        document.dispatchEvent(new Event(event, { bubbles: true }));
      }, event);
      await status(tab, "connected");
    },
  );
}

throughGate(
  ENGINES,
  "probes that are never answered hold up nothing",
  async (tab, gate) => {
    gate.swallows = /./;
    gate.cut();
    // More than the six connections that a browser opens, so that some are given up.
    await eventually(() => gate.swallowed > 7);
    gate.swallows = /^$/;
    await status(tab, "connected");
  },
);
