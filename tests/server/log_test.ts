// The lines for the operator, by a clock that the test moves on.

import { setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { type LogFormat, type Notice, Notices } from "../../lib/server/log.ts";
import { pureTest } from "../../harness/helpers.ts";

/** Collects the lines, and calls the timers at each `minute()`. */
function fakeTerminal() {
  const { setInterval, clearInterval } = globalThis;
  const timers = new Map<number, () => void>();
  let id = 1e9; // no real timer has it
  let text = "";
  let readable = Promise.resolve();
  Object.assign(globalThis, {
    setInterval(run: () => void, milliseconds: number) {
      assertEquals(milliseconds, 60_000);
      timers.set(++id, run);
      return id;
    },
    clearInterval: (id: number) => timers.delete(id),
  });
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
    minute: () => timers.forEach((run) => run()),
    timers,
    [Symbol.dispose]() {
      Object.assign(globalThis, { setInterval, clearInterval });
    },
  };
}

const notice = (kind: string, more: Partial<Notice> = {}): Notice => ({
  kind,
  what: (count) => `${kind} ${count}`,
  why: "so",
  ...more,
});

pureTest(
  "Notices prints the first event at once, and the rest once a minute",
  async () => {
    using terminal = fakeTerminal();
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
    terminal.minute();
    assertEquals(await terminal.printed(), [
      "ws-random: refused 3, the last from d: of d",
      "ws-random: closed 2, the last: other",
    ]);
    notices.add(notice("refused"));
    assertEquals(await terminal.printed(), []);
    terminal.minute();
    assertEquals(await terminal.printed(), ["ws-random: refused 1: so"]);
    await notices[Symbol.asyncDispose]();
  },
);

pureTest("Notices forgets a kind after a minute without one", async () => {
  using terminal = fakeTerminal();
  const notices = new Notices("text", terminal);
  notices.add(notice("refused"));
  terminal.minute();
  assertEquals(terminal.timers.size, 0);
  notices.add(notice("refused"));
  assertEquals((await terminal.printed()).length, 2, "each is the first");
  await notices[Symbol.asyncDispose]();
});

pureTest("Notices prints what is left when it is disposed of", async () => {
  using terminal = fakeTerminal();
  const notices = new Notices("text", terminal);
  for (let i = 0; i < 3; i++) notices.add(notice("refused"));
  await notices[Symbol.asyncDispose]();
  assertEquals(
    (await terminal.printed()).at(-1),
    "ws-random: refused 2, the last: so",
  );
  assertEquals(terminal.timers.size, 0);
});

pureTest(
  "Notices drops lines that nobody reads, and says how many",
  async () => {
    using terminal = fakeTerminal();
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
    using terminal = fakeTerminal();
    const notices = new Notices("text", terminal);
    const read = terminal.block();
    notices.add(notice("refused"));
    setTimeout(read); // not before the dispose has begun to wait
    await notices[Symbol.asyncDispose]();
    assertEquals(terminal.text, "ws-random: refused 1: so\n");
  },
);

pureTest(
  "Notices gives up on what nobody reads when it is disposed of",
  async () => {
    using terminal = fakeTerminal();
    const notices = new Notices("text", terminal);
    const read = terminal.block();
    notices.add(notice("refused"));
    await notices[Symbol.asyncDispose]();
    read();
    assertEquals(await terminal.printed(), ["ws-random: refused 1: so"]);
  },
);

pureTest(
  "a line is one line, harmless and of limited length, in both formats",
  async () => {
    const peer = "203.0.113.7\n\x1b[2J";
    const why = `\x9b31m\u202e "quoted"\n at ${"x".repeat(10_000)}`;
    for (const format of ["text", "json"] as LogFormat[]) {
      using terminal = fakeTerminal();
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
  using terminal = fakeTerminal();
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
  using terminal = fakeTerminal();
  const notices = new Notices("json", terminal);
  notices.add(notice("refused", { peer: "203.0.113.7" }));
  notices.add(notice("closed"));
  const [first, second] = (await terminal.printed()).map((line) =>
    JSON.parse(line)
  );
  assertMatch(first.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  delete first.time;
  delete second.time;
  assertEquals(first, {
    kind: "refused",
    count: 1,
    message: "refused 1: so",
    peer: "203.0.113.7",
  });
  assertEquals(second, { kind: "closed", count: 1, message: "closed 1: so" });
  await notices[Symbol.asyncDispose]();
});
