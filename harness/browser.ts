/**
 * The system's browsers, for the tests of the page and its pictures: Chromium and
 * Firefox by puppeteer, WebKitGTK by its WebDriver on a screen of its own.
 *
 * @module
 */

import { setTimeout as delay } from "node:timers/promises";
import type { Browser as Puppeteer } from "npm:puppeteer-core@25.16.0";
export type { Page } from "npm:puppeteer-core@25.16.0";
import { freePort, IN_CI, missing, Process } from "./process.ts";

/** Chromium without a browser's windows, at two thirds of the cost. */
const SHELL = "/usr/bin/chromium-headless-shell";

/** What one of them needs, where Debian's packages put it. */
const PROGRAMS = {
  chromium: [missing("test", "-x", SHELL) ? "/usr/bin/chromium" : SHELL],
  firefox: ["/usr/bin/firefox-esr"],
  webkit: ["/usr/bin/WebKitWebDriver", "/usr/bin/Xvfb"],
};

export type Engine = keyof typeof PROGRAMS;

export const ENGINES = Object.keys(PROGRAMS) as Engine[];

/** Whether a browser is missing here; see {@linkcode missing}. */
function browserMissing(engine: Engine): boolean {
  return PROGRAMS[engine].some((path) => missing("test", "-x", path));
}

/** Those that tests use: the first that is here, and in CI all. */
export const TESTED = ENGINES.filter((engine) => !browserMissing(engine))
  .slice(0, IN_CI ? undefined : 1);

/** What the tests need of a page in any engine: a part of puppeteer's. */
export interface Tab {
  goto(url: string): Promise<unknown>;
  setViewport(size: { width: number; height: number }): Promise<void>;
  click(selector: string): Promise<void>;
  /** Runs this in the page; its promise is waited for. */
  evaluate<Result>(
    run: (...args: string[]) => Result,
    ...args: string[]
  ): Promise<Awaited<Result>>;
  keyboard: { press(key: "Tab"): Promise<void> };
}

/** A browser that runs. */
export interface Browser extends AsyncDisposable {
  /** Opens a tab with cookies, cache and history of its own. */
  open(): Promise<{ tab: Tab } & AsyncDisposable>;
}

/** Starts a browser. */
export function startBrowser(engine: Engine): Promise<Browser> {
  return engine === "webkit" ? startWebKit() : startPuppeteer(engine);
}

async function startPuppeteer(
  engine: "chromium" | "firefox",
): Promise<Browser> {
  const { default: puppeteer } = await import("npm:puppeteer-core@25.16.0");
  const browser: Puppeteer = await puppeteer.launch({
    browser: engine === "chromium" ? "chrome" : engine,
    executablePath: PROGRAMS[engine][0],
    acceptInsecureCerts: true,
    // Or it hands over each frame of each WebSocket: half of what a run costs.
    networkEnabled: false,
    // Under Deno 2.6.8 a WebSocket to Chromium is lost within a second.
    pipe: engine === "chromium",
    args: engine === "firefox" ? [] : [
      "--no-sandbox", // CI runs as root
      "--disable-gpu",
      "--disable-quic",
    ],
  });
  return {
    async open() {
      const context = await browser.createBrowserContext();
      return {
        tab: await context.newPage(),
        [Symbol.asyncDispose]: () => context.close(),
      };
    },
    [Symbol.asyncDispose]: () => browser.close(),
  };
}

/** Each tab is a session, and so a browser of its own: WebDriver has no contexts. */
async function startWebKit(): Promise<Browser> {
  const [driverPath, screenPath] = PROGRAMS.webkit;
  await using stack = new AsyncDisposableStack();
  const start = (command: string[], env?: Record<string, string>) =>
    stack.use(new Process(command, { env, stderr: "null" }));
  const screen = start(
    [screenPath, ..."-displayfd 1 -screen 0 1600x1200x24".split(" ")],
  );
  const [display] = await screen.until(/\d+(?=\n)/);
  const port = freePort();
  start([driverPath, `--port=${port}`], { DISPLAY: `:${display}` });
  const driver = `http://127.0.0.1:${port}`;
  while (!await fetch(`${driver}/status`).then((r) => r.text(), () => "")) {
    await delay(20);
  }
  const started = stack.move();
  return {
    async open() {
      const capabilities = { alwaysMatch: { acceptInsecureCerts: true } };
      const { sessionId } = await command(driver, "POST", "/session", {
        capabilities,
      });
      const session = `${driver}/session/${sessionId}`;
      return {
        tab: webKitTab(session),
        // One that hangs ends with its driver.
        [Symbol.asyncDispose]: () =>
          command(session, "DELETE", "").catch(() => {}),
      };
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

/** How long a command may take, in milliseconds. */
const COMMAND_MS = 30_000;

/** Sends a command of the WebDriver protocol (https://www.w3.org/TR/webdriver2/)
 * and returns its value. */
async function command(
  base: string,
  method: string,
  path: string,
  body?: object,
  // deno-lint-ignore no-explicit-any -- the commands' values differ
): Promise<any> {
  const response = await fetch(base + path, {
    method,
    signal: AbortSignal.timeout(COMMAND_MS), // it has hung for ever
    body: JSON.stringify(body),
  }).catch((cause) => {
    throw new Error(`WebKit's driver did not answer ${method} ${path}`, {
      cause,
    });
  });
  const { value } = await response.json();
  if (!response.ok) throw new Error(`${value.error}: ${value.message}`);
  return value;
}

/** The least width of a window of WebKitGTK's, in pixels. */
const MIN_WIDTH = 450;

/** The Tab key (WebDriver section 17.4.2). */
const TAB = "\uE004";

function webKitTab(session: string): Tab {
  const post = (path: string, body: object) =>
    command(session, "POST", path, body);
  const execute = (script: string, args: string[]) =>
    post("/execute/sync", { script, args });
  return {
    goto: (url) => post("/url", { url }),
    async setViewport(size) {
      const width = Math.max(size.width, MIN_WIDTH);
      await post("/window/rect", { ...size, width });
      const givenUp = AbortSignal.timeout(COMMAND_MS);
      while (await execute("return innerWidth", []) !== width) {
        givenUp.throwIfAborted();
        await delay(10);
      }
    },
    async click(selector) {
      const element = await post("/element", {
        using: "css selector",
        value: selector,
      });
      await post(`/element/${Object.values(element)[0]}/click`, {});
    },
    evaluate: (run, ...args) => execute(`return (${run})(...arguments)`, args),
    keyboard: {
      async press() {
        const [type, value] = ["key", TAB];
        const actions = ["keyDown", "keyUp"].map((type) => ({ type, value }));
        await post("/actions", { actions: [{ type, id: type, actions }] });
      },
    },
  };
}
