// 10,000 in a row, and their chart.

/// <reference lib="dom" />

import { assert, assertEquals, assertMatch } from "@std/assert";
import { ENGINES, type Page, type Tab } from "../../harness/browser.ts";
import { seeded, withServer } from "../../harness/helpers.ts";
import { parseResponse } from "../../static/proof.js";
import {
  clickMany,
  outcome,
  runEnds,
  scripts,
  sendAll,
  showsText,
  status,
  testIn,
  testPage,
  text,
  withAnswers,
  withHeldGate,
} from "./_page.ts";

/** Of a run, where a tenth of it shows the same. */
const FEW = { count: 1000 };

const DONE =
  /^done: 10,000 checked: 10,000 of 10,000 requests answered exactly once; (may be|hardly) uniform, p /;

/** How high the chart's bars are, in parts of its height. */
const heights = (tab: Tab) =>
  tab.evaluate(() =>
    [...document.querySelector("#bars")!.getAttribute("d")!.matchAll(
      / 1V([\d.e-]+)h/g,
    )]
      .map(([, top]) => 1 - Number(top))
  );

/** The level in the chart and half of the band, in percent. */
const levels = (tab: Tab) =>
  tab.evaluate(() =>
    ["--level", "--deviation"].map((name) =>
      parseFloat(document.getElementById("plot")!.style.getPropertyValue(name))
    )
  );

testPage(
  ENGINES,
  "10,000 are sent, and drawn as they come",
  async (tab, server) => {
    await tab.evaluate(() => {
      const shown = new Set<number>(); // by each frame
      Object.assign(globalThis, { shown });
      requestAnimationFrame(function look() {
        shown.add(document.querySelector("progress")!.value);
        requestAnimationFrame(look);
      });
    });
    assertMatch(await sendAll(tab), DONE);
    const shown: number[] = await tab.evaluate(
      () => [...(globalThis as unknown as { shown: Set<number> }).shown],
    );
    assert(shown.some((value) => 0 < value && value < 10_000), `${shown}`);
    assertEquals(server.metrics.requests, 10_000);
    assertEquals(await text(tab, "#answered"), "10,000");
    assertEquals(await text(tab, "#invalid"), "0");
    assertMatch(await text(tab, "#seconds"), /^\d+\.\d\d$/);
    assertMatch(await text(tab, "#rate"), /^[\d,]+$/);
    const [p50, p99] = (await Promise.all(
      ["#p50", "#p99"].map((id) => text(tab, id)),
    )).map((ms) => Number(ms.replace(",", "")));
    assert(0 < p50 && p50 <= p99, `${p50} ${p99}`);
    assertEquals(
      await tab.evaluate(() =>
        getComputedStyle(document.querySelector("progress")!).visibility
      ),
      "hidden",
    );
  },
);

testIn(
  ENGINES,
  "a run can be stopped at once, but not by a double click, and run again",
  async (visit) => {
    const { promise: released, resolve: release } = Promise.withResolvers<
      void
    >();
    let next = 0;
    const answer = async (request: string) => {
      if (Number(request.split(" ")[1]) > 500) await released;
      return `${request} ${next++ % 100 + 1}`;
    };
    await withAnswers(visit, answer, async (tab) => {
      await clickMany(tab);
      await tab.evaluate(() => {
        const second = new MouseEvent("click", { detail: 2 });
        document.getElementById("many")!.dispatchEvent(second);
      });
      await showsText(tab, "#answered", "500"); // it goes on
      assertEquals(await text(tab, "#many"), "Stop");
      await clickMany(tab);
      assertEquals(
        await outcome(tab),
        "stopped: Stopped: 500 of 1,000 requests answered, then stopped; " +
          "may be uniform, p > 0.99",
      );
      assertEquals(await text(tab, "#many"), "Send 10,000");
      assertEquals(await text(tab, "#level"), "5", "expected of each number");
      assert((await levels(tab))[0] > 50, "the level is not at the bottom");
      assertEquals(await text(tab, "#reading"), "", "all came as often");

      // Stopped in the same moment, by a second press.
      await tab.evaluate(() => {
        for (const _ of "12") document.getElementById("many")!.click();
      });
      await runEnds(tab);
      assertMatch(await outcome(tab), /^stopped: Stopped: 0 of 1,000/);
      release();
      assertMatch(await sendAll(tab), /1,000 of 1,000/);
    }, FEW);
  },
);

