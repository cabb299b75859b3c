/**
 * The system's Chromium, for the tests of the page and its pictures.
 *
 * @module
 */

import fs from "node:fs";
import type { Browser } from "playwright-core";

/** Where Debian's package puts it. */
export const CHROMIUM = "/usr/bin/chromium";

/** Starts it, kept from calling home. */
export async function launch(): Promise<Browser> {
  // When it is loaded, playwright-core looks below /proc whether this is Windows.
  // Deno asks for --allow-all even to say that a file there does not exist.
  const { existsSync } = fs;
  fs.existsSync = (path) =>
    !String(path).startsWith("/proc/") && existsSync(path);
  const { chromium } = await import("playwright-core");
  return await chromium.launch({
    executablePath: CHROMIUM,
    args: [
      "--no-sandbox", // CI runs as root
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}
