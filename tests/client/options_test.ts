import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { parseFlags } from "../../lib/cli/flags.ts";
import { clientCommand } from "../../lib/client/options.ts";
import { pureTest as test } from "../../harness/tests.ts";

const parse = (...args: string[]) => parseFlags(clientCommand, args);

test("url is understood without a scheme, and as http(s)://", () => {
  const urls = {
    "localhost": "ws://localhost/",
    "localhost:8000": "ws://localhost:8000/",
    ":8000": "ws://127.0.0.1:8000/",
    ":8000/ws": "ws://127.0.0.1:8000/ws",
    "example.com/ws?a=//b": "ws://example.com/ws?a=//b",
    "[::1]:8000": "ws://[::1]:8000/",
    "me:secret@example.com": "ws://me:secret@example.com/",
    "https://example.com/ws": "wss://example.com/ws",
    "ws://http:81": "ws://http:81/",
    "example.com/?a=b://c": "ws://example.com/?a=b://c",
    "WSS://example.com#part": "wss://example.com/",
  };
  for (const [given, url] of Object.entries(urls)) {
    assertEquals(parse(given).url.href, url);
  }
});

test("url is no word and no other scheme", () => {
  for (
    const given of [
      "help",
      "8000",
      "file:x",
      "xws://a",
      "wssx://a",
      "localhost:x",
      "ws:/a",
      "/ws",
      "./a",
    ]
  ) {
    assertThrows(() => parse(given), Error, "is not a URL like ws://");
  }
});

test("-H is --header, and may be repeated", () => {
  const { header } = parse("-H", "X-A: 1", "--header=X-B:2", "-HX-A: 3");
  assertEquals([...header], [["x-a", "1, 3"], ["x-b", "2"]]);
});

test("--header joins cookies by a semicolon, and other values by a comma", () => {
  for (
    const [name, together] of [
      ["Cookie", "a=1; b=2"],
      ["X-Cookie", "a=1, b=2"],
      ["Cookies", "a=1, b=2"],
    ]
  ) {
    const { header } = parse("-H", `${name}: a=1`, "-H", `${name}:b=2`);
    assertEquals(header.get(name), together);
  }
});

test("--header takes names that hold one of the handshake's", () => {
  for (const name of ["x-host", "hostess", "x-upgrade", "upgrade-it"]) {
    assertEquals(parse("-H", `${name}: 1`).header.get(name), "1");
  }
});

test("what other tools have is answered with what there is", () => {
  for (const [names, advice] of Object.entries(clientCommand.foreign)) {
    for (const name of names.split(" ")) {
      assertThrows(
        () => parse(name),
        Error,
        `unknown option ${name}; ${advice}`,
      );
    }
    const options = [...advice.matchAll(/--(\w+(?:-\w+)*)/g)];
    for (const [, option] of options) {
      const key = option.replace(/-(.)/, (_, letter) => letter.toUpperCase());
      assertEquals(Object.hasOwn(clientCommand.flags, key), true, option);
    }
    assertMatch(advice, /--\w|\bws:\/\/|\b[A-Z]+_[A-Z]+\b/);
  }
});

test("--connect-to is a host, with a port or without", () => {
  const addresses = {
    "10.0.0.7:80": { hostname: "10.0.0.7", port: "80" },
    "backend-1": { hostname: "backend-1" },
    "[::1]:8000": { hostname: "[::1]", port: "8000" },
  };
  for (const [given, address] of Object.entries(addresses)) {
    assertEquals(parse("--connect-to", given).connectTo, address);
  }
  for (const given of ["a:b", "ws://a", "a/b", ":80", "me@a"]) {
    assertThrows(
      () => parse("--connect-to", given),
      Error,
      "is not an address like 10.0.0.7:8000",
    );
  }
});

test("-s is --subprotocol, and may be repeated", () => {
  assertEquals(parse().subprotocol, []);
  assertEquals(parse("-s", "a.b", "--subprotocol=c").subprotocol, ["a.b", "c"]);
  assertThrows(() => parse("-s", "a,b"), Error, "is not a name like");
  assertThrows(() => parse("-s", "a", "-s", "a"), Error, "is given twice");
});

/** What an option takes at the least and at the most, and what it does not. */
const RANGES: [option: string, [string, number][], wrong: string[]][] = [
  ["batch", [["1", 1], ["1k", 1000]], ["0", "1001", "1.5"]],
  ["count", [["1", 1], ["1e9", 1e9]], ["0", "1000000001"]],
  ["duration", [["1ms", 1], ["1000h", 36e8]], ["0", "0.9ms", "1001h"]],
  ["connections", [["1", 1], ["60k", 60_000]], ["0", "60001"]],
  ["window", [["1", 1], ["1m", 1e6]], ["0", "1000001"]],
  ["ramp", [["0", 0], ["24h", 864e5]], ["-1", "86401"]],
  ["rate", [["0.001", 0.001], ["1m", 1e6]], ["0", "0.0009", "1000001"]],
  ["timeout", [["100ms", 100], ["24h", 864e5]], ["99ms", "86401"]],
  ["retries", [["0", 0], ["1m", 1e6]], ["-1", "1000001"]],
  ["interval", [["10ms", 10], ["24h", 864e5]], ["9ms", "86401"]],
];

test("numbers and times have a least and a most", () => {
  for (const [option, values, wrong] of RANGES) {
    for (const [text, value] of values) {
      const options: Record<string, unknown> = parse(`--${option}=${text}`);
      assertEquals(options[option], value, text);
    }
    for (const text of wrong) {
      const message = `--${option}: "${text}" is not`;
      assertThrows(() => parse(`--${option}=${text}`), Error, message);
    }
  }
});

test("letters stand for the options that are used most", () => {
  const { count, connections, window, batch, duration, quiet } = parse(
    ...["-n5", "-c2", "-w3", "-b4", "-z1s", "-q"],
  );
  assertEquals([count, connections, window, batch], [5, 2, 3, 4]);
  assertEquals([duration, quiet], [1000, true]);
});
