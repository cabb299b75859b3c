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
import { Gate } from "./_gate.ts";
import { eventually, testIf, withServer } from "../../harness/helpers.ts";

/** A browser that the tests of a file share, and a tab in it: to open one takes as
 * long as many a test. */
type Running = { browser: Browser; tab: Tab } & AsyncDisposable;

const running = new Map<Engine, Promise<Running>>();
Deno.test.afterAll(async () => {
  for (const engine of running.keys()) await end(engine);
});

function runningIn(engine: Engine): Promise<Running> {
  const found = running.get(engine) ?? start(engine);
  running.set(engine, found);
  return found;
}

async function start(engine: Engine): Promise<Running> {
  await using stack = new AsyncDisposableStack();
  const browser = stack.use(await startBrowser(engine));
  const { tab } = stack.use(await browser.open());
  const started = stack.move();
  return { browser, tab, [Symbol.asyncDispose]: () => started.disposeAsync() };
}

/** The next test starts another one. */
async function end(engine: Engine): Promise<void> {
  const found = running.get(engine);
  running.delete(engine);
  await (await found)?.[Symbol.asyncDispose]();
}

/** Opens a page in that tab, or in another browser if that one hangs: WebKit's driver
 * waits for a load that never ends, and answers no command until then. Seen once, in
 * CI, where it failed seven tests; 2,800 loads since then have ended. */
async function goTo(engine: Engine, url: string): Promise<Tab> {
  const open = async () => {
    const { tab } = await runningIn(engine);
    await tab.setViewport(SIZE);
    await tab.goto(url);
    return tab;
  };
  return await open().catch(async (error) => {
    if (error.cause?.name !== "TimeoutError") throw error;
    console.warn(`${engine} is started anew:`, error);
    await end(engine);
    return await open();
  });
}

/** Where that tab is between two tests: at this machine too, or the browser would
 * start another process for each of them. */
let nowhere: Deno.HttpServer<Deno.NetAddr> | undefined;
Deno.test.afterAll(() => nowhere?.shutdown());

/** Leaves the page, with the browser if it cannot. */
async function leave(engine: Engine, tab: Tab): Promise<void> {
  nowhere ??= Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response(null, { headers: { "content-type": "text/html" } }),
  );
  const url = `http://127.0.0.1:${nowhere.addr.port}/`;
  await tab.goto(url).catch(() => end(engine));
}

/** How large it is at the beginning of each. */
const SIZE = { width: 800, height: 600 };

/** Opens a page, takes these steps in it and leaves it. */
export type Visit = (
  url: string,
  steps: (tab: Tab) => Promise<void>,
) => Promise<void>;

/** A test in each of these engines, in a tab that it shares with others or, if it
 * changes more than the page and the size of that, in one of its own. */
export function testIn(
  engines: readonly Engine[],
  name: string,
  run: (visit: Visit) => Promise<void>,
  { ownTab = false } = {},
): void {
  for (const engine of engines) {
    const visit: Visit = async (url, steps) => {
      if (ownTab) {
        const { browser } = await runningIn(engine);
        await using opened = await browser.open();
        await opened.tab.goto(url);
        return await steps(opened.tab);
      }
      const tab = await goTo(engine, url);
      try {
        await steps(tab);
      } finally {
        await leave(engine, tab);
      }
    };
    testIf(TESTED.includes(engine))(
      `${name} (${engine})`,
      () => run(visit),
      { sanitizeOps: false, sanitizeResources: false }, // the browser goes on
    );
  }
}

/** A test in each of these engines, with a page that is connected to a server of
 * its own. */
export function testPage(
  engines: readonly Engine[],
  name: string,
  steps: (tab: Tab, server: Server) => Promise<void>,
  options?: Parameters<typeof testIn>[3],
): void {
  testIn(
    engines,
    name,
    (visit) =>
      withServer({}, (_, server) =>
        visit(server.url, async (tab) => {
          await status(tab, "connected");
          await steps(tab, server);
        })),
    options,
  );
}

/** The same in Chromium alone, for what needs more of it. */
export function testChromium(
  name: string,
  steps: (page: Page, server: Server) => Promise<void>,
  options?: Parameters<typeof testIn>[3],
): void {
  const inPage = (tab: Tab, server: Server) => steps(tab as Page, server);
  testPage(["chromium"], name, inPage, options);
}

/** A test of a page behind a gate, which is connected. */
export function throughGate(
  engines: readonly Engine[],
  name: string,
  steps: (tab: Tab, gate: Gate, server: Server) => Promise<void>,
): void {
  testIn(
    engines,
    name,
    (visit) =>
      withGate("/", (gate, server) =>
        visit(gate.url, async (tab) => {
          await status(tab, "connected");
          await steps(tab, gate, server);
        })),
  );
}

/** A server behind a gate, below this path of it. */
export function withGate(
  prefix: string,
  use: (gate: Gate, server: Server) => Promise<void>,
): Promise<void> {
  return withServer({ allowOrigin: ["*"] }, async (_, server) => {
    using gate = new Gate(Number(new URL(server.url).port), prefix);
    await use(gate, server);
  });
}

