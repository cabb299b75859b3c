import { assertEquals } from "@std/assert";
import { TextQueue } from "../../lib/server/text_queue.ts";
import { pureTest as test, seeded } from "../../harness/helpers.ts";

test("TextQueue gives back every text as it was, in order", () => {
  const random = seeded(1);
  const letters = ["a", "é", "€", "🎲", "\0", "\ufeff"];
  const lengths = [0, 1, 2, 15, 100, 1365, 1366, 4092, 4093, 70_000];
  const queue = new TextQueue();
  const expected: string[] = [];
  let [pushed, bytes] = [0, 0];
  while (pushed < 2000) {
    // It fills and empties by turns.
    const room = random(200);
    for (let i = 0; i < room; i++) {
      const letter = letters[random(letters.length)];
      const text = letter.repeat(lengths[random(lengths.length)]);
      queue.push(text);
      expected.push(text);
      pushed++;
      bytes += new TextEncoder().encode(text).length;
    }
    for (let taken = random(300); taken > 0 && queue.length > 0; taken--) {
      const text = queue.shift();
      assertEquals(text, expected.shift());
      bytes -= new TextEncoder().encode(text).length;
    }
    assertEquals([queue.length, queue.bytes], [expected.length, bytes]);
  }
  while (queue.length > 0) assertEquals(queue.shift(), expected.shift());
  assertEquals(expected, []);
});

test("TextQueue is empty when it is cleared, and goes on", () => {
  const queue = new TextQueue();
  for (let i = 0; i < 1000; i++) queue.push("a text");
  queue.shift();
  queue.clear();
  assertEquals([queue.length, queue.bytes], [0, 0]);
  queue.push("the next");
  assertEquals([queue.shift(), queue.length], ["the next", 0]);
});
