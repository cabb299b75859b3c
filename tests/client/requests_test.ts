import { assert, assertEquals } from "@std/assert";
import { Fate } from "../../lib/client/counters.ts";
import { DEFAULT_TEMPLATE, Expectation } from "../../lib/client/expect.ts";
import { Requests } from "../../lib/client/requests.ts";
import { pureTest as test } from "../../harness/tests.ts";

/** Requests of a run that began at 1,000 ms. */
function begun(count: number, rate?: number): Requests {
  const message = "Message {i}";
  const expectation = new Expectation(DEFAULT_TEMPLATE, message);
  const requests = new Requests(expectation, message, count, rate);
  requests.counters.startedAt = 1000;
  return requests;
}

/** Takes new requests until there is none, and returns how many. */
function takeAll(requests: Requests, now: number): number {
  let taken = 0;
  while (requests.takeNew(now) !== undefined) taken++;
  return taken;
}

const of = (index: number, lost = false) => ({ index, due: 1000, lost });

test("Requests have texts with their number, from 1 on", () => {
  const requests = begun(3);
  assertEquals([requests.text(0), requests.text(11)], [
    "Message 1",
    "Message 12",
  ]);
});

test("Requests.takeNew() hands out each one once, in order", () => {
  const requests = begun(3);
  const taken = Array.from({ length: 5 }, () => requests.takeNew(1000));
  assertEquals(taken, [0, 1, 2, undefined, undefined]);
  assertEquals(requests.counters.times.late.count, 0); // without a rate
});

test("Requests.takeNew() keeps a rate, makes up for delays and counts them", () => {
  const requests = begun(100, 10);
  let early = 0;
  requests.onEarly = () => early++;
  assertEquals([takeAll(requests, 1000), early], [1, 1]);
  assertEquals([takeAll(requests, 1099), early], [0, 2]);
  assertEquals([takeAll(requests, 1100), early], [1, 3]);
  assertEquals([takeAll(requests, 1400), early], [3, 4]);
  const { count } = requests.counters.times.late;
  const { p50, max } = requests.counters.times.late.percentiles();
  assertEquals([count, p50, max], [5, 0, 200]);
});

test("Requests.takeNew() hands out none when the time is over", () => {
  for (const rate of [undefined, 10]) {
    const requests = begun(100, rate);
    requests.endsAt = 1200;
    if (rate) assertEquals(takeAll(requests, 1300), 2); // due at 1000, 1100
    else assertEquals(requests.takeNew(1199.9), 0);
    assertEquals(requests.takeNew(1200), undefined);
  }
});

test("Requests have room for each that is sent, and for few more", () => {
  const count = 300_000;
  const requests = begun(Infinity);
  const { counters } = requests;
  for (let index = 0; index < count; index++) {
    assertEquals(requests.takeNew(1000), index);
    requests.accept(index, 1 + index % 100, 1001, 1000);
  }
  assert(counters.fates.length >= count && counters.fates.length < 3 * count);
  const kept = counters.fates.subarray(0, count);
  assertEquals(kept.every((fate) => fate === Fate.answered), true);
  assertEquals(begun(5).counters.fates.length, 5);
  assertEquals(counters.numbers, new Array(100).fill(count / 100));
});

test("Requests take back what was not answered, and hand out the oldest first", () => {
  const requests = begun(10);
  const { counters } = requests;
  for (let i = 0; i < 5; i++) requests.takeNew(1000);
  requests.giveBack([of(2), of(3, true)]);
  requests.giveBack([of(0), of(1)]);
  requests.paused = true;
  assertEquals([requests.takeReturned(), requests.takeNew(1000)], [
    undefined,
    undefined,
  ]);
  requests.paused = false;
  const again = Array.from({ length: 5 }, () => requests.takeReturned()?.index);
  assertEquals(again, [0, 1, 2, 3, undefined]);
  const { resent, lost } = Fate;
  assertEquals([...counters.fates.subarray(0, 5)], [
    ...[resent, resent, resent, lost, 0],
  ]);
  assertEquals(counters.resends, 3);
});

test("Requests.firstDue() is that of the first which waits for a connection", () => {
  const requests = begun(10);
  assertEquals(requests.firstDue(2000), Infinity); // due when sent
  requests.takeNew(1500);
  requests.giveBack([{ index: 0, due: 1500, lost: false }]);
  assertEquals(requests.firstDue(2000), 1500);
  assertEquals(requests.firstDue(1500), Infinity);

  const paced = begun(3, 10);
  assertEquals(paced.firstDue(1050), 1000);
  paced.takeNew(1050);
  assertEquals([paced.firstDue(1100), paced.firstDue(1101)], [Infinity, 1100]);
  paced.giveBack([{ index: 0, due: 1000, lost: false }]);
  assertEquals(paced.firstDue(1101), 1000);
  paced.takeReturned();
  paced.endsAt = 1100;
  assertEquals(paced.firstDue(1101), Infinity); // the time is over before
  paced.endsAt = 1101;
  assertEquals(paced.firstDue(1102), 1100);
  assertEquals(takeAll(paced, 1300), 1);
  paced.endsAt = Infinity;
  assertEquals(takeAll(paced, 1300), 1);
  assertEquals(paced.firstDue(2000), Infinity); // all were sent
});

