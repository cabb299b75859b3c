// One number at a press.

/// <reference lib="dom" />

import { assert, assertEquals, assertMatch } from "@std/assert";
import { ENGINES } from "../../harness/browser.ts";
import { eventually } from "../../harness/helpers.ts";
import {
  press,
  scripts,
  setTenSeconds,
  showsText,
  status,
  testChromium,
  testIn,
  testPage,
  text,
  throughGate,
  type,
  withAnswers,
  withHeldGate,
} from "./_page.ts";

testPage(ENGINES, "a press gets one number", async (tab, server) => {
  assertMatch(await text(tab, "#text"), /^\s*Press the button/);
  assertEquals(server.metrics.requests, 0, "before a press");
  const number = await press(tab, "Hello");
  assertEquals(await text(tab, "#number"), String(number));
  const shown = new RegExp(`^Hello ${number} · (< 1 ms|\\d+ ms|\\d\\.\\d s)$`);
  assertMatch(await text(tab, "#text"), shown);
  assertEquals(server.metrics.requests, 1);
  // A screen reader hears the response, and not the number before it.
  assertEquals(
    await tab.evaluate(() =>
      [...document.querySelectorAll("#answer > :not([aria-hidden])")]
        .map(({ id }) => id)
    ),
    ["response"],
  );
});

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

testPage(ENGINES, "right-to-left text begins at the right", async (tab) => {
  const order = () =>
    tab.evaluate(() => {
      const [request, number, took] = document.getElementById("text")!
        .childNodes;
      const [a, b, c, d] = [request, number, ...took.childNodes].map((node) => {
        const range = document.createRange();
        range.selectNodeContents(node);
        return range.getBoundingClientRect();
      });
      return [
        getComputedStyle(document.getElementById("message")!).direction,
        a.right <= b.left + 1 && b.right <= c.left + 1 && c.right <= d.left + 1
          ? "number last"
          : b.right <= a.left + 1 && c.right <= b.left + 1 &&
              d.right <= c.left + 1
          ? "number first"
          : "mixed",
      ].join();
    });
  await press(tab, "latin");
  assertEquals(await order(), "ltr,number last");
  await press(tab, "שלום עולם");
  assertEquals(await order(), "rtl,number first");
  await press(tab, "\u202Ebackwards");
  assertEquals(await order(), "ltr,number last", "it is isolated");
});

testIn(
  ["chromium"],
  "what is not an answer is said to be none",
  (visit) =>
    withAnswers(visit, () => new Uint8Array(1), async (tab) => {
      await tab.click("#get");
      await showsText(tab, "#text", "Not a valid answer: binary data");
      assertEquals(await text(tab, "#number"), "!");
    }),
);

testIn(
  ENGINES,
  "a press before there is a connection is served once there is",
  (visit) =>
    withHeldGate((gate, release) =>
      visit(gate.url, async (tab) => {
        await scripts(tab);
        await type(tab, "early");
        await tab.click("#get");
        await showsText(tab, "#text", "Connecting …");
        assertEquals(await text(tab, "#number"), "…");
        release();
        await showsText(tab, "#text", "early ");
      })
    ),
);

testIn(
  ENGINES,
  "a second press while one waits is answered, too",
  async (visit) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const requests: string[] = [];
    const answer = async (request: string) => {
      const number = requests.push(request);
      await promise;
      return `${request} ${number}`;
    };
    await withAnswers(visit, answer, async (tab) => {
      for (const request of ["first", "second"]) {
        await type(tab, request);
        await tab.click("#get");
        await showsText(tab, "#text", "Waiting for the answer");
      }
      await eventually(() => requests.length === 2);
      resolve();
      await showsText(tab, "#text", "second 2 ");
      assertEquals(requests, ["first", "second"]);
    });
  },
);

throughGate(
  ENGINES,
  "a press while the server is away is served when it is back",
  async (tab, gate) => {
    assertEquals(await text(tab, "#hint"), "");
    gate.close();
    await status(tab, "offline");
    assertEquals(
      await text(tab, "#hint"),
      "Retrying: the server is unreachable.",
    );
    await type(tab, "kept");
    await tab.click("#get");
    await showsText(tab, "#text", "Connecting …");
    gate.open();
    await showsText(tab, "#text", "kept ");
    assertEquals(await text(tab, "#hint"), "");
  },
);

throughGate(
  ENGINES,
  "a press is given up after ten seconds",
  async (tab, gate) => {
    gate.close();
    await status(tab, "offline");
    await setTenSeconds(tab, 0);
    await tab.click("#get");
    await showsText(tab, "#text", "No answer: the server is unreachable.");
    assertEquals(await text(tab, "#number"), "?");
  },
);

testChromium("a key held down is one press", async (page, server) => {
  for (const [index, id] of ["message", "get"].entries()) {
    await page.focus(`#${id}`);
    for (let repeats = 0; repeats < 20; repeats++) {
      await page.keyboard.down("Enter");
      await eventually(() => server.metrics.requests > 2 * index);
    }
    await page.keyboard.up("Enter");
    await press(page); // what was sent before it has arrived by then
    assertEquals(server.metrics.requests, 2 * index + 2, id);
  }
});
