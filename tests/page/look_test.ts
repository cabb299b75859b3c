// How the page looks, in sizes from a phone's to a desktop's, and to those who do
// not see it.

/// <reference lib="dom" />

import { assert, assertEquals } from "@std/assert";
import { ENGINES, type Tab } from "../../harness/browser.ts";
import {
  press,
  sendAll,
  showsText,
  status,
  testChromium,
  testPage,
} from "./_page.ts";

/** WebKit's window gets no narrower than 450. */
const WIDTHS = [320, 390, 515, 768, 1024, 1280];

/** Where things are, at some widths. */
async function places(tab: Tab): Promise<string[]> {
  const places: string[] = [];
  for (const width of [320, 515, 1280]) {
    await tab.setViewport({ width, height: 800 });
    const boxes = await tab.evaluate(() =>
      [...document.querySelectorAll(
        "header, #status, section, form, input, button, progress, dl, figure",
      )].map((element) => {
        const { y, right, width, height } = element.getBoundingClientRect();
        // The text of the status is as long as it is.
        const across = element.id === "status" ? right : width;
        const box = [y, across, height].map((length) => length.toFixed(1));
        return `${element.tagName}#${element.id} ${box}`;
      })
    );
    places.push(...boxes.map((box) => `${width} px: ${box}`));
  }
  return places;
}

testPage(ENGINES, "nothing moves, whatever happens", async (tab, server) => {
  const before = await places(tab);
  for (const request of ["short", "x".repeat(1000)]) {
    await press(tab, request);
    assertEquals(await places(tab), before, request.slice(0, 5));
  }
  await tab.evaluate(() => document.getElementById("many")!.click());
  assertEquals(await places(tab), before, "while 10,000 are sent");
  await showsText(tab, "#outcome", "10,000 of 10,000");
  assertEquals(await places(tab), before, "after 10,000");
  await server.shutdown();
  await status(tab, "offline");
  assertEquals(await places(tab), before, "offline");
});

testPage(ENGINES, "all has its place, at any width", async (tab) => {
  await press(tab);
  await sendAll(tab);
  for (const fontSize of ["100%", "200%"]) {
    for (const width of WIDTHS) {
      await tab.setViewport({ width, height: 800 });
      for (const open of ["open", ""]) {
        const state = `text of ${fontSize}, ${width} px, ${open}`;
        await tab.evaluate(
          (fontSize, open) => {
            document.documentElement.style.fontSize = fontSize;
            document.querySelector("details")!.open = Boolean(open);
          },
          fontSize,
          open,
        );
        assertEquals(await misplaced(tab), [], state);
        if (fontSize !== "100%") continue;
        const [one, many] = await tab.evaluate(() =>
          [...document.querySelectorAll("section")].map((section) =>
            section.offsetTop
          )
        );
        assertEquals(one === many, width >= 1024, `side by side: ${state}`);
      }
    }
  }
});

/** What is cut, covered, or not where it belongs. */
function misplaced(tab: Tab): Promise<string[]> {
  return tab.evaluate(() => {
    const faults: string[] = [];
    const box = (selector: string) =>
      document.querySelector(selector)!.getBoundingClientRect();
    const page = document.documentElement;
    if (page.scrollWidth > page.clientWidth) faults.push("sideways scrolling");
    for (
      const element of document.querySelectorAll<HTMLElement>(
        "h1, h2, p, label, input, button, dt, dd, figcaption, summary",
      )
    ) {
      if (element.matches(".visually-hidden")) continue;
      if (element.scrollWidth > element.clientWidth + 1) {
        faults.push(`cut: ${element.textContent || element.id}`);
      }
    }
    const parts = [
      ...document.querySelectorAll(
        "header, section, details, footer, #message, #get",
      ),
    ];
    for (const part of parts) {
      const a = part.getBoundingClientRect();
      for (const other of parts) {
        if (part.contains(other) || other.contains(part)) continue;
        const b = other.getBoundingClientRect();
        const apart = a.right <= b.left || b.right <= a.left ||
          a.bottom <= b.top || b.bottom <= a.top;
        if (!apart) faults.push(`${part.tagName} covers ${other.tagName}`);
      }
    }
    const bars = document.querySelectorAll("#chart rect");
    for (const label of document.querySelectorAll("#axis span")) {
      const [a, b] = [label, bars[Number(label.textContent) - 1]]
        .map((element) => element.getBoundingClientRect());
      const offset = a.left + a.width / 2 - (b.left + b.width / 2);
      if (!(Math.abs(offset) < 0.75)) {
        faults.push(`${label.textContent} is ${offset} px beside its bar`);
      }
    }
    if (box("#axis > :last-child").right > box("#run").right + 12) {
      faults.push("a label crosses the card's edge");
    }
    const lines = new Map<number, number>();
    for (const { offsetTop } of document.querySelectorAll("dd")) {
      lines.set(offsetTop, (lines.get(offsetTop) ?? 0) + 1);
    }
    if (new Set(lines.values()).size > 1) faults.push("figures hang alone");
    return faults;
  });
}