test("Requests.endSending() lets none be missing that a connection could send", () => {
  for (const rate of [undefined, 10]) {
    const requests = begun(100, rate);
    requests.takeNew(1000);
    requests.endSending(1900, false);
    assertEquals(requests.counters.count, 1);
    assertEquals([requests.takeNew(1900), requests.done], [undefined, false]);
    requests.accept(0, 7, 1900, 1000);
    assertEquals(requests.done, true);
  }
});

test("Requests.endSending() counts as missing what no connection could send", () => {
  const counted = (
    {
      rate,
      endsAt = Infinity,
      sent = 1,
      count = 100,
      now = 1900,
      started = 1000,
    }: {
      rate?: number;
      endsAt?: number;
      sent?: number;
      count?: number;
      now?: number;
      started?: number;
    },
  ) => {
    const requests = begun(count, rate);
    for (let i = 0; i < sent; i++) requests.takeNew(1000 + i * 100);
    requests.counters.startedAt = started;
    requests.endsAt = endsAt;
    requests.endSending(now, true);
    return requests.counters.count;
  };
  assertEquals(counted({}), 2); // without a rate the next one is always due
  assertEquals(counted({ sent: 0 }), 1);
  assertEquals(counted({ sent: 1, count: 1 }), 1);
  // At 1000, 1100, … and before 1900.
  assertEquals(counted({ rate: 10 }), 9);
  assertEquals(counted({ rate: 10, now: 1900.1 }), 10);
  assertEquals(counted({ rate: 2000, now: 1010 }), 20);
  assertEquals(counted({ rate: 10, now: 1000 }), 1);
  assertEquals(counted({ rate: 10, sent: 0, now: 1000 }), 0);
  assertEquals(counted({ rate: 10, now: 1900.1, count: 7 }), 7);
  assertEquals(counted({ rate: 10, endsAt: 1450 }), 5);
  assertEquals(counted({ rate: 10, endsAt: 1400, now: 1400 }), 4);
  assertEquals(counted({ rate: 10, sent: 5, endsAt: 1200 }), 5);
  assertEquals(counted({ rate: 3, now: 2000, sent: 3 }), 3); // at 1999.99…
  // No connection ever opened: as without a rate.
  assertEquals(counted({ rate: 10, sent: 0, started: NaN }), 1);
});

test("Requests are done when each one has had a response, valid or not", () => {
  const requests = begun(2);
  takeAll(requests, 1000);
  requests.accept(1, 7, 1010, 1000);
  requests.reject("nobody's", "answers no request in flight");
  assertEquals(requests.done, false);
  requests.reject("Message 1 x", "no number", 0);
  assertEquals(requests.done, true);
  const { answered, invalid, numbers, fates } = requests.counters;
  assertEquals([answered, invalid], [1, 2]);
  assertEquals([numbers[6], numbers.length], [1, 100]);
  assertEquals([...fates], [0, Fate.answered]);
});

test("Requests.accept() keeps that there was one before, and no number of 0", () => {
  const requests = begun(1);
  requests.takeNew(1000);
  for (let times = 0; times < 2; times++) requests.accept(0, 0, 1004, 1000);
  const { fates, numbers, times } = requests.counters;
  assertEquals(fates[0], Fate.answered | Fate.answeredAgain);
  assertEquals(numbers, new Array(100).fill(0));
  assertEquals(times.latencies.percentiles().max, 4);
});

test("Requests.reject() keeps the first, of a long one the start", () => {
  const requests = begun(2);
  takeAll(requests, 1000);
  const text = Array.from({ length: 500 }, (_, i) => i % 10).join("");
  requests.reject(text, "no number", 1);
  requests.reject("other", "another");
  const { request, reason, response } = requests.counters.firstInvalid!;
  assertEquals([request, reason], [2, "no number"]);
  assert(text.startsWith(response!));
  assert(response!.length >= 80 && response!.length <= 200);

  const binary = begun(1);
  binary.reject(new ArrayBuffer(8), "binary data");
  assertEquals(binary.counters.firstInvalid, {
    ...{ request: null, reason: "binary data", response: null },
  });
});

test("Requests.answeredBy() finds one that was sent and not answered", () => {
  const requests = begun(20);
  assertEquals(requests.answeredBy("Message 1 7"), undefined);
  for (let i = 0; i < 12; i++) requests.takeNew(1000);
  const found = { index: 11, number: 7 };
  assertEquals(requests.answeredBy("Message 12 7"), found);
  assertEquals(requests.answeredBy("Message 13 7"), undefined);
  requests.overtake(11);
  assertEquals(requests.counters.fates[11], Fate.overtaken);
  assertEquals(requests.answeredBy("Message 12 7"), found);
  requests.accept(11, 7, 1000, 1000);
  assertEquals(requests.answeredBy("Message 12 7"), undefined);
});
