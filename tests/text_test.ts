import { assertEquals } from "@std/assert";
import { cut, escapeText, plural } from "../lib/text.ts";
import { pureTest as test } from "../harness/tests.ts";

test("escapeText() shows what a terminal would obey", () => {
  assertEquals(
    escapeText("a\x1b[2J\r\n\x9bm\u202eb\u2028 é🎲"),
    "a\\x1b[2J\\x0d\\x0a\\x9bm\\u202eb\\u2028 é🎲",
  );
});

test("cut() marks where it cuts, and leaves alone what fits", () => {
  assertEquals(cut("12345", 5), "12345");
  assertEquals(cut("123456", 5), "1234…");
});

test("plural() counts in words", () => {
  assertEquals(plural(0, "connection"), "no connection");
  assertEquals(plural(1, "retry", "retries"), "1 retry");
  assertEquals(plural(2, "retry", "retries"), "2 retries");
  assertEquals(plural(3, "handshake"), "3 handshakes");
});
