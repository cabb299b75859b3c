// The lines for the operator, by a clock that the test moves on.

import { assertEquals } from "@std/assert";
import { Notices } from "../../lib/server/log.ts";
import { pureTest as test } from "../../harness/tests.ts";

/** Collects the lines, and calls the timers at each `minute()`. */
function fakeTerminal() {
  const { error } = console;
  const { setInterval, clearInterval } = globalThis;
  const lines: string[] = [];
  const timers = new Map<number, () => void>();
  let id = 1e9; // no real timer has it
  console.error = (_, line) => lines.push(line);
  Object.assign(globalThis, {
    setInterval: (run: () => void) => timers.set(++id, run) && id,
    clearInterval: (id: number) => timers.delete(id),
  });
  return {
    /** What was printed since the last call. */
    printed: () => lines.splice(0),
    minute: () => timers.forEach((run) => run()),
    timers,
    [Symbol.dispose]() {
      console.error = error;
      Object.assign(globalThis, { setInterval, clearInterval });
    },
  };
}

const refused = (count: number) => `refused ${count}`;

test("Notices prints the first event at once, and the rest once a minute", () => {
  using terminal = fakeTerminal();
  using notices = new Notices();
  for (let i = 0; i < 4; i++) notices.add("refused", refused);
  notices.add("closed", (count) => `closed ${count}`);
  assertEquals(terminal.printed(), [
    "ws-random: refused 1",
    "ws-random: closed 1",
  ]);
  terminal.minute();
  assertEquals(terminal.printed(), ["ws-random: refused 3"]);
  notices.add("refused", refused);
  assertEquals(terminal.printed(), []);
  terminal.minute();
  assertEquals(terminal.printed(), ["ws-random: refused 1"]);
});

test("Notices forgets a kind after a minute without one", () => {
  using terminal = fakeTerminal();
  using notices = new Notices();
  notices.add("refused", refused);
  terminal.minute();
  assertEquals(terminal.timers.size, 0);
  notices.add("refused", refused);
  assertEquals(terminal.printed().length, 2, "each is the first of its kind");
});

test("Notices prints what is left when it is disposed of", () => {
  using terminal = fakeTerminal();
  const notices = new Notices();
  for (let i = 0; i < 3; i++) notices.add("refused", refused);
  notices[Symbol.dispose]();
  assertEquals(terminal.printed().at(-1), "ws-random: refused 2");
  assertEquals(terminal.timers.size, 0);
});
