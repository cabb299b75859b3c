import { assertEquals, assertThrows } from "@std/assert";
import {
  addLimit,
  crossedLimits,
  type Figures,
} from "../../lib/client/limits.ts";
import { pureTest as test } from "../../harness/tests.ts";

const limits = (...texts: string[]) =>
  texts.reduce((before, text) => addLimit(text, before), [] as ReturnType<
    typeof addLimit
  >);

const FIGURES: Figures = {
  p50: 1.5,
  p90: 20,
  p99: 61.2,
  "p99.9": 80,
  max: 100,
  late: null,
  pause: 4000,
  reconnects: 3,
  resent: 0,
  rate: 950.5,
};

test("addLimit() reads a figure, a sign and a value with its unit", () => {
  assertEquals(limits("p99>50ms", "p99.9 > 1s", "rate<1k", "pause>2"), [
    { metric: "p99", over: true, value: 50 },
    { metric: "p99.9", over: true, value: 1000 },
    { metric: "rate", over: false, value: 1000 },
    { metric: "pause", over: true, value: 2000 },
  ]);
});

test("addLimit() says what is wrong", () => {
  const cases: [string, RegExp][] = [
    ["p98>5", /^is not a limit like p99>50ms; it can be of p50, .*, rate$/],
    ["p99", /^is not a limit like/],
    ["p99=5", /^is not a limit like/],
    ["-p99>5", /^is not a limit like/],
    ["p99>5 or so", /^is not a limit like/],
    ["constructor>5", /^is not a limit like/],
    ["p99>fast", /^is no limit: fast is not a time from 0s to 24h, like/],
    ["resent>2s", /^is no limit: 2s is not a number from 0 to/],
  ];
  for (const [text, message] of cases) {
    const { message: said } = assertThrows(() => limits(text), Error) as Error;
    assertEquals(message.test(said), true, said);
  }
});

test("crossedLimits() tells the limits that were crossed, in words", () => {
  const crossed = crossedLimits(
    limits(
      "p99>50ms",
      "p99>61.2ms",
      "p99<61.2ms",
      "p99<1s",
      "rate<1k",
      "resent>0",
      "reconnects>2",
      "late>1ms",
      "late<1ms",
    ),
    FIGURES,
  );
  assertEquals(crossed, [
    "p99 61.2 ms is over 50 ms",
    "p99 61.2 ms is under 1000 ms",
    "rate 950.5 is under 1000",
    "reconnects 3 is over 2",
  ]);
});
