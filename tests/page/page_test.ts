// The page as a whole: what it needs, and what it does without.

/// <reference lib="dom" />

import { assert, assertEquals, assertMatch } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { ENGINES, type Page, type Tab } from "../../harness/browser.ts";
import { eventually, withServer } from "../../harness/helpers.ts";
import {
  clickMany,
  outcome,
  press,
  runEnds,
  showsText,
  status,
  testChromium,
  testIn,
  text,
  type,
  withAnswers,
  withGate,
} from "./_page.ts";

testChromium(
  "it asks nobody but its own server, and names the version",
  async (page, { url }) => {
    const requested: string[] = [];
    const complaints: unknown[] = [];
    const session = await page.createCDPSession();
    await session.send("Network.enable");
    session.on(
      "Network.requestWillBeSent",
      ({ request }) => requested.push(request.url),
    );
    page.on("pageerror", (error) => complaints.push(error));
    page.on("console", (message) => complaints.push(message.text()));
    await page.reload();
    await status(page, "connected");
    await press(page);
    assert(requested.includes(url));
    for (const each of requested) assert(each.startsWith(url), each);
    assertEquals(complaints, []);
    const scripts = requested.filter((url) => url.endsWith(".js"));
    assertEquals(scripts.length, new Set(scripts).size, "each one once");
    assert(
      (await text(page, "footer")).includes(`ws-random ${config.version}`),
    );
    for (const path of ["metrics", "healthz"]) {
      assert(await page.$(`footer a[href="${path}"]`), path);
    }
  },
  { ownTab: true },
);

testIn(
  ENGINES,
  "below a path of a proxy it looks and works the same",
  (visit) =>
    withGate("/app/", (gate) =>
      visit(gate.url, async (tab) => {
        await status(tab, "connected");
        assert(await press(tab));
        assertEquals(
          await tab.evaluate(() =>
            getComputedStyle(document.body).display +
            (document.querySelector("img")!.naturalWidth > 0)
          ),
          "flextrue",
        );
        assertEquals(
          await tab.evaluate(async () => {
            const links = [...document.querySelectorAll("a")];
            const all = await Promise.all(
              links.map((link) => fetch(link.href)),
            );
            return all.map(({ status }) => status).join();
          }),
          "200,200",
        );
      })),
);

testIn(
  ENGINES,
  "a script that does not load is told in words",
  (visit) =>
    withAnswers(visit, String, async (tab) => {
      const [words, ...shown] = await tab.evaluate(() => {
        const hint = document.getElementById("hint")!;
        const visibility = () => getComputedStyle(hint).visibility;
        const shown: string[] = [];
        for (const animation of hint.getAnimations()) {
          animation.currentTime = 0; // the script may still come
          shown.push(visibility());
          animation.finish();
        }
        const status = document.getElementById("status")!;
        for (const animation of status.getAnimations()) animation.finish();
        shown.push(getComputedStyle(status).visibility);
        return [hint.textContent!, ...shown, visibility()];
      });
      assertEquals(words, "A script is missing: please reload.");
      assertEquals(shown.at(-1), "visible");
      // Before its time, and the status after that.
      for (const before of shown.slice(0, -1)) assertEquals(before, "hidden");
    }, { missing: /proof\.js/ }),
);

testIn(
  ["chromium"],
  "what is pressed before the scripts run is done once they have",
  async (visit) => {
    const { promise: released, resolve: release } = Promise.withResolvers<
      void
    >();
    let loaded: Promise<unknown> | undefined;
    const arrive = (url: string, steps: (tab: Tab) => Promise<void>) =>
      visit("about:blank", async (tab) => {
        loaded = tab.goto(url);
        await (tab as Page).waitForSelector("footer");
        await steps(tab);
      });
    let next = 0;
    const answer = (request: string) => `${request} ${next++ % 100 + 1}`;
    await withAnswers(arrive, answer, async (tab) => {
      await type(tab, "early");
      await (tab as Page).focus("#message");
      await (tab as Page).keyboard.press("Enter");
      await tab.click("#get");
      await clickMany(tab);
      release();
      await loaded;
      await showsText(tab, "#text", "early 1 ");
      await eventually(async () => /^done/.test(await outcome(tab)));
      assertEquals(next, 1001);
    }, { late: /proof\.js/, released, count: 1000 });
  },
);

testIn(
  ENGINES,
  "a press does not send the form away where a script is missing",
  (visit) => {
    const answer = (request: string) => `${request} 1`;
    return withAnswers(visit, answer, async (tab) => {
      const { href } = await tab.evaluate(() => ({ href: location.href }));
      await tab.click("#get");
      assertEquals(await tab.evaluate(() => location.href), href);
    }, { missing: /early|proof\.js/ });
  },
);

testIn(
  ["chromium"],
  "without scripts it says what it needs",
  (visit) =>
    withServer({}, (_, server) =>
      visit("about:blank", async (tab) => {
        // deno-lint-ignore no-explicit-any -- puppeteer's page
        const page = tab as any;
        await page.setJavaScriptEnabled(false);
        await page.goto(server.url);
        const shown: string = await page.$eval(
          "body",
          (body: HTMLElement) => body.innerText,
        );
        assertMatch(shown, /This page needs JavaScript/);
        assertEquals(/connecting|is missing/.test(shown), false, shown);
      })),
  { ownTab: true },
);

testIn(["chromium"], "the keyboard is enough", (visit) => {
  let next = 0;
  const answer = (request: string) => `${request} ${next++ % 100 + 1}`;
  return withAnswers(visit, answer, async (tab) => {
    const page = tab as Page;
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
    await showsText(page, "#text", "typed ");
    await page.keyboard.press("Tab");
    assertEquals(await focused(), "get 3px");
    await page.keyboard.press("Space");
    await eventually(() => next === 2);
    await page.keyboard.press("Tab");
    assertEquals(await focused(), "many 3px");
    await page.keyboard.press("Enter");
    await runEnds(page);
    assertMatch(await outcome(page), /^done/);
    assertEquals(await focused(), "many 3px", "the focus is still there");
  }, { count: 1000 });
});
