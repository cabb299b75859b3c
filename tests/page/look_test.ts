// How the page looks, dot by dot, and to those who do not see it.

/// <reference lib="dom" />

import { assert, assertEquals, assertMatch } from "@std/assert";
import { ENGINES, type Page } from "../../harness/browser.ts";
import {
  clickMany,
  drawn,
  outcome,
  press,
  sendAll,
  showsText,
  status,
  testChromium,
  testIn,
  testPage,
  withAnswers,
} from "./_page.ts";

/** The colours that are seen in a part of the page: in all of it, or at most so far
 * from its left and right edges, and half as far from its upper one. */
async function colours(
  page: Page,
  clip: { x: number; y: number; width: number; height: number },
  margin = Infinity,
): Promise<string[]> {
  const encoded = await page.screenshot({ clip, encoding: "base64" });
  return await page.evaluate(
    async (encoded, margin) => {
      const bytes = Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0));
      const image = await createImageBitmap(new Blob([bytes]));
      const { width, height } = image;
      const context = new OffscreenCanvas(width, height).getContext("2d")!;
      context.drawImage(image, 0, 0);
      const { data } = context.getImageData(0, 0, width, height);
      const colours = new Set<string>();
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          const [left, right] = [x < margin, x >= width - margin];
          if (!left && !right && y >= margin / 2) continue;
          const at = 4 * (y * width + x);
          colours.add(data.slice(at, at + 3).join());
        }
      }
      return [...colours];
    },
    encoded,
    margin,
  );
}

testChromium("no hairline is around the response", async (page) => {
  await page.emulateMediaFeatures([
    { name: "prefers-reduced-motion", value: "reduce" },
  ]);
  for (const ratio of [1, 1.25, 1.5, 2, 2.625, 3]) {
    for (const width of [390, 1280]) {
      await page.setViewport({ width, height: 800, deviceScaleFactor: ratio });
      const clip = await page.$eval("#response", (response) => {
        const { x, y, width, height } = response.getBoundingClientRect();
        return { x: x - 2, y: y - 2, width: width + 4, height: height + 4 };
      });
      const margin = Math.round(6 * ratio); // where no text comes
      const seen = await colours(page, clip, margin);
      assertEquals(seen, ["255,255,255"], `${width} px, ratio ${ratio}`);
    }
  }
}, { ownTab: true });

testChromium("what tells something has contrast enough", async (page) => {
  await page.setViewport({ width: 1280, height: 800 });
  for (const scheme of ["light", "dark"]) {
    await page.emulateMediaFeatures([
      { name: "prefers-color-scheme", value: scheme },
    ]);
    const colours = await page.evaluate(() => {
      const context = new OffscreenCanvas(1, 1).getContext("2d")!;
      const probe = document.body.appendChild(document.createElement("i"));
      /** The relative luminance of WCAG 2.2. */
      const luminance = (name: string) => {
        probe.style.color = `var(--${name})`;
        context.fillStyle = getComputedStyle(probe).color;
        context.fillRect(0, 0, 1, 1);
        const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data]
          .map((value) => value / 255)
          .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const ratio = (...names: string[]) => {
        const [a, b] = names.map(luminance).sort((a, b) => b - a);
        return (a + 0.05) / (b + 0.05);
      };
      return [
        ["bar", "surface"],
        ["bar", "band"],
        ["end", "band"],
        ["end", "bar"],
        ["control", "surface"],
        ["good", "surface"],
        ["bad", "surface"],
      ].map((pair) => ({ pair: pair.join(" on "), ratio: ratio(...pair) }));
    });
    for (const { pair, ratio } of colours) {
      const least = pair === "end on bar" ? 2 : 3;
      assert(ratio >= least, `${pair}, ${scheme}: ${ratio.toFixed(2)}`);
    }
  }
}, { ownTab: true });

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

