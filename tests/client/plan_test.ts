import { assert, assertEquals } from "@std/assert";
import { parseFlags } from "../../lib/cli/flags.ts";
import { clientCommand } from "../../lib/client/options.ts";
import { layOut, longestRequest } from "../../lib/client/plan.ts";
import { pureTest as test } from "../../harness/tests.ts";

const options = (...args: string[]) => parseFlags(clientCommand, args);
const laidOut = (...args: string[]) => layOut(options(...args));

test("layOut() takes 10,000 requests, or as many as the time allows", () => {
  assertEquals(laidOut().count, 10_000);
  assertEquals(laidOut("--duration=1s").count, Infinity);
  assertEquals(laidOut("--duration=1s", "--count=3").count, 3);
});

test("layOut() opens no connection that would have no request", () => {
  assertEquals(laidOut("--count=3", "--connections=5").connections, 3);
  assertEquals(laidOut("--count=5", "--connections=5").connections, 5);
  assertEquals(laidOut("--duration=1s", "--connections=5").connections, 5);
});

test("layOut() shares the requests evenly among the connections", () => {
  assertEquals(laidOut("--count=10", "--connections=3").window, 4);
  assertEquals(laidOut("--count=9", "--connections=3").window, 3);
  assertEquals(laidOut("--count=9", "--connections=3", "-w2").window, 2);
});

test("layOut() has at most 1,000 requests and a megabyte of them in flight", () => {
  const window = (...args: string[]) => laidOut("--count=100k", ...args).window;
  assertEquals([window(), window("-w5000")], [1000, 5000]);
  for (const length of [1049, 10_000, 61_681]) {
    const most = window(`--message=${"x".repeat(length)}`);
    const MEGABYTE = 2 ** 20;
    assert(most * length <= MEGABYTE && (most + 1) * length > MEGABYTE);
  }
  assertEquals(window(`--message=${"x".repeat(2 ** 20 + 1)}`), 1);
});

test("layOut() puts no more lines in a message than Deno sends in one piece", () => {
  const batch = (...args: string[]) => laidOut("--count=100k", ...args).batch;
  assertEquals([batch(), batch("--batch=7")], [1, 7]);
  for (const length of [9, 10, 100, 204]) {
    const message = `--message=${"x".repeat(length)}`;
    const most = batch("--batch=1000", message);
    const lines = (count: number) => count * (length + 1);
    assert(lines(most) <= 1024 && lines(most + 1) > 1024, `${most}`);
  }
  const long = `--message=${"x".repeat(2000)}`;
  assertEquals(batch("--batch=1000", long), 1);
});

test("longestRequest() counts bytes, with the last number in each place", () => {
  const bytes = (...args: string[]) => longestRequest(options(...args));
  assertEquals(bytes("--message={i}", "--count=1000"), 4);
  assertEquals(bytes("--message={i}é{i}", "--count=1000"), 10);
  assertEquals(bytes("--message={i}", "--duration=1s"), 10);
});
