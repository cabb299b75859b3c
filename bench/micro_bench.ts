// `deno bench bench/micro_bench.ts`: what runs for each request, by itself.

import { answer, answerLines, randomNumber } from "../lib/protocol.ts";
import { parseResponse } from "../static/proof.js";

const request = "Message 1234567";
const response = answer(request);
const lines = new Array(50).fill(request).join("\n");

Deno.bench("draw a number", () => {
  randomNumber();
});

Deno.bench("draw one by Math.random, for comparison", () => {
  Math.floor(Math.random() * 100) + 1;
});

Deno.bench("answer a request", () => {
  answer(request);
});

Deno.bench("answer 50 lines", () => {
  answerLines(lines)!.join("\n");
});

Deno.bench("check a response", () => {
  parseResponse(request, response);
});
