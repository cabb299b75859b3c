/**
 * Makes the README's pictures from the real page: `deno task pictures`.
 *
 * @module
 */

import { launch } from "../harness/browser.ts";
import { serverProcess } from "../harness/process.ts";

const FOLDER = new URL(".", import.meta.url).pathname;

const { server, url } = await serverProcess();
await using _ = server;
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

  await page.goto(url);
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
