// The page: one number at a press, 10,000 in a row.

/// <reference lib="dom" />

import { assert, assertEquals, assertMatch } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { ENGINES } from "../../harness/browser.ts";
import { parseResponse } from "../../static/proof.js";
import { eventually } from "../../harness/helpers.ts";
import {
  press,
  sendAll,
  showsText,
  status,
  testChromium,
  testIn,
  testPage,
  text,
  withAnswers,
} from "./_page.ts";

testPage(
  ENGINES,
  "opened, pressed, and 10,000 sent and drawn as they come",
  async (tab, server) => {
    assertMatch(await text(tab, "#response"), /^\s*Press the button/);
    assertEquals(server.metrics.requests, 0, "before a press");
    const number = await press(tab);
    assertEquals(await text(tab, "#number"), String(number));
    assertEquals(server.metrics.requests, 1);

    await tab.evaluate(() => {
      const shown = new Set<number>(); // by each frame
      Object.assign(globalThis, { shown });
      requestAnimationFrame(function look() {
        shown.add(document.querySelector("progress")!.value);
        requestAnimationFrame(look);
      });
    });
    assertMatch(
      await sendAll(tab),
      /^10,000 of 10,000 answered, each checked; (may be|hardly) uniform/,
    );
    const shown: number[] = await tab.evaluate(
      () => [...(globalThis as unknown as { shown: Set<number> }).shown],
    );
    assert(shown.some((value) => 0 < value && value < 10_000), `${shown}`);
    assertEquals(server.metrics.requests, 10_001);
    assertEquals(await text(tab, "#answered"), "10,000");
    assertEquals(await text(tab, "#invalid"), "0");
    assertMatch(await text(tab, "#seconds"), /^\d+\.\d\d$/);
    assertMatch(await text(tab, "#rate"), /^[\d,]+$/);
    assertEquals(
      await tab.evaluate(() =>
        [...document.querySelectorAll("#table td")]
          .reduce((sum, { textContent }) => sum + Number(textContent), 0)
      ),
      10_000,
    );
  },
);

testPage(ENGINES, "whatever is typed comes back as text", async (tab) => {
  for (
    const request of [
      "<img src=x onerror=alert(1)>",
      '🎲 naïve &amp; "quoted"',
      "two  spaces",
      "",
      "\u202Ebackwards",
      "x".repeat(1000),
    ]
  ) assert(await press(tab, request), request);
  assertEquals(
    await tab.evaluate(() => document.querySelectorAll("#answer img").length),
    0,
  );
});

testIn(
  ENGINES,
  "10,000 can be stopped, but not by a double click, and run again",
  async (visit) => {
    const { promise: released, resolve: release } = Promise.withResolvers<
      void
    >();
    const answer = async (request: string) => {
      if (Number(request.split(" ")[1]) > 500) await released;
      return `${request} 7`;
    };
    await withAnswers(visit, answer, async (tab) => {
      const shown = () =>
        tab.evaluate(() =>
          ["many", "stop"].filter((id) =>
            getComputedStyle(document.getElementById(id)!).visibility ===
              "visible"
          )
        );
      const stop = () =>
        tab.evaluate(() => document.getElementById("stop")!.click());
      assertEquals(await shown(), ["many"]);
      await tab.evaluate(() => {
        for (const id of ["many", "stop"]) document.getElementById(id)!.click();
      });
      await showsText(tab, "#answered", "500"); // it goes on
      assertEquals(await shown(), ["stop"]);
      await eventually(async () => {
        await stop();
        return (await shown())[0] === "many";
      });
      assertEquals(
        await text(tab, "#outcome"),
        "500 of 10,000 answered, then stopped.",
      );
      assertEquals(await text(tab, "#level"), "5", "expected of each number");
      release();
      assertMatch(await sendAll(tab), /^10,000 of 10,000/);
    });
  },
);

testChromium(
  "it asks nobody but its own server, and names the version",
  async (page, { url }) => {
    const requested: string[] = [];
    const complaints: unknown[] = [];
    page.on("request", (request) => requested.push(request.url()));
    page.on("pageerror", (error) => complaints.push(error));
    page.on("console", (message) => complaints.push(message.text()));
    await page.reload();
    await status(page, "connected");
    await press(page);
    for (const each of requested) assert(each.startsWith(url), each);
    assertEquals(complaints, []);
    assert(
      (await text(page, "footer")).includes(`ws-random ${config.version}`),
    );
    for (const path of ["/metrics", "/healthz"]) {
      assert(await page.$(`footer a[href="${path}"]`), path);
    }
  },
);

