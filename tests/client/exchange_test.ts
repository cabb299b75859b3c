import { assertEquals } from "@std/assert";
import { Fate } from "../../lib/client/counters.ts";
import { Exchange } from "../../lib/client/exchange.ts";
import { DEFAULT_TEMPLATE, Expectation } from "../../lib/client/expect.ts";
import { Requests } from "../../lib/client/requests.ts";
import { pureTest as test } from "../../harness/tests.ts";

/** A connection and its run, which began at 1,000 ms. */
function begun({
  count = 10,
  window = 5,
  batch = 1,
  unordered = false,
  message = "Message {i}",
  template = DEFAULT_TEMPLATE,
  rate = undefined as number | undefined,
} = {}) {
  const expectation = new Expectation(template, message);
  const requests = new Requests(expectation, message, count, rate);
  requests.counters.startedAt = 1000;
  const responses: string[] = [];
  const exchange = new Exchange(
    requests,
    { window, batch, unordered },
    (response) => responses.push(response),
  );
  exchange.begin();
  /** What is sent now. */
  const send = (now = 1000, most = window) => {
    const messages: string[] = [];
    let message: string | undefined;
    while ((message = exchange.next(now, most)) !== undefined) {
      messages.push(message);
    }
    return messages;
  };
  return { requests, counters: requests.counters, exchange, responses, send };
}

test("Exchange.next() sends up to the window, and again as responses come", () => {
  const { exchange, counters, send } = begun({ window: 3, count: 4 });
  assertEquals(send(1000, 2), ["Message 1", "Message 2"]);
  assertEquals([counters.inFlight, counters.batch], [2, 1]);
  assertEquals(send(), ["Message 3"]);
  assertEquals(counters.inFlight, 3);
  for (const i of [1, 2]) exchange.receive(`Message ${i} 7`, 1001);
  assertEquals(send(), ["Message 4"]);
  assertEquals([counters.inFlight, exchange.oldest], [3, 2]);
  const passed = begun({ window: 3 });
  passed.send();
  passed.exchange.receive("Message 2 7", 1001); // Message 1 waits still
  assertEquals(passed.send(), ["Message 4"]);
});

test("Exchange.next() puts as many lines in a message as there may be", () => {
  const { counters, send, exchange } = begun({ batch: 3, window: 8 });
  const three = "Message 1\nMessage 2\nMessage 3";
  assertEquals(exchange.next(1000, 8), three);
  assertEquals(counters.batch, 3);
  assertEquals(send(), [
    "Message 4\nMessage 5\nMessage 6",
    "Message 7\nMessage 8",
  ]);
  assertEquals([counters.batch, counters.inFlight], [3, 8]);
  const few = begun({ batch: 3, window: 2 });
  few.send();
  assertEquals(few.counters.batch, 2);
});

test("Exchange.next() sends what was given back first, as due as it was", () => {
  const { requests, exchange, send, counters } = begun({ rate: 10 });
  send(1100);
  const back = exchange.end(false);
  assertEquals(back, [
    { index: 0, due: 1000, lost: false },
    { index: 1, due: 1100, lost: false },
  ]);
  assertEquals([exchange.oldest, exchange.firstDue], [undefined, Infinity]);
  requests.giveBack(back);
  assertEquals(send(1200), ["Message 1", "Message 2", "Message 3"]);
  assertEquals(exchange.firstDue, 1000);
  exchange.receive("Message 1 7", 1250);
  assertEquals(exchange.firstDue, 1100);
  assertEquals(counters.times.latencies.percentiles().max, 250);
  exchange.receive("Message 3 7", 1250); // and the second was passed
  assertEquals(exchange.firstDue, 1100);

  const unpaced = begun({ window: 1 });
  unpaced.send(1300);
  assertEquals(unpaced.exchange.firstDue, 1300);
  unpaced.requests.giveBack(unpaced.exchange.end(false));
  unpaced.send(1400);
  assertEquals(unpaced.exchange.firstDue, 1300);
});

test("Exchange.receive() accepts the next response, and others in any order", () => {
  const { exchange, responses, counters, send } = begun();
  send();
  for (const i of [1, 3, 2, 4, 5]) exchange.receive(`Message ${i} 7`, 1001);
  assertEquals(responses.length, 5);
  assertEquals([exchange.answered, counters.answered], [5, 5]);
  const { answered, overtaken } = Fate;
  assertEquals(
    [...counters.fates.subarray(0, 5)],
    [answered, answered | overtaken, answered, answered, answered],
  );
  const unordered = begun({ unordered: true });
  unordered.send();
  for (const i of [2, 1]) unordered.exchange.receive(`Message ${i} 7`, 1001);
  assertEquals([...unordered.counters.fates.subarray(0, 2)], [1, 1]);
});

test("Exchange.receive() takes requests that are alike in order", () => {
  const { exchange, counters, send } = begun({ message: "alike", count: 2 });
  send();
  for (let i = 0; i < 2; i++) exchange.receive("alike 7", 1001);
  assertEquals([...counters.fates], [Fate.answered, Fate.answered]);
});

test("Exchange.receive() accepts no response to a request of another connection", () => {
  const { requests, exchange, counters, send } = begun();
  requests.takeNew(1000); // by another
  send();
  exchange.receive("Message 1 7", 1001);
  assertEquals([counters.answered, counters.invalid], [0, 1]);
});

