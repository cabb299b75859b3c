import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { parseFlags } from "../../lib/cli/flags.ts";
import { serverCommand } from "../../lib/server/options.ts";
import { UsageError } from "../../lib/text.ts";
import { pureTest as test } from "../../harness/tests.ts";

// $PORT is not asked for when it is given.
const parse = (...args: string[]) =>
  parseFlags(serverCommand, ["--port=1", ...args]);

test("without arguments the server is for this machine alone", () => {
  const { port: _, ...rest } = parse();
  assertEquals(rest, {
    host: "127.0.0.1",
    cert: undefined,
    key: undefined,
    reusePort: false,
    workers: 1,
    allowOrigin: [],
    maxConnections: 10_000,
    maxMessage: 64 * 1024,
    maxBacklog: 24 * 1024 * 1024,
    idleTimeout: 30_000,
    grace: 5000,
    drainDelay: 0,
    logFormat: "text",
    help: false,
    version: false,
  });
});

/** What an option takes at the least and at the most, and how the next one on either
 * side is written. */
const RANGES: [option: string, [string, number][], wrong: string[]][] = [
  ["port", [["0", 0], ["65535", 65_535]], ["-1", "65536"]],
  ["workers", [["1", 1], ["256", 256]], ["0", "257", "MAX", "1.5"]],
  ["max-connections", [["1", 1], ["1M", 1e6]], ["0", "1000001"]],
  // Deno does not receive longer messages.
  ["max-message", [["1", 1], ["67108864", 2 ** 26]], ["0", "67108865"]],
  [
    "max-backlog",
    [["1024", 1024], ["1073741824", 2 ** 30]],
    ["1023", "1073741825"],
  ],
  ["idle-timeout", [["0", 0], ["24h", 864e5]], ["-1", "86401"]],
  ["grace", [["0s", 0], ["1h", 36e5]], ["-1", "3601"]],
  ["drain-delay", [["0", 0], ["60m", 36e5]], ["-1", "3601"]],
];

for (const [option, values, wrong] of RANGES) {
  test(`--${option} has a least and a most`, () => {
    const name = option.replace(/-(.)/, (_, letter) => letter.toUpperCase());
    for (const [text, value] of values) {
      const options: Record<string, unknown> = parse(`--${option}=${text}`);
      assertEquals(options[name], value, text);
    }
    for (const text of wrong) {
      const message = new RegExp(
        `^--${option}: "${text}" is not .*from .* to `,
      );
      const error = assertThrows(
        () => parse(`--${option}=${text}`),
        UsageError,
      );
      assertMatch((error as Error).message, message);
    }
  });
}

test("-p is --port", () => {
  assertEquals(parse("-p", "8080").port, 8080);
});

test("--workers max is one for each core", () => {
  const { hardwareConcurrency } = navigator;
  assertEquals(parse("--workers=max").workers, hardwareConcurrency);
});

test("--host may be an IPv6 address as in a URL", () => {
  const hosts = {
    "::1": "::1",
    "[::1]": "::1",
    "a.example": "a.example",
    "x[::1]": "x[::1]",
    "[::1]x": "[::1]x",
  };
  for (const [given, host] of Object.entries(hosts)) {
    assertEquals(parse("--host", given).host, host);
  }
});

test("--allow-origin is *, or what a browser sends as an Origin", () => {
  const given = ["https://A.example/", "*", "http://b.example:80"];
  const { allowOrigin } = parse(...given.map((one) => `--allow-origin=${one}`));
  assertEquals(allowOrigin, ["https://a.example", "*", "http://b.example"]);
  const others = [
    ...["x", "null", "**", "http://a/b", "http://a?b", "ws://a"],
    ...["http://*.a", "https://*", "httpx://a"],
  ];
  for (const wrong of others) {
    assertThrows(
      () => parse(`--allow-origin=${wrong}`),
      UsageError,
      `--allow-origin: "${wrong}" is not * or an origin like https://example.com`,
    );
  }
});

test("--log-format is text or json", () => {
  for (const format of ["text", "json"]) {
    assertEquals(String(parse(`--log-format=${format}`).logFormat), format);
  }
  assertThrows(
    () => parse("--log-format=xml"),
    UsageError,
    '--log-format: "xml" is not text or json',
  );
});
