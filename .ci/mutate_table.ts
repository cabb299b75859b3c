/**
 * For `deno task mutate`: which tests see a change in which file, and which changes
 * none can see.
 *
 * @module
 */

/** Where the tests of a file are not those of its name: the same path below tests/. */
export const TESTS: Record<string, string[]> = {
  "static/proof.js": ["tests/client/proof_test.ts"],
  "lib/protocol.ts": ["tests/protocol_test.ts"],
  "lib/text.ts": ["tests/text_test.ts"],
  "lib/cli/flags.ts": ["tests/cli", "tests/client/limits_test.ts"],
  "lib/cli/values.ts": ["tests/cli"],
  "lib/client/in_flight.ts": ["tests/client/run_simulation_test.ts"],
};

/** Mutants that do the same as the program: the line, the change, and why. */
export const EQUAL: Record<
  string,
  [line: string, change: string, why: string][]
> = {};
