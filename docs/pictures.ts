/**
 * Makes the README's pictures from the real page: `deno task pictures`.
 *
 * @module
 */

import { type Page, startBrowser } from "../harness/browser.ts";
import { serverProcess } from "../harness/process.ts";

const FOLDER = new URL(".", import.meta.url).pathname;
/** Down to the end of the first card. */
const PHONE = { width: 390, height: 422 };
const DESKTOP = { width: 1280, height: 800 };

const { server, url } = await serverProcess();
await using _ = server;
await using browser = await startBrowser("chromium");
for (const scheme of ["light", "dark"]) {
  await using opened = await browser.open();
  const page = opened.tab as Page;
  await page.emulateMediaFeatures([
    { name: "prefers-color-scheme", value: scheme },
    { name: "prefers-reduced-motion", value: "reduce" },
  ]);
  const shoot = async (name: string, viewport: typeof PHONE) => {
    await page.setViewport(viewport);
    await page.screenshot({ path: `${FOLDER}${name}-${scheme}.png` });
  };
  await page.goto(url);
  await page.waitForSelector('#status[data-state="connected"]');
  await shoot("rest", PHONE);
  await page.click("#get");
  await page.waitForSelector('[data-state="answered"]');
  await shoot("press", PHONE);
  await page.click("#many");
  await page.waitForSelector('#outcome[data-state="done"]');
  await page.mouse.move(0, 0); // no button looks pointed at
  await shoot("many", DESKTOP);
}
