import { assertEquals, assertMatch } from "@std/assert";
import { answer } from "../lib/protocol.ts";
import { parseResponse } from "../static/proof.js";

Deno.test("answer() returns the request, one space and a number", () => {
  for (const request of ["Message 7", "", " ", "7", "naïve 🎲 <b>", "a\nb"]) {
    const response = answer(request);
    assertMatch(response.slice(request.length), /^ ([1-9]\d?|100)$/);
    assertEquals(
      parseResponse(request, response),
      Number(response.split(" ").at(-1)),
    );
  }
});