/** One whose handshakes wait until this is called. */
export function withHeldGate(
  use: (gate: Gate, release: () => void, server: Server) => Promise<void>,
): Promise<void> {
  return withGate("/", async (gate, server) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    gate.hold = () => promise;
    await use(gate, resolve, server);
  });
}

/** What the page is served otherwise than it is. */
interface Changes {
  /** Files that there are not. */
  missing?: RegExp;
  /** Files that come only once something is released. */
  late?: RegExp;
  released?: Promise<void>;
  /** The requests of a run, for what 10,000 show no better. */
  count?: number;
}

/** The page's files, with so many requests in a run. */
async function assetsWith(count: number): ReturnType<typeof loadAssets> {
  const assets = await loadAssets();
  const { body, headers } = assets.get("/many.js")!;
  const [before, after] = new TextDecoder().decode(body)
    .split("const COUNT = 10_000;");
  const changed = `${before}const COUNT = ${count};${after}`;
  const bytes = new TextEncoder().encode(changed);
  return new Map([...assets, ["/many.js", { body: bytes, headers }]]);
}

type Answer = string | Uint8Array<ArrayBuffer>;

/** A server that answers each request with what this returns. */
export async function withAnswers(
  visit: Visit,
  answer: (
    request: string,
  ) => Answer | Answer[] | Promise<string>,
  steps: (tab: Tab) => Promise<void>,
  { missing, late, released, count = 10_000 }: Changes = {},
) {
  const assets = await assetsWith(count);
  await using server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen() {},
  }, async (request) => {
    const { pathname } = new URL(request.url);
    if (missing?.test(pathname)) return new Response(null, { status: 404 });
    if (late?.test(pathname)) await released;
    const asset = assets.get(pathname);
    if (asset) return assetResponse(request, asset);
    if (!pathname.startsWith("/ws")) return new Response();
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onmessage = async ({ data }) => {
      for (const each of [await answer(data)].flat()) socket.send(each);
    };
    return response;
  });
  await visit(`http://127.0.0.1:${server.addr.port}/`, async (tab) => {
    if (!missing && !late) await status(tab, "connected");
    await steps(tab);
  });
}

/** A look into the page costs all of its browser's processes something. */
const waitFor = (holds: () => boolean | Promise<boolean>) =>
  eventually(holds, 40);

/** Waits for the page's scripts, which may run after it is loaded. */
export function scripts(tab: Tab): Promise<void> {
  return waitFor(async () => await text(tab, "#hint") === "");
}

/** Waits for the state of the connection. */
export async function status(
  tab: Tab,
  state: "connecting" | "connected" | "offline" | "refused",
): Promise<void> {
  await waitFor(() =>
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
  await waitFor(async () =>
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
  await type(tab, request);
  await tab.click("#get");
  let number: number | undefined;
  await waitFor(async () => {
    const [, response] = /^(.*) · /s.exec(await text(tab, "#text")) ?? [];
    return (number = parseResponse(request, response)) !== undefined;
  });
  return number!;
}

/** Puts this into the field. */
export function type(tab: Tab, request: string): Promise<void> {
  return tab.evaluate((request) => {
    document.querySelector<HTMLInputElement>("#message")!.value = request;
  }, request);
}

/** Sets the page's clock so that what it would do after ten seconds it does after so
 * many milliseconds. */
export function setTenSeconds(tab: Tab, to: number): Promise<void> {
  return tab.evaluate((to) => {
    const wait = setTimeout;
    globalThis.setTimeout = ((run: () => void, milliseconds: number) =>
      wait(
        run,
        milliseconds === 10_000 ? Number(to) : milliseconds,
      )) as typeof wait;
  }, String(to));
}

/** Presses the other button by its `click()`, which is no part of a double click. */
export function clickMany(tab: Tab): Promise<void> {
  return tab.evaluate(() => document.getElementById("many")!.click());
}

/** Presses the other button and waits for the end of the run. Returns its state and
 * what is said of it. */
export async function sendAll(tab: Tab): Promise<string> {
  await clickMany(tab);
  await runEnds(tab);
  return await outcome(tab);
}

/** Waits until what has changed is drawn; the page hears of new sizes before that. */
export function drawn(tab: Tab): Promise<void> {
  return tab.evaluate(() =>
    new Promise<void>((resolve) => {
      requestAnimationFrame(() => requestAnimationFrame(() => resolve()));
    })
  );
}

/** Waits for the end of a run. */
export function runEnds(tab: Tab): Promise<void> {
  return waitFor(async () => !/^running/.test(await outcome(tab)));
}

/** The state of a run and what is said of it: `done: 10,000 checked: …`. */
export function outcome(tab: Tab): Promise<string> {
  return tab.evaluate(() =>
    [
      document.getElementById("outcome")!.dataset.state,
      document.getElementById("verdict")!.textContent,
      document.getElementById("detail")!.textContent,
    ].join(": ")
  );
}