testIn(
  ["chromium"],
  "a run too short to expect anything has no legend",
  (visit) => {
    const answer = (request: string) => {
      const { promise } = Promise.withResolvers<string>();
      const known = Number(request.split(" ")[1]) <= 40;
      return known ? Promise.resolve(`${request} 7`) : promise;
    };
    return withAnswers(visit, answer, async (tab) => {
      const legend = () =>
        tab.evaluate(() =>
          getComputedStyle(document.getElementById("legend")!).visibility
        );
      assertEquals(await legend(), "visible");
      await clickMany(tab);
      await showsText(tab, "#answered", "40");
      await clickMany(tab);
      assertEquals(await legend(), "hidden");
    });
  },
);

testIn(["chromium"], "a double click on Send is one", (visit) => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const answer = async (request: string) => {
    await released;
    return `${request} 7`;
  };
  return withAnswers(visit, answer, async (tab) => {
    const page = tab as Page;
    const [x, y] = await page.evaluate(() => {
      const many = document.getElementById("many")!;
      many.scrollIntoView({ block: "center" });
      const { x, y, width, height } = many.getBoundingClientRect();
      return [x + width / 2, y + height / 2];
    });
    await page.mouse.click(x, y, { count: 2 });
    assertMatch(await outcome(page), /^running/);
    release();
    await showsText(page, "#detail", "1,000 of 1,000 requests answered");
  }, FEW);
});

testIn(
  ENGINES,
  "a run goes on in a tab that is hidden",
  (visit) =>
    withServer({}, (_, server) =>
      visit(server.url, async (tab) => {
        await status(tab, "connected");
        await tab.evaluate(() => {
          // A tab is hidden while a frame is waited for, and then has no frames; the
          // first one is that of the drawing.
          let frames = 0;
          globalThis.requestAnimationFrame = () =>
            frames++ === 0 ? 0 : Number(setTimeout(() => {
              Object.defineProperty(document, "hidden", {
                get: () => true,
                configurable: true,
              });
              const event = new Event("visibilitychange", { bubbles: true });
              document.dispatchEvent(event);
            }));
        });
        assertMatch(await sendAll(tab), DONE);
      })),
);

testIn(
  ENGINES,
  "a run before there is a connection begins once there is, unless stopped",
  (visit) =>
    withHeldGate(async (gate, release, server) => {
      await visit(gate.url, async (tab) => {
        await scripts(tab);
        await clickMany(tab);
        await showsText(tab, "#verdict", "Connecting …");
        await clickMany(tab);
        assertMatch(await outcome(tab), /^stopped: Stopped: 0 of 10,000/);
        await clickMany(tab);
        release();
        await runEnds(tab);
        assertMatch(await outcome(tab), DONE);
        assertEquals(server.metrics.requests, 10_000);
      });
    }),
);

