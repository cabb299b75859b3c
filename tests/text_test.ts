import { assertEquals } from "@std/assert";
import {
  cut,
  escapeText,
  hideSecrets,
  oneLine,
  plural,
  UsageError,
} from "../lib/text.ts";
import { run } from "../harness/process.ts";
import {
  pureTest as test,
  test as testWithProcesses,
} from "../harness/tests.ts";

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

test("hideSecrets() hides the password of a URL and what its query calls a secret", () => {
  const urls = {
    "ws://me:secret@a/": "ws://me:***@a/",
    "ws://me@a/b:c@d": "ws://me@a/b:c@d",
    "wss://a/?access_token=x&n=1&API_KEY=y#z":
      "wss://a/?access_token=***&n=1&API_KEY=***#z",
    "wss://a/?token&n=1": "wss://a/?token&n=1",
  };
  for (const [url, hidden] of Object.entries(urls)) {
    assertEquals(hideSecrets(url), hidden);
  }
});

test("hideSecrets() leaves alone what is no user of the URL itself", () => {
  assertEquals(hideSecrets("ws://a/ws://b:c@d"), "ws://a/ws://b:c@d");
});

test("oneLine() joins lines without what indents them", () => {
  assertEquals(oneLine("a\n    b  \n\n\tc d\n"), "a b c d");
});

test("UsageError says what it is", () => {
  assertEquals(`${new UsageError("no")}`, "UsageError: no");
});

testWithProcesses("complain() prints one harmless line on stderr", async () => {
  const program = `import { complain } from "./lib/text.ts";
    complain("100 %d of\\n  it \\x1b[2J");`;
  const { stderr, stdout } = await run([Deno.execPath(), "eval", program]);
  assertEquals([stderr, stdout], ["ws-random: 100 %d of it \\x1b[2J\n", ""]);
});
