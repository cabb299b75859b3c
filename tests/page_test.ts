// Design D7: the page, in real Chromium.

/// <reference lib="dom" />

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { BrowserContextOptions, Page } from "playwright-core";
import config from "../deno.json" with { type: "json" };
import { parseResponse } from "../static/proof.js";
import { CHROMIUM, launch } from "../harness/browser.ts";
import { makeCertificate, missing, serverProcess } from "../harness/process.ts";
import { eventually, withServer } from "./helpers.ts";

const ignore = missing(CHROMIUM, "--version");

/** A page, what went over its WebSockets, and what it complained of. */
interface Visit {
  page: Page;
  sent: string[];
  received: string[];
  requested: string[];
}

/** Opens the page; fails if the console shows an error, or the policy blocks
 * something. Failures to connect are expected of a server that is killed. */
async function visit(
  url: string,
  options: BrowserContextOptions,
  use: (visit: Visit) => Promise<void>,
): Promise<void> {
  const browser = await launch();
  try {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    const complaints: string[] = [];
    const visit: Visit = { page, sent: [], received: [], requested: [] };
    page.on("console", (message) => {
      const refused = /WebSocket connection to .* failed/.test(message.text());
      if (message.type() === "error" && !refused) {
        complaints.push(message.text());
      }
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("request", (request) => visit.requested.push(request.url()));
    page.on("websocket", (socket) => {
      socket.on("framesent", ({ payload }) => visit.sent.push(String(payload)));
      socket.on(
        "framereceived",
        ({ payload }) => visit.received.push(String(payload)),
      );
    });
    await page.goto(url);
    await use(visit);
    assertEquals(complaints, []);
  } finally {
    await browser.close();
  }
}

/** The same against a server of its own. */
const test = (
  name: string,
  use: (visit: Visit) => Promise<void>,
  options: BrowserContextOptions = {},
) =>
  Deno.test(name, { ignore }, () =>
    withServer(
      {},
      (ws) => visit(ws.replace(/^ws(.*)ws$/, "http$1"), options, use),
    ));

const text = (page: Page, selector: string) =>
  page.locator(selector).innerText();

const status = (page: Page, state: string) =>
  page.locator(`#status[data-state="${state}"]`).waitFor();

/** Presses the button, waits for the response and for the page to show it. */
async function press({ page, received }: Visit): Promise<string> {
  const before = received.length;
  await page.getByRole("button", { name: "Get a random number" }).click();
  await eventually(() => received.length > before);
  const response = received.at(-1)!;
  await page.waitForFunction(
    (text) => document.querySelector("#response")!.textContent === text,
    response,
  );
  return response;
}

test("at rest it invites a press, and has sent nothing", async ({ page, sent, requested }) => {
  await status(page, "connected");
  assertEquals(await text(page, "#status"), "connected");
  assertMatch(await text(page, "#response"), /^Press the button/);
  assert(
    await page.getByRole("button", { name: "Get a random number" }).isEnabled(),
  );
  assert(await page.getByRole("button", { name: "Send 10,000" }).isEnabled());
  assertEquals(
    await page.getByLabel("Text of the request").inputValue(),
    "Hello",
  );
  assertEquals(sent, []);
  const origin = new URL(page.url()).origin;
  for (const url of requested) assertEquals(new URL(url).origin, origin);
  assertMatch(
    await text(page, "footer"),
    new RegExp(`ws-random ${config.version}`),
  );
  for (const path of ["/metrics", "/healthz"]) {
    assertEquals(await page.locator(`footer a[href="${path}"]`).count(), 1);
  }
});

test("a press is one frame out and one in, and replaces the last response", async (visit) => {
  const { page, sent, received } = visit;
  await status(page, "connected");
  for (let presses = 1; presses <= 5; presses++) {
    const response = await press(visit);
    const number = parseResponse("Hello", response);
    assert(number, response);
    assertEquals(await text(page, "#number"), String(number));
    assertEquals([sent.length, received.length], [presses, presses]);
  }
});

test("whatever is typed comes back as text", async (visit) => {
  const { page } = visit;
  await status(page, "connected");
  for (
    const request of [
      "<img src=x onerror=alert(1)>",
      '🎲 naïve &amp; "quoted"',
      "two  spaces",
      "",
      "x".repeat(1000),
    ]
  ) {
    await page.getByLabel("Text of the request").fill(request);
    const response = await press(visit);
    assert(parseResponse(request, response), response);
  }
  assertEquals(await page.locator("#answer img").count(), 0);
});

test("nothing moves when a number arrives", async (visit) => {
  const { page } = visit;
  await status(page, "connected");
  const places = () =>
    page.evaluate(() =>
      [...document.querySelectorAll("header, section, form, footer, button")]
        .map((element) => {
          const { x, y, width, height } = element.getBoundingClientRect();
          return [x, y, width, height].join();
        })
    );
  const before = await places();
  await press(visit);
  assertEquals(await places(), before);
}, { viewport: { width: 320, height: 700 } });

test("the keyboard is enough", async (visit) => {
  const { page, received } = visit;
  await status(page, "connected");
  const order: (string | undefined)[] = [];
  for (let i = 0; i < 5; i++) {
    await page.keyboard.press("Tab");
    order.push(await page.evaluate(() => document.activeElement?.id));
    const outline = await page.evaluate(() =>
      getComputedStyle(document.activeElement!).outlineWidth
    );
    assertEquals(outline, "3px", order.at(-1));
    if (order.length === 1) { // in the text field
      await page.keyboard.press("Control+A");
      await page.keyboard.type("typed");
      await page.keyboard.press("Enter");
      await page.locator("#response", { hasText: /^typed \d/ }).waitFor();
    }
    if (order.length === 2) { // on the button
      await page.keyboard.press("Space");
      await page.keyboard.press("Enter");
    }
  }
  await eventually(() => received.length === 3);
  assertEquals(order.slice(0, 3), ["message", "get", "many"]);
});

test("10,000: each checked, counted and drawn", async ({ page, sent, received }) => {
  await status(page, "connected");
  await page.getByRole("button", { name: "Send 10,000" }).click();
  await page.locator("#outcome", { hasText: "10,000 of 10,000 answered" })
    .waitFor();
  assertEquals(
    await page.evaluate(() => document.activeElement?.id),
    "many",
    "the focus is back where it was",
  );
  assertEquals(await text(page, "#received"), "10,000");
  assertEquals(await text(page, "#invalid"), "0");
  assertMatch(await text(page, "#seconds"), /^\d+\.\d\d$/);
  assertMatch(await text(page, "#rate"), /^[\d,]+$/);
  assert(Number(await text(page, "#p-value")) >= 0);
  assertEquals(await page.locator("#progress").getAttribute("value"), "10000");
  assertEquals([sent.length, received.length], [10_000, 10_000]);

  // The chart shows what went over the wire.
  const counts = new Array(100).fill(0);
  received.forEach((response, i) =>
    counts[parseResponse(`Message ${i + 1}`, response)! - 1]++
  );
  const heights = await page.locator("#bars rect").evaluateAll((bars) =>
    bars.map((bar) => Number(bar.getAttribute("height")))
  );
  const level = 40 - Number(await page.locator("#expected").getAttribute("y1"));
  assertEquals(heights.length, 100);
  heights.forEach((height, i) => {
    const expected = Math.min(40, counts[i] / 100 * level);
    assert(Math.abs(height - expected) < 0.01, `bar ${i + 1}`);
  });
  await page.getByText("The counts as a table").click();
  const cells = await page.locator("#table td").allInnerTexts();
  assertEquals(cells.map(Number), counts);
  assertMatch(
    await page.locator("#chart").getAttribute("aria-label") ?? "",
    /most often \d+, \d+ times; least often \d+, \d+ times/,
  );
});

test("10,000 can be stopped, and run again", async ({ page }) => {
  await status(page, "connected");
  const [stop, many] = [page.locator("#stop"), page.locator("#many")];
  // Both presses from within: from here the run might be over in between.
  const enabled = await page.evaluate(() =>
    new Promise((resolve) => {
      const many = document.querySelector<HTMLButtonElement>("#many")!;
      const stop = document.querySelector<HTMLButtonElement>("#stop")!;
      many.click();
      const enabled = [many, stop].map((button) => !button.disabled);
      requestAnimationFrame(function stopSoon() { // once there is something
        const { value } = document.querySelector("progress")!;
        if (value === 0) return requestAnimationFrame(stopSoon);
        stop.click();
        resolve(enabled);
      });
    })
  );
  assertEquals(enabled, [false, true]);
  await page.locator("#outcome", { hasText: "answered, then stopped" })
    .waitFor();
  const [, count] = /^([\d,]+) of/.exec(await text(page, "#outcome"))!;
  assertEquals(await text(page, "#received"), count);
  assert(await stop.isDisabled());
  await many.click();
  await page.locator("#outcome", { hasText: "10,000 of 10,000" }).waitFor();
});

test("10,000 do not block the page", async ({ page }) => {
  await status(page, "connected");
  // Frames drawn between the press and the last response.
  const frames = await page.evaluate(() =>
    new Promise<number>((resolve) => {
      let frames = 0;
      document.querySelector<HTMLButtonElement>("#many")!.click();
      requestAnimationFrame(function count() {
        frames++;
        const outcome = document.querySelector("#outcome")!.textContent!;
        if (outcome.includes("answered")) resolve(frames);
        else requestAnimationFrame(count);
      });
    })
  );
  assert(frames >= 5, `${frames} frames`);
});

Deno.test(
  "the server killed and restarted under the page",
  { ignore },
  async () => {
    const first = await serverProcess();
    let { server } = first;
    try {
      await visit(first.url, {}, async (visit) => {
        const { page } = visit;
        await status(page, "connected");
        const before = await press(visit);
        await page.locator("#response", { hasText: before }).waitFor();

        server.kill("SIGKILL");
        await status(page, "offline");
        assert(await page.locator("#get").isDisabled());
        assert(await page.locator("#many").isDisabled());

        server = (await serverProcess(`--port=${first.port}`)).server;
        await status(page, "connected");
        assert(await page.locator("#get").isEnabled());
        assert(parseResponse("Hello", await press(visit)));
      });
    } finally {
      await server[Symbol.asyncDispose]();
    }
  },
);

Deno.test(
  "a request that waits when the server goes is not shown as answered",
  {
    ignore,
  },
  async () => {
    const { server, url } = await serverProcess();
    await using _ = server;
    await visit(url, {}, async ({ page }) => {
      await status(page, "connected");
      server.kill("SIGSTOP"); // it takes the request and does not answer
      await page.getByRole("button", { name: "Get a random number" }).click();
      server.kill("SIGKILL");
      await page.locator("#response.bad", { hasText: "No answer" }).waitFor();
      assertEquals(await text(page, "#number"), "?");
    });
  },
);

Deno.test("a server that hangs is given up after 10 s, and found again", {
  ignore,
}, async () => {
  const { server, url } = await serverProcess();
  await using _ = server;
  await visit(url, {}, async (visit) => {
    const { page } = visit;
    await page.clock.install();
    await page.reload();
    await status(page, "connected");
    server.kill("SIGSTOP");
    await page.getByRole("button", { name: "Get a random number" }).click();
    await page.clock.fastForward(10_000);
    await page.locator("#response.bad", { hasText: "No answer" }).waitFor();
    assert(await page.locator("#get").isDisabled());
    server.kill("SIGCONT");
    await page.clock.fastForward(10_000); // the delay before it reconnects
    await status(page, "connected");
    assert(parseResponse("Hello", await press(visit)));
  });
});

Deno.test("behind https the page connects by wss", { ignore }, async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { cert, key } = await makeCertificate(folder);
    await withServer({ cert, key }, (wss) =>
      visit(
        wss.replace(/^wss(.*)ws$/, "https$1"),
        { ignoreHTTPSErrors: true },
        async (visit) => {
          await status(visit.page, "connected");
          assert(parseResponse("Hello", await press(visit)));
        },
      ));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a disconnect in the middle of 10,000 says how many were answered", {
  ignore,
}, () =>
  // "Message 1000" is too long, and all before it are answered.
  withServer({ maxMessage: "Message 999".length }, (ws) =>
    visit(ws.replace(/^ws(.*)ws$/, "http$1"), {}, async ({ page }) => {
      await status(page, "connected");
      await page.getByRole("button", { name: "Send 10,000" }).click();
      await page.locator("#outcome.bad", {
        hasText: "999 of 10,000 answered, then the connection was lost.",
      }).waitFor();
      assertEquals(await text(page, "#received"), "999");
    })));

Deno.test(
  "it reconnects at once when the browser is online or looked at again",
  {
    ignore,
  },
  async () => {
    const first = await serverProcess();
    let { server } = first;
    try {
      await visit(first.url, {}, async ({ page }) => {
        await status(page, "connected");
        await page.evaluate(() => {
          Math.random = () => 1000; // the delay would outlast the test
        });
        const comebacks = [
          async () => {
            await page.context().setOffline(true);
            await page.context().setOffline(false);
          },
          () =>
            page.evaluate(() => {
              document.dispatchEvent(new Event("visibilitychange"));
            }),
        ];
        for (const comeBack of comebacks) {
          server.kill("SIGKILL");
          await status(page, "connecting");
          server = (await serverProcess(`--port=${first.port}`)).server;
          await comeBack();
          await status(page, "connected");
        }
      });
    } finally {
      await server[Symbol.asyncDispose]();
    }
  },
);

for (const colorScheme of ["light", "dark"] as const) {
  test(`an audit by axe finds nothing, ${colorScheme}`, async (visit) => {
    const { page } = visit;
    const { default: axe } = await import("axe-core");
    const audit = async (state: string) => {
      // By the debugger, which the page's policy does not bind.
      await page.evaluate(axe.source);
      const violations = await page.evaluate(async () => {
        // deno-lint-ignore no-explicit-any -- put there by the line above
        const { violations } = await (globalThis as any).axe.run();
        return violations.map((
          { id, nodes }: { id: string; nodes: { html: string }[] },
        ) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
      });
      assertEquals(violations, [], state);
    };
    await status(page, "connected");
    await audit("at rest");
    await press(visit);
    await audit("after a press");
    await page.getByRole("button", { name: "Send 10,000" }).click();
    await page.locator("#outcome", { hasText: "10,000 of" }).waitFor();
    await page.getByText("The counts as a table").click();
    await audit("after 10,000");
  }, { colorScheme, reducedMotion: "reduce" });
}

for (const width of [320, 768, 1280]) {
  test(`no sideways scrolling at ${width} px`, async ({ page }) => {
    await status(page, "connected");
    await page.getByRole("button", { name: "Send 10,000" }).click();
    await page.locator("#outcome", { hasText: "10,000 of" }).waitFor();
    await page.getByText("The counts as a table").click();
    const scrolls = await page.evaluate(() =>
      document.documentElement.scrollWidth -
      document.documentElement.clientWidth
    );
    assertEquals(scrolls, 0);
  }, { viewport: { width, height: 800 } });
}

test("reduced motion is obeyed", async (visit) => {
  await status(visit.page, "connected");
  await press(visit);
  const animation = await visit.page.evaluate(() =>
    getComputedStyle(document.querySelector("#number")!).animationName
  );
  assertEquals(animation, "none");
}, { reducedMotion: "reduce" });
