/**
 * Makes the README's pictures from the real page: `deno task pictures`.
 *
 * @module
 */

import { launch } from "./browser.ts";
import { withServer } from "./helpers.ts";

const FOLDER = new URL("../docs/", import.meta.url).pathname;

await Deno.mkdir(FOLDER, { recursive: true });
await withServer({}, async (ws) => {
  const browser = await launch();
  for (const colorScheme of ["light", "dark"] as const) {
    const page = await browser.newPage({
      viewport: { width: 800, height: 480 },
      colorScheme,
      reducedMotion: "reduce",
    });
    const shoot = (state: string, fullPage = false) =>
      page.screenshot({
        path: `${FOLDER}${state}-${colorScheme}.png`,
        fullPage,
      });

    await page.goto(ws.replace(/^ws(.*)ws$/, "http$1"));
    await page.locator("#get:enabled").waitFor();
    await shoot("rest");
    await page.locator("#get").click();
    await page.locator("#response", { hasText: /^Hello \d/ }).waitFor();
    await shoot("press");
    await page.locator("#many").click();
    await page.locator("#outcome", { hasText: "10,000 of 10,000" }).waitFor();
    await shoot("many", true);
    await page.close();
  }
  await browser.close();
});
