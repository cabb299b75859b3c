// The lines for the operator.

import { setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  type LogFormat,
  type Notice,
  Notices,
  stdoutLine,
} from "../../lib/server/log.ts";
import { pureTest } from "../../harness/helpers.ts";
import { Clock } from "../../harness/clock.ts";

/** Collects the lines. */
function fakeTerminal() {
  let text = "";
  let readable = Promise.resolve();
  return {
    get text() {
      return text;
    },
    async write(bytes: Uint8Array): Promise<number> {
      await readable;
      const some = bytes.subarray(0, 1000); // as a pipe may do
      text += new TextDecoder().decode(some);
      return some.length;
    },
    /** What was printed since the last call. */
    async printed(): Promise<string[]> {
      await delay(0); // all promises are settled then
      const lines = text.split("\n").slice(0, -1);
      text = "";
      return lines;
    },
    /** Nobody reads until the function that it returns is called. */
    block(): () => void {
      const { promise, resolve } = Promise.withResolvers<void>();
      readable = promise;
      return resolve;
    },
  };
}

const MINUTE_MS = 60_000;

const notice = (kind: string, more: Partial<Notice> = {}): Notice => ({
  kind,
  what: (count) => `${kind} ${count}`,
  why: "so",
  ...more,
});

pureTest(
  "Notices prints the first event at once, and the rest once a minute",
  async () => {
    using clock = new Clock();
    const terminal = fakeTerminal();
    const notices = new Notices("text", terminal);
    for (const peer of ["a", "b", "c", "d"]) {
      notices.add(notice("refused", { peer, why: `of ${peer}` }));
    }
    notices.add(notice("closed"));
    assertEquals(await terminal.printed(), [
      "ws-random: refused 1, from a: of a",
      "ws-random: closed 1: so",
    ]);
    notices.add(notice("closed"));
    notices.add(notice("closed", { why: "other" }));
    await clock.pass(MINUTE_MS - 1);
    assertEquals(await terminal.printed(), []);
    await clock.pass(1);
    assertEquals(await terminal.printed(), [
      "ws-random: refused 3, the last from d: of d",
      "ws-random: closed 2, the last: other",
    ]);
    notices.add(notice("refused"));
    assertEquals(await terminal.printed(), []);
    await clock.pass(MINUTE_MS);
    assertEquals(await terminal.printed(), ["ws-random: refused 1: so"]);
    await notices[Symbol.asyncDispose]();
  },
);

pureTest("Notices forgets a kind after a minute without one", async () => {
  using clock = new Clock();
  const terminal = fakeTerminal();
  const notices = new Notices("text", terminal);
  notices.add(notice("refused"));
  await clock.pass(MINUTE_MS);
  assertEquals(clock.timers, 0);
  notices.add(notice("refused"));
  assertEquals((await terminal.printed()).length, 2, "each is the first");
  await notices[Symbol.asyncDispose]();
});

pureTest("Notices prints what is left when it is disposed of", async () => {
  using clock = new Clock();
  const terminal = fakeTerminal();
  const notices = new Notices("text", terminal);
  for (let i = 0; i < 3; i++) notices.add(notice("refused"));
  await notices[Symbol.asyncDispose]();
  assertEquals(
    (await terminal.printed()).at(-1),
    "ws-random: refused 2, the last: so",
  );
  assertEquals(clock.timers, 0);
});

pureTest(
  "Notices drops lines that nobody reads, and says how many",
  async () => {
    const terminal = fakeTerminal();
    const notices = new Notices("text", terminal);
    const read = terminal.block();
    for (let i = 0; i < 1000; i++) {
      notices.add(notice(`kind ${i}`, { why: "x".repeat(400) }));
    }
    read();
    const printed = await terminal.printed();
    assert(printed.length > 100 && printed.length < 200, `${printed.length}`);
    notices.add(notice("at last"));
    assertEquals(await terminal.printed(), [
      `ws-random: ${1000 - printed.length} lines before this one are lost: ` +
      "stderr was not read",
      "ws-random: at last 1: so",
    ]);
    await notices[Symbol.asyncDispose]();
  },
);