testChromium("the keyboard is enough", async (page, server) => {
  const focused = () =>
    page.evaluate(() => {
      const { id } = document.activeElement!;
      const { outlineWidth } = getComputedStyle(document.activeElement!);
      return `${id} ${outlineWidth}`;
    });
  await page.keyboard.press("Tab");
  assertEquals(await focused(), "message 3px");
  await page.keyboard.type("typed ");
  await page.keyboard.press("Enter");
  await showsText(page, "#response", "typed ");
  await page.keyboard.press("Tab");
  assertEquals(await focused(), "get 3px");
  await page.keyboard.press("Space");
  await eventually(() => server.metrics.requests === 2);
  await page.keyboard.press("Tab");
  assertEquals(await focused(), "many 3px");
  await page.keyboard.press("Enter");
  await showsText(page, "#outcome", "10,000 of 10,000");
  assertEquals(await focused(), "many 3px", "the focus is back");
});

testChromium(
  "a double click is one even where it is handled late",
  async (page) => {
    const { x, y } = await page.evaluate(() => {
      const many = document.getElementById("many")!;
      many.addEventListener("click", () => {
        const late = performance.now() + 700; // a double click is over by then
        while (performance.now() < late);
      });
      many.scrollIntoView({ block: "center" });
      const { x, y, width, height } = many.getBoundingClientRect();
      return { x: x + width / 2, y: y + height / 2 };
    });
    const session = await page.createCDPSession();
    const button = (type: "mousePressed" | "mouseReleased") =>
      session.send("Input.dispatchMouseEvent", {
        ...{ type, x, y, button: "left", clickCount: 1 },
      });
    await Promise.all([
      button("mousePressed"),
      button("mouseReleased"),
      button("mousePressed"),
      button("mouseReleased"),
    ]);
    await showsText(page, "#outcome", "10,000 of 10,000");
  },
);

testChromium(
  "the chart and the table show what went over the wire",
  async (page) => {
    const received: string[] = [];
    const session = await page.createCDPSession();
    await session.send("Network.enable");
    session.on(
      "Network.webSocketFrameReceived",
      ({ response }) => received.push(response.payloadData),
    );
    await page.reload();
    await status(page, "connected");
    await sendAll(page);
    assertEquals(received.length, 10_000);
    const counts = new Array(100).fill(0);
    received.forEach((response, i) =>
      counts[parseResponse(`Message ${i + 1}`, response)! - 1]++
    );
    const { bars, level, cells } = await page.evaluate(() => ({
      bars: [...document.querySelectorAll("#chart rect")]
        .map((bar) => Number(bar.getAttribute("height"))),
      level: parseFloat(document.getElementById("expected")!.style.bottom) /
        100,
      cells: [...document.querySelectorAll("#table td")]
        .map(({ textContent }) => Number(textContent)),
    }));
    assertEquals(cells, counts);
    assertEquals(bars.length, 100);
    bars.forEach((height, i) => {
      const expected = counts[i] / 100 * level;
      assert(Math.abs(height - expected) < 0.001, `bar ${i + 1}`);
    });
    assertMatch(
      await page.$eval("#chart", (chart) => chart.getAttribute("aria-label")!),
      /most often \d+, \d+ times; least often \d+, \d+ times/,
    );
  },
);

testIn(
  ENGINES,
  "a server that is not random looks so",
  (visit) =>
    withAnswers(visit, (request) => `${request} 7`, async (tab) => {
      assertMatch(await sendAll(tab), /; not uniform, p < 1e-9/);
      const { heights, level } = await tab.evaluate(() => ({
        heights: [...document.querySelectorAll("#chart rect")]
          .map((bar) => Number(bar.getAttribute("height"))),
        level: document.getElementById("expected")!.style.bottom,
      }));
      assertEquals(heights.filter((height) => height > 0), [1]);
      assertEquals(level, "1%");
      assertMatch(
        await tab.evaluate(() => document.querySelector("#chart")!.ariaLabel!),
        /: most often 7, 10000 times; least often 1, never/,
      );
    }),
);

testIn(
  ["chromium"],
  "what is not an answer is said to be none",
  (visit) =>
    withAnswers(
      visit,
      (request) =>
        request === "binary"
          ? new Uint8Array(1)
          : `${request} ${request === "Message 500" ? 0 : 7}`,
      async (tab) => {
        await tab.evaluate(() => {
          document.querySelector<HTMLInputElement>("#message")!.value =
            "binary";
        });
        await tab.click("#get");
        await showsText(
          tab,
          "#response",
          "Not a valid answer: binary data",
        );
        await tab.click("#many");
        await showsText(
          tab,
          "#outcome",
          "9,999 of 10,000 answered, 1 invalid",
        );
      },
    ),
);
