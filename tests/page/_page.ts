/**
 * What the tests of the page share: a page of a server, in a browser that all
 * tests of a file use.
 *
 * @module
 */

/// <reference lib="dom" />

import {
  type Browser,
  type Engine,
  type Page,
  startBrowser,
  type Tab,
  TESTED,
} from "../../harness/browser.ts";
import { assetResponse, loadAssets } from "../../lib/server/page.ts";
import { parseResponse } from "../../static/proof.js";
import type { Server } from "../../server.ts";
import { eventually, testIf, withServer } from "../../harness/helpers.ts";

const browsers = new Map<Engine, Promise<Browser>>();

Deno.test.afterAll(async () => {
  for (const browser of browsers.values()) {
    await (await browser)[Symbol.asyncDispose]();
  }
});

/** Opens a page, takes these steps in it and closes it. */
export type Visit = (
  url: string,
  steps: (tab: Tab) => Promise<void>,
) => Promise<void>;

/** A test in each of these engines. */
export function testIn(
  engines: readonly Engine[],
  name: string,
  run: (visit: Visit) => Promise<void>,
): void {
  for (const engine of engines) {
    const test = testIf(TESTED.includes(engine));
    test(`${name} (${engine})`, () =>
      run(async (url, steps) => {
        let browser = browsers.get(engine);
        if (!browser) browsers.set(engine, browser = startBrowser(engine));
        await (await browser).use(async (tab) => {
          await tab.goto(url);
          await steps(tab);
        });
      }), { sanitizeOps: false, sanitizeResources: false }); // the browser goes on
  }
}

/** A test in each of these engines, with a page that is connected to a server of
 * its own. */
export function testPage(
  engines: readonly Engine[],
  name: string,
  steps: (tab: Tab, server: Server) => Promise<void>,
  options: Parameters<typeof withServer>[0] = {},
): void {
  testIn(
    engines,
    name,
    (visit) =>
      withServer(options, (_, server) =>
        visit(server.url, async (tab) => {
          await status(tab, "connected");
          await steps(tab, server);
        })),
  );
}

/** The same in Chromium alone, for what needs more of it. */
export function testChromium(
  name: string,
  steps: (page: Page, server: Server) => Promise<void>,
): void {
  testPage(["chromium"], name, (tab, server) => steps(tab as Page, server));
}

/** A server that answers each request with what this returns. */
export async function withAnswers(
  visit: Visit,
  answer: (
    request: string,
  ) => string | Uint8Array<ArrayBuffer> | Promise<string>,
  steps: (tab: Tab) => Promise<void>,
) {
  const assets = await loadAssets();
  await using server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen() {},
  }, (request) => {
    const { pathname } = new URL(request.url);
    const asset = assets.get(pathname);
    if (asset) return assetResponse(request, asset);
    if (!pathname.startsWith("/ws")) return new Response();
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onmessage = async ({ data }) => socket.send(await answer(data));
    return response;
  });
  await visit(`http://127.0.0.1:${server.addr.port}/`, async (tab) => {
    await status(tab, "connected");
    await steps(tab);
  });
}

/** Waits for the state of the connection. */
export async function status(
  tab: Tab,
  state: "connecting" | "connected" | "offline",
): Promise<void> {
  await eventually(() =>
    tab.evaluate(
      (state) =>
        document.querySelector<HTMLElement>("#status")!.dataset.state === state,
      state,
    )
  );
}

export function text(tab: Tab, selector: string): Promise<string> {
  return tab.evaluate(
    (selector) => document.querySelector(selector)!.textContent!,
    selector,
  );
}

/** Waits until this text is part of an element's. */
export async function showsText(
  tab: Tab,
  selector: string,
  wanted: string,
): Promise<void> {
  let shown = "";
  await eventually(async () =>
    (shown = await text(tab, selector)).includes(wanted)
  ).catch(() => {
    throw new Error(`${selector} never showed "${wanted}" but "${shown}"`);
  });
}

let presses = 0;

/** Types a request, presses the button, and returns the number when its response
 * is there. */
export async function press(
  tab: Tab,
  request = `press ${++presses}`,
): Promise<number> {
  await tab.evaluate((request) => {
    document.querySelector<HTMLInputElement>("#message")!.value = request;
  }, request);
  await tab.click("#get");
  const number = async () =>
    parseResponse(request, await text(tab, "#response"));
  await eventually(async () => await number() !== undefined);
  return await number() as number;
}

/** Presses the other button and waits for the end of the run. */
export async function sendAll(tab: Tab): Promise<string> {
  await tab.click("#many");
  await showsText(tab, "#outcome", "10,000 answered");
  return await text(tab, "#outcome");
}
