import { assertEquals, assertThrows } from "@std/assert";
import fc from "npm:fast-check@4.10.2";
import {
  DEFAULT_TEMPLATE,
  Expectation,
  parseTemplate,
} from "../../lib/client/expect.ts";
import { parseResponse } from "../../static/proof.js";
import { UsageError } from "../../lib/text.ts";
import { pureTest as test } from "../../harness/tests.ts";

const expectation = (template: string, message = "Message {i}") =>
  new Expectation(parseTemplate(template), message);

test("parseTemplate() wants something that tells whose response it is", () => {
  assertEquals(parseTemplate("echo"), "{request}");
  assertEquals(parseTemplate("{*}{i}{*}"), "{*}{i}{*}");
  assertThrows(() => parseTemplate("{n}"), Error, "has neither {request} nor");
  assertThrows(
    () => parseTemplate("{request}{n} {n}"),
    Error,
    "more than once",
  );
});

test("Expectation refuses a template by which the response to 10 fits 1", () => {
  const ambiguous: [template: string, message: string][] = [
    ["{request}{*}", "Message {i}"],
    ["{*}{request}", "{i} please"],
    ['{*}"id": {i}{*}', "{i}"],
    ["{*}{i}", "{i}"],
    ["{i}00{*}", "{i}"],
    ["{n}{i}", "{i}"],
    ["{request}{n}", "{i}"],
  ];
  for (const [template, message] of ambiguous) {
    assertThrows(
      () => expectation(template, message),
      UsageError,
      "so the response to 10 could be one to 1; put",
    );
  }
  for (const template of ["{request} {*}", "{*}{request}", '"id":{i},{*}']) {
    expectation(template);
  }
  expectation("{request}!", "{i}{*}"); // which is data
  expectation("{request}{n}", "{i}{*}"); // and stands between
});

test("Expectation.match() reads the default template as the page does", () => {
  const wire = expectation(DEFAULT_TEMPLATE);
  assertEquals([wire.isUsual, expectation("echo").isUsual], [true, false]);
  const responses = [
    "Message 7 42",
    "Message 7 100",
    "Message 7 101",
    "Message 7 07",
    "Message 7  1",
    "Message 7 1 ",
    "Message 7",
    "Message 71 5",
    " Message 7 5",
    "",
  ];
  for (const response of responses) {
    assertEquals(
      wire.match(6, response),
      parseResponse("Message 7", response),
      response,
    );
  }
});

test("Expectation.match() takes any text for {*}, and all else as it stands", () => {
  const cases: [template: string, response: string, number?: number][] = [
    ["echo", "Message 7", 0],
    ["echo", "Message 7 ", undefined],
    ["{request}.", "Message 7.", 0],
    ["{request}.", "Message 7x", undefined],
    ['{*}"id":{i},{*}', '{"jsonrpc":"2.0","id":7,"result":1}', 0],
    ['{*}"id":{i},{*}', '{"id":70,"result":1}', undefined],
    ['{*}"id":{i}}', '{"result":"\\"id\\":7}","id":7}', 0],
    ["{*}{request},{*}.{i}", "aMessage 7,b.7", 0],
    ["{*}{request},{*}.{i}", "aMessage 7,.", undefined],
    ["{i}.{*}.{i}", "7.7", undefined], // one . is not two
    ["{i}.{*}.{i}", "7..7", 0],
    ["{i}: {n}{*}", "7: 42 and more", 4],
    ["{*}={n} {i}", "x=101 x=42 7", 42],
    ["{*}={n};{*} {i}", "=0; =101; =9; 7", 9],
    ["{*}={n};{*} {i}", "=9; and more after it 7", 9],
    ["{i}:{*}={n}{*}", "7:=5", 5],
    ["{i}.{*}.{n}x{*}", "7.5x", undefined], // one . is not two
    ["{i}: {*}{n}{*}", "7: none", undefined],
    ["{n}-{i}", "42-7", 42],
    ["{n}-{i}", "100-7", 100],
    ["{n}-{i}", "101-7", undefined],
  ];
  for (const [template, response, number] of cases) {
    const actual = expectation(template).match(6, response);
    assertEquals(actual, number, `${template} of ${response}`);
  }
});

test("Expectation.match() takes what the message holds for data", () => {
  const odd = expectation("{request}!", "{*}{n}{request}.* {i}{i}");
  assertEquals(odd.match(6, "{*}{n}{request}.* 77!"), 0);
  assertEquals(odd.match(6, "x5{*}{n}{request}.* 77!"), undefined);
});

test("Expectation.find() finds the request by its number", () => {
  const found = (
    template: string,
    response: string,
    message?: string,
  ) => [...expectation(template, message).find(response, 1000)];
  assertEquals(found(DEFAULT_TEMPLATE, "Message 12 3"), [
    { index: 11, number: 3 },
  ]);
  assertEquals(found(DEFAULT_TEMPLATE, "Message 1 3"), [
    { index: 0, number: 3 },
  ]);
  assertEquals(found(DEFAULT_TEMPLATE, "Message 0 3"), []);
  assertEquals(found("{*}#{i}", "#7"), [{ index: 6, number: 0 }]);
  assertEquals(found("echo", "100", "{i}0"), [{ index: 9, number: 0 }]);
  assertEquals(found("echo", "Message 1001"), []); // there are 1,000
  assertEquals(found("echo", "alike", "alike"), []); // which of them?
  assertEquals(found('{*}"id":{i},{*}', '{"x":"\\"id\\":","id":31,"y":0}'), [
    { index: 30, number: 0 },
  ]);
  // Other numbers, however many, are not in its place.
  const many = Array.from({ length: 100 }, (_, i) => `${i} `).join("");
  assertEquals(found("{*}#{i}", `${many}#31`), [{ index: 30, number: 0 }]);
  assertEquals(found("{*} {n} of {i}", `${many}5 of 31`), [
    { index: 30, number: 5 },
  ]);
  assertEquals(found("{n} of {i}", "5 of 17"), [{ index: 16, number: 5 }]);
});

test("Expectation.find() gives up a response with many numbers in that place", () => {
  const made = expectation("{*}#{i}");
  const some = "#5000,".repeat(3);
  assertEquals([...made.find(`${some}#7`, 1000)], [{ index: 6, number: 0 }]);
  const many = "#5000,".repeat(1000);
  assertEquals([...made.find(`${many}#7`, 1000)], []);
});

test("Expectation finds what a template made, whatever stands for {*}", () => {
  const text = fc.string({ maxLength: 12 });
  fc.assert(fc.property(
    fc.array(fc.oneof(text, fc.constantFrom("{*}", "{i}")), { maxLength: 6 }),
    fc.nat(999),
    fc.integer({ min: 1, max: 100 }),
    fc.array(text, { minLength: 6, maxLength: 6 }),
    (parts, index, number, anything) => {
      const template = [...parts, "#{request} {n}"].join("");
      if (template.split("{n}").length > 2) return;
      if (/\{\*\}\d*\{i\}|\{i\}\d*\{\*\}/.test(template)) return; // refused
      const response = template.replaceAll("{*}", () => anything.pop()!)
        .replaceAll("{request}", () => "<{i}>")
        .replaceAll("{i}", String(index + 1))
        .replaceAll("{n}", String(number));
      const made = expectation(template, "<{i}>");
      assertEquals(made.match(index, response), number);
    },
  ));
});