test("Exchange.receive() takes a message apart where lines were agreed on", () => {
  const lines = begun({ batch: 2 });
  lines.send();
  lines.exchange.receive("Message 1 7\nMessage 2 8", 1001);
  assertEquals([lines.counters.answered, lines.counters.invalid], [2, 0]);
  lines.exchange.receive(new Uint8Array(3), 1001);
  assertEquals(lines.counters.firstInvalid?.reason, "binary data");
  const single = begun();
  single.send();
  single.exchange.receive("Message 1 7\nMessage 2 8", 1001);
  assertEquals([single.counters.answered, single.counters.invalid], [0, 1]);
});

test("Exchange.receive() counts what answers nothing since the last that did", () => {
  const { exchange, send } = begun();
  send();
  for (let i = 0; i < 3; i++) exchange.receive("noise", 1001);
  assertEquals([exchange.useless, exchange.answered], [3, 0]);
  exchange.receive("Message 2 7", 1001);
  assertEquals([exchange.useless, exchange.answered], [0, 1]);
  exchange.receive("noise", 1001);
  assertEquals(exchange.useless, 1);
  exchange.begin(); // on another connection
  assertEquals([exchange.useless, exchange.answered], [0, 0]);
});

test("Exchange.receive() says what is wrong, and to which request", () => {
  const told = (response: unknown, options = {}, before: string[] = []) => {
    const { exchange, counters, send } = begun(options);
    send();
    for (const earlier of before) exchange.receive(earlier, 1001);
    exchange.receive(response, 1001);
    assertEquals(counters.invalid, 1);
    const { request, reason } = counters.firstInvalid!;
    return [request, reason, exchange.oldest];
  };
  const nobody = "answers no request in flight";
  const none = "no number from 1 to 100";
  assertEquals(told("hello"), [null, nobody, 0]);
  assertEquals(told("Message 9 7"), [null, nobody, 0]); // not sent yet
  assertEquals(told("Message 1 7", {}, ["Message 1 7"]), [null, nobody, 1]);
  assertEquals(told("Message 1 101"), [1, none, 1]);
  assertEquals(told("Message 1 "), [1, none, 1]);
  assertEquals(told("Message 1"), [null, "a request without a number", 0]);
  assertEquals(told("Message 10"), [null, nobody, 0]);
  // The oldest was passed: it, or the next in order.
  const passed = ["Message 2 7"];
  assertEquals(told("Message 1 x", {}, passed), [1, none, 2]);
  assertEquals(told("Message 3 x", {}, passed), [3, none, 0]);
  assertEquals(told("Message 3", {}, passed), [
    ...[null, "a request without a number", 0],
  ]);
  assertEquals(told("Message 4 x", {}, passed), [null, nobody, 0]);
  for (const template of [DEFAULT_TEMPLATE, "echo"]) {
    const binary = told(new ArrayBuffer(1), { template });
    assertEquals(binary, [null, "binary data", 0]);
  }
  assertEquals(told("Message 1 7", { template: "echo" }), [
    ...[null, "not what --expect says, to no request in flight", 0],
  ]);
  const { exchange, counters } = begun();
  exchange.receive("Message NaN", 1001); // before anything was sent
  assertEquals(counters.firstInvalid?.reason, nobody);
});

test("Exchange.echoes is true where the first answer is the request", () => {
  const echoes = (options: Parameters<typeof begun>[0], ...data: unknown[]) => {
    const { exchange, send } = begun(options);
    send();
    for (const one of data) exchange.receive(one, 1001);
    return exchange.echoes;
  };
  assertEquals(begun().exchange.echoes, false);
  assertEquals(echoes({}, "Message 1"), true);
  assertEquals(echoes({}, "welcome", "Message 1"), true);
  assertEquals(echoes({}, "Message 1", "Message 1 7"), false);
  assertEquals(echoes({}, "Message 1 7", "Message 2"), false);
  assertEquals(echoes({}, "Message 2"), false);
  assertEquals(echoes({}, new ArrayBuffer(1)), false);
  assertEquals(echoes({ template: "echo" }, "Message 1"), false);
  assertEquals(echoes({ count: 0 }, "Message 1"), false);
  assertEquals(echoes({ batch: 2 }, "Message 1\nMessage 2"), true);
  assertEquals(echoes({ batch: 2 }, new ArrayBuffer(1)), false);
  assertEquals(echoes({}, "Message 1\nMessage 2"), false);
});

test("Exchange.end() tells what is lost: what was passed, and what waited since the mark", () => {
  const ended = (silent: boolean, unordered = false) => {
    const { exchange, send } = begun({ unordered });
    send(1000, 3);
    exchange.mark();
    send(1001, 4);
    exchange.receive("Message 2 7", 1002);
    const ended = exchange.end(silent);
    assertEquals([exchange.oldest, exchange.end(silent)], [undefined, []]);
    return ended.map(({ index, lost }) => [index, lost]);
  };
  assertEquals(ended(false), [[0, true], [2, false], [3, false]]);
  assertEquals(ended(true), [[0, true], [2, true], [3, false]]);
  assertEquals(ended(false, true), [[0, false], [2, false], [3, false]]);
  assertEquals(ended(true, true), [[0, true], [2, true], [3, false]]);
  const { exchange, send } = begun();
  send(1000, 1); // and no mark
  assertEquals(exchange.end(true)[0].lost, false);
});