testChromium("the focus on a long response is seen", async (page) => {
  await page.setViewport({ width: 1280, height: 800 });
  await press(page, "x".repeat(1000));
  await drawn(page);
  await page.keyboard.press("Tab"); // the keyboard is used
  await page.focus("#response");
  const clip = await page.$eval("#response", (response) => {
    const { x, y, height } = response.getBoundingClientRect();
    return { x: x - 4, y, width: 1, height };
  });
  assertEquals(await colours(page, clip), ["86,70,214"]);
});

/** Asserts that axe finds nothing, in both schemes of colours. */
async function audit(page: Page, state: string): Promise<void> {
  const { default: axe } = await import("npm:axe-core@4.14.1");
  // By the debugger, which the page's policy does not bind; once for each page.
  if (!await page.evaluate(() => "axe" in globalThis)) {
    await page.evaluate(axe.source);
  }
  for (const scheme of ["light", "dark"]) {
    await page.emulateMediaFeatures([
      { name: "prefers-color-scheme", value: scheme },
      { name: "prefers-reduced-motion", value: "reduce" },
    ]);
    await drawn(page);
    const violations = await page.evaluate(async (scheme) => {
      // deno-lint-ignore no-explicit-any -- put there by the line above
      const { violations } = await (globalThis as any).axe.run(
        // Colours are what the other scheme differs in.
        scheme === "light" ? {} : { runOnly: ["color-contrast"] },
      );
      return violations.map((
        { id, nodes }: { id: string; nodes: { html: string }[] },
      ) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
    }, scheme);
    assertEquals(violations, [], `${state}, ${scheme}`);
  }
}

testChromium("an audit by axe finds nothing", async (page, server) => {
  await audit(page, "at rest");
  await press(page, "x".repeat(1000));
  await audit(page, "after a long response");
  await page.click("summary");
  assertMatch(await sendAll(page), /^done/);
  await audit(page, "after 10,000");
  await server.shutdown();
  await status(page, "offline");
  await audit(page, "offline");
}, { ownTab: true });

testIn(
  ["chromium"],
  "an audit finds nothing while a run goes on, and when it has failed",
  (visit) => {
    const { promise: released, resolve: release } = Promise.withResolvers();
    let next = 0;
    const answer = async (request: string) => {
      if (next >= 500) await released;
      return `${request} ${next++ % 100}`; // 0 is invalid
    };
    return withAnswers(visit, answer, async (tab) => {
      const page = tab as Page;
      await clickMany(page);
      await showsText(page, "#verdict", "Waiting for answers");
      await audit(page, "while it runs");
      await clickMany(page);
      assertMatch(await outcome(page), /^failed/);
      await audit(page, "failed");
      release(undefined);
    });
  },
  { ownTab: true },
);

testChromium("forced colours leave the chart legible", async (page) => {
  const session = await page.createCDPSession();
  await session.send("Emulation.setEmulatedMedia", {
    features: [{ name: "forced-colors", value: "active" }],
  });
  const { level, axis, words, swatch, band } = await page.evaluate(() => {
    const style = (selector: string, part?: string) =>
      getComputedStyle(document.querySelector(selector)!, part);
    return {
      level: style("#level").color,
      axis: style("#axis > text").fill,
      words: style("h2").color,
      swatch: style("#legend", "::before").backgroundColor,
      band: style("#plot", "::before").backgroundColor,
    };
  });
  assertEquals([level, axis], [words, words]);
  assertEquals(swatch, band);
}, { ownTab: true });

testChromium("reduced motion is obeyed", async (page) => {
  const animation = () =>
    page.$eval(
      "#number > span",
      (number) => getComputedStyle(number).animationName,
    );
  await press(page);
  assertEquals(await animation(), "arrive");
  await page.emulateMediaFeatures([
    { name: "prefers-reduced-motion", value: "reduce" },
  ]);
  await press(page);
  assertEquals(await animation(), "none");
}, { ownTab: true });
