import { assertEquals } from "@std/assert";
import { Output } from "../../lib/client/output.ts";
import { Clock } from "../../harness/clock.ts";
import { pureTest as test } from "../../harness/tests.ts";

/** A slow sink that keeps what is written. */
function sink(write: (bytes: Uint8Array) => Promise<number> | number) {
  const decoder = new TextDecoder();
  let text = "";
  return {
    get text() {
      return text;
    },
    async write(bytes: Uint8Array) {
      const length = await write(bytes);
      text += decoder.decode(bytes.subarray(0, length), { stream: true });
      return length;
    },
  };
}

const SILENT = { onFull() {}, onEmpty() {}, onBroken() {} };

test("Output writes all lines in order when the sink takes a few bytes at a time", async () => {
  const few = sink((bytes) => Math.min(7, bytes.length));
  const output = new Output(few, SILENT);
  const lines = Array.from({ length: 3000 }, (_, i) => `Message ${i} é\n`);
  for (const line of lines) output.line(line.trimEnd());
  await output.flush();
  assertEquals(few.text, lines.join(""));
});

test("Output writes on after a flush of nothing", async () => {
  const all = sink(({ length }) => length);
  const output = new Output(all, SILENT);
  await output.flush();
  output.line("a");
  await output.flush();
  await output.flush();
  output.line("b");
  await output.flush();
  assertEquals(all.text, "a\nb\n");
});

test("Output says when too much waits for a slow reader, and when none does", async () => {
  const events: string[] = [];
  const reader = Promise.withResolvers<void>();
  const slow = sink(async ({ length }) => {
    await reader.promise;
    return length;
  });
  const output = new Output(slow, {
    onFull: () => events.push("full"),
    onEmpty: () => events.push("empty"),
    onBroken() {},
  });
  for (let i = 0; i < 20_000; i++) output.line("x".repeat(100));
  assertEquals(events, ["full"]);
  reader.resolve();
  await output.flush();
  assertEquals(events, ["full", "empty"]);
  assertEquals(slow.text.length, 20_000 * 101);
  output.line("x");
  await output.flush();
  assertEquals(events, ["full", "empty"]);
  for (let i = 0; i < 20_000; i++) output.line("x".repeat(100));
  await output.flush();
  assertEquals(events, ["full", "empty", "full", "empty"]);
});

test("Output gathers lines for 20 ms, up to 16 KiB", async () => {
  using clock = new Clock();
  const writes: number[] = [];
  const all = sink(({ length }) => {
    writes.push(length);
    return length;
  });
  const output = new Output(all, SILENT);
  for (let times = 1; times <= 2; times++) {
    for (const line of "abc") output.line(line);
    assertEquals(clock.timers, 1);
    await clock.pass(19);
    assertEquals(writes.length, times - 1);
    await clock.pass(1);
    assertEquals(all.text, "a\nb\nc\n".repeat(times));
  }
  writes.length = 0;
  output.line("x".repeat(2 ** 14 - 2));
  assertEquals([writes, clock.timers], [[], 1]);
  await output.flush();
  assertEquals([writes, clock.timers], [[2 ** 14 - 1], 0]);
  output.line("x".repeat(2 ** 14 - 1));
  assertEquals(writes.at(-1), 2 ** 14);
  await output.flush();
});

test("Output is full when a mebibyte waits", async () => {
  const reader = Promise.withResolvers<void>();
  const slow = sink(async ({ length }) => {
    await reader.promise;
    return length;
  });
  let full = 0;
  const output = new Output(slow, { ...SILENT, onFull: () => full++ });
  output.line("x".repeat(2 ** 14)); // is being written
  output.line("x".repeat(2 ** 20 - 2));
  assertEquals(full, 0);
  output.line("");
  assertEquals(full, 1);
  output.line("x".repeat(2 ** 20)); // says so once
  assertEquals(full, 1);
  reader.resolve();
  await output.flush();
});

test("Output tells of a sink that fails once, and drops what follows", async () => {
  let told = 0;
  const full = sink(() => Promise.reject(new Error("no space")));
  const output = new Output(full, {
    ...SILENT,
    onBroken: () => told++,
  });
  output.line("a");
  const written = output.flush();
  output.line("waits");
  await written;
  output.line("b");
  await output.flush();
  assertEquals([told, output.broken?.message, full.text], [1, "no space", ""]);
});

test("Output tries again when a terminal was made non-blocking", async () => {
  let tries = 0;
  const busy = sink(({ length }) => {
    if (++tries < 3) throw new Deno.errors.WouldBlock();
    return length;
  });
  const output = new Output(busy, SILENT);
  output.line("a");
  await output.flush();
  assertEquals(busy.text, "a\n");
});
