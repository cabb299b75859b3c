// Where things are on the page, in sizes from a phone's to a desktop's.

/// <reference lib="dom" />

import { assert, assertEquals } from "@std/assert";
import { ENGINES, type Tab } from "../../harness/browser.ts";
import {
  clickMany,
  press,
  runEnds,
  scripts,
  sendAll,
  status,
  testChromium,
  testIn,
  testPage,
  withAnswers,
  withHeldGate,
} from "./_page.ts";

/** WebKit's window gets no narrower than 450. */
const WIDTHS = [320, 390, 515, 768, 1024, 1280];

/** Where things are, at some widths and sizes of text: by name, in pixels. */
async function places(tab: Tab): Promise<Record<string, number[]>> {
  const places: Record<string, number[]> = {};
  for (const fontSize of ["100%", "200%"]) {
    for (const width of [320, 390, 515, 1280]) {
      await setSize(tab, width, fontSize);
      const boxes = await tab.evaluate(() =>
        [...document.querySelectorAll(
          "header, #status, section, form, input, button, progress, dl, figure",
        )].map((element) => {
          const { y, right, width, height } = element.getBoundingClientRect();
          // The text of the status is as long as it is.
          const across = element.id === "status" ? right : width;
          return { id: element.id, box: [y + scrollY, across, height] };
        })
      );
      boxes.forEach(({ id, box }, index) =>
        places[`${width} px, ${fontSize}: ${index} ${id}`] = box
      );
    }
  }
  return places;
}

/** What has moved by more than a fraction of a pixel. */
async function moved(tab: Tab, before: Record<string, number[]>) {
  const now = await places(tab);
  return Object.entries(before).filter(([name, box]) =>
    box.some((length, index) => Math.abs(length - now[name][index]) > 0.5)
  ).map(([name, box]) => `${name}: ${box} -> ${now[name]}`);
}

async function setSize(tab: Tab, width: number, fontSize = "100%") {
  await tab.setViewport({ width, height: 800 });
  await tab.evaluate((fontSize) => {
    document.documentElement.style.fontSize = fontSize;
  }, fontSize);
}

testPage(ENGINES, "nothing moves, whatever happens", async (tab, server) => {
  const before = await places(tab);
  const assertStays = async (state: string) =>
    assertEquals(await moved(tab, before), [], state);
  await press(tab, "short");
  await assertStays("a short response");
  await press(tab, "x".repeat(1000));
  await assertStays("a long one");
  await clickMany(tab);
  await assertStays("while 10,000 are sent");
  await runEnds(tab);
  await assertStays("after 10,000");
  await clickMany(tab);
  await clickMany(tab);
  await assertStays("stopped");
  await server.shutdown();
  await status(tab, "offline");
  await assertStays("offline");
});

testIn(ENGINES, "the first paint is the page", async (visit) => {
  const look = async (tab: Tab) => {
    await setSize(tab, 1280);
    return await tab.evaluate(() => {
      const ids = ["text", "verdict", "detail", "level", "legend", "axis"];
      const { top, bottom } = getComputedStyle(
        document.getElementById("plot")!,
        "::before",
      );
      return [
        ...ids.map((id) => document.getElementById(id)!.textContent!.trim()),
        ...[top, bottom].map((length) => Math.round(parseFloat(length))),
      ];
    });
  };
  let first: unknown;
  let before: Record<string, number[]> = {};
  await withAnswers(visit, String, async (tab) => {
    before = await places(tab);
    first = await look(tab);
  }, { missing: /\.js$/ });
  await withAnswers(visit, String, async (tab) => {
    assertEquals(await moved(tab, before), []);
    assertEquals(await look(tab), first);
  });
});

