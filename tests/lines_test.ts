import { assert, assertEquals, assertRejects } from "@std/assert";
import { Lines, type Sink, writeAll } from "../lib/lines.ts";
import { pureTest as test } from "../harness/tests.ts";

/** A stream that keeps what it is given, a few bytes at a time, once it is read. */
function stream() {
  const reader = Promise.withResolvers<void>();
  const writes: string[] = [];
  const sink: Sink = {
    async write(bytes) {
      await reader.promise;
      const some = bytes.subarray(0, 5000);
      writes.push(new TextDecoder().decode(some));
      return some.length;
    },
  };
  return {
    sink,
    writes,
    read: () => reader.resolve(),
    get text() {
      return writes.join("");
    },
  };
}

test("Lines come in order, and together where they wait", async () => {
  const { sink, writes, read } = stream();
  const lines = new Lines(sink);
  for (const line of ["a", "b", "c"]) assertEquals(lines.write(line), true);
  read();
  await lines.written;
  assertEquals(writes, ["a\n", "b\nc\n"]);
  assertEquals(lines.write("d"), true);
  await lines.written;
  assertEquals(writes.at(-1), "d\n");
  await lines.written; // nothing waits
});

test("Lines that nobody reads wait up to a limit, and are dropped beyond it", async () => {
  const slow = stream();
  const lines = new Lines(slow.sink);
  assertEquals(lines.write("first"), true); // is being written
  let taken = 0;
  while (lines.write("x".repeat(99)) && taken < 10_000) taken++;
  assert(taken >= 100 && taken < 1000, `${taken} lines`);
  assertEquals(lines.write("x"), true); // for this one there is room
  slow.read();
  await lines.written;
  assertEquals(slow.text.split("\n").length, taken + 3);
  assertEquals(lines.write("x".repeat(99)), true);
  await lines.written;
});

test("Lines of 64 KiB and not more wait", async () => {
  const { sink, read } = stream();
  for (
    const [length, fits] of [[2 ** 16, true], [2 ** 16 + 1, false]] as const
  ) {
    const lines = new Lines(sink);
    assertEquals(lines.write("x".repeat(length)), fits);
    read();
    await lines.written;
  }
});

test("Lines go on after a stream that failed", async () => {
  let tries = 0;
  const lines = new Lines({
    write(bytes) {
      if (++tries === 1) return Promise.reject(new Error("disk full"));
      return Promise.resolve(bytes.length);
    },
  });
  lines.write("a");
  await lines.written;
  lines.write("b");
  await lines.written;
  assertEquals(tries, 2);
});

test("writeAll() tries again where a terminal takes nothing, and fails by other errors", async () => {
  const errors = [new Deno.errors.WouldBlock(), new Deno.errors.WouldBlock()];
  let text = "";
  await writeAll({
    write(bytes) {
      const error = errors.pop();
      if (error) return Promise.reject(error);
      text += new TextDecoder().decode(bytes);
      return Promise.resolve(bytes.length);
    },
  }, new TextEncoder().encode("all of it"));
  assertEquals([text, errors.length], ["all of it", 0]);
  let isFree = false;
  setTimeout(() => isFree = true); // others have their turn
  const busy = {
    write: ({ length }: Uint8Array) =>
      isFree
        ? Promise.resolve(length)
        : Promise.reject(new Deno.errors.WouldBlock()),
  };
  await writeAll(busy, new Uint8Array(1));
  const broken = { write: () => Promise.reject(new Error("closed")) };
  await assertRejects(
    () => writeAll(broken, new Uint8Array(1)),
    Error,
    "closed",
  );
  await writeAll(broken, new Uint8Array()); // of nothing
});