pureTest(
  "Notices waits for what is being written when it is disposed of",
  async () => {
    const terminal = fakeTerminal();
    const notices = new Notices("text", terminal);
    const read = terminal.block();
    notices.add(notice("refused"));
    setTimeout(read); // not before the dispose has begun to wait
    await notices[Symbol.asyncDispose]();
    assertEquals(terminal.text, "ws-random: refused 1: so\n");
  },
);

pureTest(
  "Notices gives up on what nobody reads when it is disposed of, but not at once",
  async () => {
    const terminals = [fakeTerminal(), fakeTerminal()];
    const [late, never] = terminals.map((terminal) => terminal.block());
    const timer = setTimeout(late, 500); // on a busy machine
    await Promise.all(terminals.map(async (terminal) => {
      const notices = new Notices("text", terminal);
      notices.add(notice("refused"));
      await notices[Symbol.asyncDispose]();
    }));
    clearTimeout(timer);
    const lines = terminals.map(({ text }) => text);
    assertEquals(lines, ["ws-random: refused 1: so\n", ""]);
    never();
  },
);

pureTest(
  "a line is one line, harmless and of limited length, in both formats",
  async () => {
    const peer = "203.0.113.7\n\x1b[2J";
    const why = `\x9b31m\u202e "quoted"\n at ${"x".repeat(10_000)}`;
    for (const format of ["text", "json"] as LogFormat[]) {
      const terminal = fakeTerminal();
      const notices = new Notices(format, terminal);
      notices.add(notice("refused", { peer, why }));
      const lines = await terminal.printed();
      assertEquals(lines.length, 1);
      // deno-lint-ignore no-control-regex
      assert(!/[\x00-\x1f\x7f-\x9f\u202e]/.test(lines[0]), lines[0]);
      const text = format === "text" ? lines[0] : JSON.parse(lines[0]).message;
      assertEquals(text.replace(/^ws-random: /, "").length, 500);
      await notices[Symbol.asyncDispose]();
    }
  },
);

pureTest("lines that were dropped are an event of their own", async () => {
  const terminal = fakeTerminal();
  const notices = new Notices("json", terminal);
  const read = terminal.block();
  for (let i = 0; i < 1000; i++) {
    notices.add(notice(`kind ${i}`, { why: "x".repeat(400) }));
  }
  read();
  await terminal.printed();
  notices.add(notice("at last"));
  const [dropped] = await terminal.printed();
  assertEquals(JSON.parse(dropped).kind, "dropped");
  await notices[Symbol.asyncDispose]();
});

pureTest("--log-format json is an object a line", async () => {
  using clock = new Clock();
  const terminal = fakeTerminal();
  const notices = new Notices("json", terminal);
  const printed = async () => {
    const lines = (await terminal.printed()).map((line) => JSON.parse(line));
    return lines.map(({ time, ...rest }) => {
      assertMatch(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      return rest;
    });
  };
  for (const peer of ["203.0.113.7", "203.0.113.8", "203.0.113.9"]) {
    notices.add(notice("refused", { peer }));
  }
  notices.add(notice("closed"));
  await clock.pass(MINUTE_MS);
  const refused = { kind: "refused", message: "refused 1: so" };
  assertEquals(await printed(), [
    { ...refused, count: 1, peer: "203.0.113.7" },
    { kind: "closed", count: 1, message: "closed 1: so" },
    {
      ...{ ...refused, count: 2, peer: "203.0.113.9" },
      message: "refused 2, the last: so",
    },
  ]);
  await notices[Symbol.asyncDispose]();
});

pureTest("stdoutLine() is the message alone, or an object", () => {
  assertEquals(stdoutLine("text", "start", "it listens"), "it listens");
  const { time, ...rest } = JSON.parse(
    stdoutLine("json", "start", "it listens"),
  );
  assert(Math.abs(Date.parse(time) - Date.now()) < 60_000, time);
  assertEquals(rest, { kind: "start", count: 1, message: "it listens" });
});
