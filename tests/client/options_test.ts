import { assertEquals, assertThrows } from "@std/assert";
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
    "WSS://example.com#part": "wss://example.com/",
  };
  for (const [given, url] of Object.entries(urls)) {
    assertEquals(parse(given).url.href, url);
  }
});

test("url is no word and no other scheme", () => {
  for (const given of ["help", "8000", "file:x", "localhost:x"]) {
    assertThrows(() => parse(given), Error, "is not a URL like ws://");
  }
});

test("-H is --header, and may be repeated", () => {
  const { header } = parse("-H", "X-A: 1", "--header=X-B:2", "-HX-A: 3");
  assertEquals([...header], [["x-a", "1, 3"], ["x-b", "2"]]);
});