testIn(
  ["chromium"],
  "the chart and the table show what went over the wire",
  (visit) => {
    const random = seeded(1); // each number comes, and none only once
    const answer = (request: string) => `${request} ${random(100) + 1}`;
    return withAnswers(visit, answer, async (tab) => {
      const page = tab as Page;
      const received: string[] = [];
      const session = await page.createCDPSession();
      await session.send("Network.enable");
      session.on(
        "Network.webSocketFrameReceived",
        ({ response }) => received.push(response.payloadData),
      );
      await page.reload();
      await status(page, "connected");
      assertEquals(await heights(page), new Array(100).fill(0), "nothing yet");
      await sendAll(page);
      assertEquals(received.length, 1000);
      const counts = new Array(100).fill(0);
      received.forEach((response, i) =>
        counts[parseResponse(`Message ${i + 1}`, response)! - 1]++
      );
      const cells = await page.evaluate(() =>
        [...document.querySelectorAll("#table td")]
          .map(({ textContent }) => Number(textContent))
      );
      assertEquals(cells, counts);
      const [level, deviation] = await levels(page);
      assert(Math.abs(deviation / level - 0.629) < 0.001, "two deviations");
      const bars = await heights(page);
      assertEquals(bars.length, 100);
      bars.forEach((height, i) => {
        const expected = counts[i] / 10 * level / 100;
        assert(Math.abs(height - expected) < 0.001, `bar ${i + 1}`);
      });
      const [most, least] = [Math.max(...counts), Math.min(...counts)];
      const ends = `most ${counts.indexOf(most) + 1} (${most}×), ` +
        `least ${counts.indexOf(least) + 1} (${least}×)`;
      assertEquals(await text(page, "#reading"), ends);
      assertMatch(
        await page.$eval("#chart", (chart) => chart.ariaLabel!),
        /most often \d+, \d+ times; least often \d+, \d+ times/,
      );

      // The value under the pointer.
      await page.setViewport({ width: 1280, height: 800 });
      for (const number of [1, 37, 100]) {
        const [x, y] = await page.$eval("#chart", (chart, number) => {
          const { left, top, width } = chart.getBoundingClientRect();
          return [left + (Number(number) - 0.5) / 100 * width, top + 5];
        }, number);
        await page.mouse.move(x, y);
        assertEquals(
          await text(page, "#reading"),
          `${number}: ${counts[number - 1]} times`,
        );
      }
      await page.mouse.move(0, 0);
      assertEquals(await text(page, "#reading"), ends);
    }, FEW);
  },
  { ownTab: true },
);

testIn(
  ENGINES,
  "a server that is not random looks so",
  (visit) =>
    withAnswers(visit, (request) => `${request} 7`, async (tab) => {
      assertEquals(
        await sendAll(tab),
        "failed: Failed: 1,000 of 1,000 requests answered exactly once; " +
          "not uniform, p < 1e-9",
      );
      assertEquals((await heights(tab)).filter((height) => height > 0), [1]);
      assertEquals((await levels(tab))[0], 1);
      assertMatch(
        await tab.evaluate(() => document.querySelector("#chart")!.ariaLabel!),
        /: most often 7, 1,000 times; least often 1, never/,
      );
      assertEquals(
        await text(tab, "#reading"),
        "most 7 (1,000×), least 1 (0×)",
      );
    }, FEW),
);

for (
  const [what, answers, outcomes] of [
    ["an answer is not valid", ["Message 500 0"], "999: 1 lost, 1 invalid"],
    ["an answer is lost", [], "999: 1 lost"],
    [
      "an answer comes twice",
      ["Message 500 7", "Message 500 7"],
      "1,000: 1 invalid",
    ],
    ["an answer is another's", ["Message 499 7"], "999: 1 lost, 1 invalid"],
    [
      "binary data comes",
      ["Message 500 7", new Uint8Array(1)],
      "1,000: 1 invalid",
    ],
  ] as const
) {
  testIn(
    ["chromium"],
    `a run fails as the client's does when ${what}`,
    (visit) => {
      let next = 0;
      const answer = (request: string) =>
        request === "Message 500"
          ? [...answers]
          : `${request} ${next++ % 100 + 1}`;
      return withAnswers(visit, answer, async (tab) => {
        await tab.evaluate(() => { // keeps what the page would do after 10 seconds
          const wait = setTimeout;
          globalThis.setTimeout = ((run: () => void, milliseconds: number) => {
            if (milliseconds === 10_000) {
              Object.assign(globalThis, { giveUp: run });
            }
            return wait(run, milliseconds);
          }) as typeof wait;
        });
        await clickMany(tab);
        const [answered, faults] = outcomes.split(": ");
        const lost = faults.includes("lost");
        await showsText(tab, "#answered", answered);
        if (lost) {
          await tab.evaluate(() =>
            (globalThis as unknown as { giveUp(): void }).giveUp()
          );
        }
        await runEnds(tab);
        assertEquals(
          await outcome(tab),
          `failed: Failed: ${answered} of 1,000 requests answered: ${faults}` +
            `${lost ? ", then the server was silent for 10 seconds" : ""}; ` +
            "may be uniform, p > 0.99",
        );
        assertEquals(
          await text(tab, "#invalid"),
          faults.includes("invalid") ? "1" : "0",
        );
      }, FEW);
    },
  );
}