for (const [width, height] of [[320, 640], [390, 844], [1280, 800]]) {
  const engines = ENGINES.filter((name) => width > 320 || name !== "webkit");
  testPage(engines, `${width} × ${height} shows all of a run`, async (tab) => {
    await tab.setViewport({ width, height });
    const below = await tab.evaluate(() =>
      ["#number", "#get", "#many", "#outcome", ".plot"].filter((selector) => {
        const { bottom } = document.querySelector(selector)!
          .getBoundingClientRect();
        return bottom > innerHeight;
      })
    );
    assertEquals(below, []);
  });
}

testPage(
  ENGINES,
  "what scrolls is reached by keyboard, and has a name",
  async (tab) => {
    await tab.setViewport({ width: 320, height: 800 });
    await press(tab, "x".repeat(1000));
    await tab.evaluate(() => {
      document.querySelector("details")!.open = true;
      (document.activeElement as HTMLElement).blur();
    });
    await sendAll(tab);
    const reached = new Set<string | null>();
    for (let presses = 0; presses < 12; presses++) {
      await tab.keyboard.press("Tab");
      reached.add(
        await tab.evaluate(() => {
          const element = document.activeElement!;
          return element.scrollHeight > element.clientHeight ||
              element.scrollWidth > element.clientWidth
            ? element.ariaLabel
            : null;
        }),
      );
    }
    assert(reached.has("Response"), [...reached].join());
    assert(reached.has("How often each number from 1 to 100 came"));
  },
);

testChromium("an audit by axe finds nothing", async (page, server) => {
  const { default: axe } = await import("npm:axe-core@4.14.1");
  const audit = async (state: string) => {
    for (const scheme of ["light", "dark"]) {
      await page.emulateMediaFeatures([
        { name: "prefers-color-scheme", value: scheme },
        { name: "prefers-reduced-motion", value: "reduce" },
      ]);
      // By the debugger, which the page's policy does not bind.
      await page.evaluate(axe.source);
      const violations = await page.evaluate(async () => {
        // deno-lint-ignore no-explicit-any -- put there by the line above
        const { violations } = await (globalThis as any).axe.run();
        return violations.map((
          { id, nodes }: { id: string; nodes: { html: string }[] },
        ) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
      });
      assertEquals(violations, [], `${state}, ${scheme}`);
    }
  };
  await audit("at rest");
  await press(page, "x".repeat(1000));
  await audit("after a press");
  await page.click("summary");
  await sendAll(page);
  await audit("after 10,000");
  await server.shutdown();
  await status(page, "offline");
  await audit("offline");
});

testChromium("reduced motion is obeyed", async (page) => {
  const animation = () =>
    page.$eval("#number", (number) => getComputedStyle(number).animationName);
  await press(page);
  assertEquals(await animation(), "arrive");
  await page.emulateMediaFeatures([
    { name: "prefers-reduced-motion", value: "reduce" },
  ]);
  await press(page);
  assertEquals(await animation(), "none");
});