testPage(ENGINES, "all has its place, at any width", async (tab) => {
  await press(tab);
  await sendAll(tab);
  for (const fontSize of ["100%", "200%"]) {
    for (const width of WIDTHS) {
      await setSize(tab, width, fontSize);
      for (const open of ["open", ""]) {
        const state = `text of ${fontSize}, ${width} px, ${open}`;
        await tab.evaluate((open) => {
          document.querySelector("details")!.open = Boolean(open);
        }, open);
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
      if (element.id === "one-title") continue; // not to be seen
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
    for (const label of document.querySelectorAll("#axis > text")) {
      const a = label.getBoundingClientRect();
      const { left, width } = box("#bars"); // without half a gap at each end
      const number = Number(label.textContent);
      const middle = left + width * (number - 0.65) / 99.7;
      const offset = a.left + a.width / 2 - middle;
      if (!(Math.abs(offset) < 0.75)) {
        faults.push(`${label.textContent} is ${offset} px beside its bar`);
      }
    }
    if (box("#axis > :last-child").right > box("#many").right + 12) {
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

/** Windows, and what is seen in each without scrolling. */
const WINDOWS = [
  [320, 640, "#outcome"],
  [390, 844, "#legend"],
  [667, 375, "#get"],
  [844, 390, "#get"],
  [932, 430, "#get"],
  [1280, 800, "footer"],
  [1920, 1080, "footer"],
] as const;

/** WebKit's window gets no narrower, and its screen is no wider. */
const fitsWebKit = (width: number) => 450 < width && width < 1600;

for (
  const [name, engines, windows] of [
    ["a window", ENGINES, WINDOWS.filter(([width]) => fitsWebKit(width))],
    [
      "a phone or a large screen",
      ["chromium", "firefox"],
      WINDOWS.filter(([width]) => !fitsWebKit(width)),
    ],
  ] as const
) {
  testPage(engines, `${name} shows the button or all of a run`, async (tab) => {
    for (const [width, height, last] of windows) {
      await tab.setViewport({ width, height });
      const below = await tab.evaluate(
        (last) =>
          ["#number", "#get", last].filter(
            (selector) => {
              const { bottom } = document.querySelector(selector)!
                .getBoundingClientRect();
              return bottom > innerHeight;
            },
          ),
        last,
      );
      assertEquals(below, [], `${width} × ${height}`);
    }
  });
}

testChromium("the table opens below all, which stays", async (page) => {
  const tops = () =>
    page.evaluate(() =>
      [...document.querySelectorAll("#number, #get, figure, dl, summary")]
        .map((part) => part.getBoundingClientRect().top)
    );
  for (const [width, height] of [[390, 844], [1280, 800], [1920, 1080]]) {
    await page.setViewport({ width, height });
    const before = await tops();
    await page.$eval("summary", (summary) => (summary as HTMLElement).click());
    assertEquals(await tops(), before, `${width} × ${height}`);
    await page.$eval("summary", (summary) => (summary as HTMLElement).click());
  }
});

testIn(
  ["chromium"],
  "the header stays while the page loads",
  (visit) =>
    withHeldGate((gate, release) =>
      visit(gate.url, async (tab) => {
        await scripts(tab);
        const look = () =>
          tab.evaluate(() => {
            const status = document.getElementById("status")!;
            const { left, right } = status.getBoundingClientRect();
            const icon = document.querySelector("img")!.offsetWidth;
            const { flexDirection } = getComputedStyle(status);
            const dot = flexDirection === "row-reverse" ? right : left;
            return { icon, dot };
          });
        const before = await look();
        release();
        await status(tab, "connected");
        await tab.evaluate(() => {
          document.querySelector("img")!.removeAttribute("src");
        });
        assertEquals(await look(), before);
      })
    ),
);

testChromium("a large screen is used", async (page) => {
  await page.setViewport({ width: 2560, height: 1440 });
  const [width, text] = await page.evaluate(() => [
    document.querySelector("main")!.offsetWidth,
    parseFloat(getComputedStyle(document.body).fontSize),
  ]);
  assert(width > 0.7 * 2560, `${width} px`);
  assert(text >= 20, `${text} px`);
});

testChromium("number, response, field and button are a group", async (page) => {
  await page.setViewport({ width: 1280, height: 800 });
  const { card, ...parts } = await page.evaluate(() => {
    const box = (selector: string) => {
      const { left, right, top, bottom } = document.querySelector(selector)!
        .getBoundingClientRect();
      return { left, right, top, bottom };
    };
    return {
      card: box("section"),
      number: box("#number > *, #number"),
      response: box("#response"),
      message: box("#message"),
      get: box("#get"),
    };
  });
  const middle = (card.left + card.right) / 2;
  for (const [name, { left, right }] of Object.entries(parts)) {
    assert(Math.abs((left + right) / 2 - middle) < 1, name);
  }
  assertEquals(parts.get.right - parts.get.left, 24 * 16);
  assertEquals(parts.message.right - parts.message.left, 24 * 16);
  assertEquals(parts.get.bottom - parts.get.top, 3.25 * 16);
  assert(parts.message.top - parts.response.bottom < 48, "no gap between them");
});
