/**
 * For `deno task mutate`: which tests see a change in which file, and which changes
 * none can see.
 *
 * @module
 */

const SIMULATION = "tests/client/run_simulation_test.ts";

/** Where the tests of a file are not those of its name: the same path below tests/.
 * The quickest are first, for the others run only where these notice nothing. */
export const TESTS: Record<string, string[]> = {
  "static/proof.js": ["tests/client/proof_test.ts"],
  "server.ts": [
    "tests/server/handshake_test.ts",
    "tests/server/responses_test.ts",
    "tests/server/listen_test.ts",
    "tests/server/leaving_test.ts",
    "tests/server/server_test.ts",
    "tests/server/drain_test.ts",
    "tests/server/workers_test.ts",
  ],
  "main.ts": ["tests/main_test.ts", "tests/client/merge_test.ts"],
  "lib/protocol.ts": ["tests/protocol_test.ts"],
  "lib/text.ts": ["tests/text_test.ts"],
  "lib/cli/flags.ts": ["tests/cli", "tests/client/limits_test.ts"],
  "lib/cli/values.ts": ["tests/cli"],
  "lib/client/progress.ts": [
    "tests/client/progress_test.ts",
    "tests/client/terminal_test.ts",
  ],
  "lib/server/connection.ts": [
    "tests/server/opening_test.ts",
    "tests/server/leaving_test.ts",
    "tests/server/connection_test.ts",
  ],
  "lib/server/handshake.ts": ["tests/server/handshake_test.ts"],
  "lib/server/leaving.ts": [
    "tests/server/opening_test.ts",
    "tests/server/leaving_test.ts",
  ],
  "lib/server/log.ts": ["tests/server/log_test.ts"],
  "lib/server/metrics.ts": ["tests/server/metrics_test.ts"],
  "lib/server/outbox.ts": ["tests/server/backlog_test.ts"],
  "lib/server/options.ts": [
    "tests/server/options_test.ts",
    "tests/cli/help_test.ts",
    "tests/main_test.ts",
  ],
  "lib/server/page.ts": ["tests/server/responses_test.ts"],
  "lib/server/content.ts": [
    "tests/server/responses_test.ts",
    "tests/server/listen_test.ts",
  ],
  "lib/client/merge.ts": ["tests/client/merge_test.ts", "tests/main_test.ts"],
  "lib/client/options.ts": [
    "tests/client/options_test.ts",
    "tests/cli/help_test.ts",
    "tests/cli/flags_test.ts",
    "tests/main_test.ts",
  ],
  "lib/client/in_flight.ts": ["tests/client/exchange_test.ts", SIMULATION],
  "lib/client/counters.ts": [
    "tests/client/report_test.ts",
    "tests/client/run_test.ts",
    SIMULATION,
  ],
  ...Object.fromEntries(
    ["connection", "exchange", "requests", "run"].map((name) => [
      `lib/client/${name}.ts`,
      [`tests/client/${name}_test.ts`, SIMULATION],
    ]),
  ),
};

/** Mutants that do the same as the program: the line, the change, and why. */
export const EQUAL: Record<
  string,
  [line: string, change: string, why: string][]
> = {
  "server.ts": ["LAST_MS = 200", "LAST_LINE_MS = 1000"].map((constant) => [
    `const ${constant};`,
    constant.replace(/.* = (.*)/, "$1 -> ($1 + 1)"),
    "nobody sees a thousandth of a second",
  ]),
  "lib/server/workers.ts": [
    ...["PAUSE_MS = 1000", "BEYOND_GRACE_MS = 1000"].map((
      constant,
    ): [string, string, string] => [
      `const ${constant};`,
      constant.replace(/.* = (.*)/, "$1 -> ($1 + 1)"),
      "nobody sees a thousandth of a second",
    ]),
    [
      'worker.postMessage("shut down");',
      '"shut down" -> ""',
      "the second message may be anything",
    ],
  ],
  "main.ts": [
    [
      'const url = server.url.replace(/^http(.*)/, "ws$1ws");',
      "/^http(.*)/ -> /http(.*)/",
      "a server's URL has it at its start only",
    ],
    [
      "await server.shutdown();",
      "await server.shutdown(); -> ;",
      "the process ends with it, and nothing is open any more",
    ],
    [
      "? JSON.stringify(report, null, 2)",
      "2 -> (2 + 1)",
      "by how much it is indented is its own affair",
    ],
    [
      "`  ws-random ${name} [options]`.padEnd(31) + summary",
      "31 -> (31 + 1)",
      "the column is its own affair",
    ],
  ],
  "static/proof.js": [
    [
      "const number = digits.length <= 3 && /^[1-9][0-9]*$/.test(digits)",
      "3 -> (3 + 1)",
      "a number of four digits is over the highest anyway",
    ],
    ["if (x <= 0) return 1;", "<= -> <", "the series gives 1 for 0, too"],
    [
      "if (front === 0) return x > a ? 0 : 1;",
      "0 -> (0 + 1)",
      "both ways to go on give the same, after more steps",
    ],
    [
      "if (front === 0) return x > a ? 0 : 1;",
      "> -> >=",
      "where x is a, front is not 0",
    ],
    ...["< -> <=", "+ -> -", "1 -> (1 + 1)"].map((
      change,
    ): [string, string, string] => [
      "if (x < a + 1) {",
      change,
      "near there both ways are exact to the last digits",
    ]),
    [
      "for (let n = 1; term > sum * Number.EPSILON; n++) {",
      "> -> >=",
      "one more term that changes nothing",
    ],
    [
      "let fraction = 0; // from its innermost part outwards",
      "0 -> (0 + 1)",
      "the innermost of 1,000 parts changes nothing",
    ],
    [
      "const FRACTION_DEPTH = 1000;",
      "1000 -> (1000 + 1)",
      "one part more changes nothing",
    ],
    ...[
      "const verdict = p < IMPOSSIBLE",
      ": p < DOUBTFUL",
      'if (p < IMPOSSIBLE) return "p < 1e-9";',
      "return `p = ${p < 0.1 ? p.toPrecision(1) : p.toFixed(2)}`;",
    ].map((line): [string, string, string] => [
      line,
      "< -> <=",
      "no counts have exactly this probability",
    ]),
    [
      'if (p > 0.99) return "p > 0.99";',
      "> -> >=",
      "no counts have exactly this probability",
    ],
  ],
  "lib/protocol.ts": [
    [
      "if (next === POOL_BYTES) {",
      "next === POOL_BYTES -> !(next === POOL_BYTES)",
      "bytes are then drawn for each number, which takes longer",
    ],
    [
      "if (next === POOL_BYTES) {",
      "=== -> !==",
      "bytes are then drawn for each number, which takes longer",
    ],
    [
      'const requests = message.split("\\n", MAX_LINES + 1);',
      "1 -> (1 + 1)",
      "one more than the most is too many, and so are two",
    ],
    [
      "const POOL_BYTES = 4096;",
      "4096 -> (4096 + 1)",
      "how many bytes are drawn at a time changes no number",
    ],
    ["next = 0;", "0 -> (0 + 1)", "one byte of the pool is not used"],
  ],
  "lib/text.ts": [
    ...["< -> <=", "256 -> (256 + 1)"].map((
      change,
    ): [string, string, string] => [
      "return code < 256",
      change,
      "no unsafe character is near there",
    ]),
  ],
  "lib/server/text_queue.ts": [
    [
      "const PAGE_BYTES = 4096;",
      "4096 -> (4096 + 1)",
      "the size of a page changes no text",
    ],
    [
      "const MAX_BYTES = 3;",
      "3 -> (3 + 1)",
      "the size is then found exactly, which takes longer",
    ],
    [
      "const bytes = most <= PAGE_BYTES",
      "<= -> <",
      "the size found exactly is the same",
    ],
    [
      "if (end + LENGTH_BYTES > view.byteLength) return undefined;",
      "> -> >=",
      "an empty text then goes to the next page",
    ],
  ],
  "lib/server/backlog.ts": [
    ...[
      "HOLD_MS = 900_000",
      "BROKEN_OFF_MS = 10_000",
      "STALL_MS = 500",
      "MAX_POLL_MS = 64",
    ].map((constant): [string, string, string] => [
      `const ${constant};`,
      constant.replace(/.* = (.*)/, "$1 -> ($1 + 1)"),
      "nobody sees a thousandth of a second",
    ]),
    [
      "export const SHARED_COST = 25_165_824;",
      "25_165_824 -> (25_165_824 + 1)",
      "a byte is less than the measure is true to",
    ],
    [
      "const IDLE_LOOKS = 4;",
      "4 -> (4 + 1)",
      "how often it looks is its own affair",
    ],
    [
      "const elapsed = Math.min(now - this.#polledAt, STALL_MS / 4);",
      "4 -> (4 + 1)",
      "in how many polls is its own affair",
    ],
    ...["#shared = 0;", "#queued = 0;", "let held = 0;"].map((
      line,
    ): [string, string, string] => [
      line,
      "0 -> (0 + 1)",
      "a byte is less than the measure is true to",
    ]),
    ["#polledAt = 0;", "0 -> (0 + 1)", "it is set before the first poll"],
    ...([
      ["if (this.#queued <= this.#most * MOVING_FACTOR) return;", "<= -> <"],
      ["return held >= SHARED_COST + this.#most;", ">= -> >"],
      ["while (this.#queued > this.#most) {", "> -> >="],
      ["return outbox.handed > 0;", "0 -> (0 + 1)"],
      [
        "outbox.advance(OWN_COST + Math.max(0, shared + free), response);",
        "0 -> (0 + 1)",
      ],
      [
        "if (outbox.shared > 0 || outbox.queued > 0) this.#watch(outbox);",
        "0 -> (0 + 1)",
      ],
      [
        "return [...this.#watched].filter(({ queued }) => queued > 0)",
        "0 -> (0 + 1)",
      ],
    ] as const).map(([line, change]): [string, string, string] => [
      line,
      change,
      "a byte is less than the measure is true to",
    ]),
    ...([
      ["if (until < performance.now()) this.#retire(outbox, 0);", "< -> <="],
      [
        "this.#retire(outbox, this.waits(outbox) ? HOLD_MS : 0);",
        "0 -> (0 + 1)",
      ],
      [
        "else if (this.#live.has(outbox)) this.#retire(outbox, 0);",
        "0 -> (0 + 1)",
      ],
      ["if (holdMs > 0) {", "0 -> (0 + 1)"],
      ["if (slowest.stalledMs < STALL_MS) break;", "< -> <="],
      [
        "if (outbox.stalledMs < this.#idleMs || this.#over.has(outbox)) continue;",
        "< -> <=",
      ],
    ] as const).map(([line, change]): [string, string, string] => [
      line,
      change,
      "nobody sees a thousandth of a second",
    ]),
    ...["< -> <=", "0 -> (0 + 1)"].map((change): [string, string, string] => [
      ".reduce((first, outbox) => order(outbox, first) < 0 ? outbox : first);",
      change,
      "either of two that are alike will do",
    ]),
  ],
  "lib/server/page.ts": [
    [
      "const EXPECTED = 10_000 / HIGHEST;",
      "10_000 -> (10_000 + 1)",
      "it is rounded",
    ],
    [
      '"content-type": TYPES[name.split(".").at(-1)!],',
      "-1 -> 1",
      "no name has two dots",
    ],
  ],
  "lib/server/responses.ts": [
    [
      String.raw`return /^\w+:\/\/[^/?#]*([^?#]*)/.exec(url)?.[1];`,
      String
        .raw`/^\w+:\/\/[^/?#]*([^?#]*)/ -> /\w+:\/\/[^/?#]*([^?#]*)/`,
      "every URL of a request begins so",
    ],
  ],
  "lib/server/listen.ts": [
    [
      "const LISTEN_AGAIN_MS = 100;",
      "100 -> (100 + 1)",
      "nobody sees a thousandth of a second",
    ],
  ],
  "lib/server/leaving.ts": ["QUIET_MS = 250", "FAULT_QUIET_MS = 1000"].map((
    constant,
  ) => [
    `const ${constant};`,
    constant.replace(/.* = (.*)/, "$1 -> ($1 + 1)"),
    "nobody sees a thousandth of a second",
  ]),
  "lib/server/connection.ts": [
    ...["HANDSHAKE_MS = 5000", "LATE_HANDSHAKE_MS = 1000"].map((
      constant,
    ): [string, string, string] => [
      `const ${constant};`,
      constant.replace(/.* = (.*)/, "$1 -> ($1 + 1)"),
      "nobody sees a thousandth of a second",
    ]),
    [
      "if (leaving && !this.#pipelines && performance.now() > leaving.until) {",
      "> -> >=",
      "nobody sees a thousandth of a second",
    ],
    [
      "else if (late && answersMs > 0) this.#leave(unanswered(leaving));",
      "0 -> (0 + 1)",
      "nobody sees a thousandth of a second",
    ],
    [
      "this.#timer = undefined;",
      "this.#timer = undefined; -> ;",
      "what is cleared is called back by Deno 2.6 only, and seldom",
    ],
    ["const TURNS = 10;", "10 -> (10 + 1)", "in how many is its own affair"],
    [
      "this.#pipelines ||= this.#socket.bufferedAmount > 0;",
      "0 -> (0 + 1)",
      "the shortest response has two bytes",
    ],
  ],
  "lib/server/log.ts": [
    [
      "const LAST_MS = 1000;",
      "1000 -> (1000 + 1)",
      "nobody sees a thousandth of a second",
    ],
  ],
  "lib/server/memory.ts": [
    "PROCESS = 64_000_000",
    "WORKER = 32_000_000",
    "CONNECTION = 30_000",
  ].map((constant) => [
    `const ${constant};`,
    constant.replace(/.* = (.*)/, "$1 -> ($1 + 1)"),
    "a byte is less than the measure is true to",
  ]),
  "lib/server/metrics.ts": [
    ["let length = 0;", "0 -> (0 + 1)", "a part of the memory is not used"],
    [
      "const HEAD_BYTES = 2 * Float64Array.BYTES_PER_ELEMENT;",
      "2 -> (2 + 1)",
      "a part of the memory is not used",
    ],
    [
      "this.#open = new Int32Array(memory, this.#startedAt.byteLength, 1);",
      "1 -> (1 + 1)",
      "the second element is not used",
    ],
  ],
  "lib/server/outbox.ts": [
    ...["SEND_COST = 2048", "export OWN_COST = 131_072", "WAIT_COST = 256"].map(
      (
        constant,
      ): [string, string, string] => [
        constant.replace(/(.*?)(\w+ = \w+)/, "$1const $2;"),
        constant.replace(/.* = (.*)/, "$1 -> ($1 + 1)"),
        "a byte is less than the measure is true to",
      ],
    ),
    ...["#unwritten = 0;", "stalledMs = 0;"].map((
      line,
    ): [string, string, string] => [
      line,
      "0 -> (0 + 1)",
      "the first look at the socket corrects it",
    ]),
    ...["> -> >=", "2 -> (2 + 1)"].map((
      change,
    ): [string, string, string] => [
      "if (this.handed + bytes > OWN_COST / 2) return false;",
      change,
      "the other way hands it over, too",
    ]),
    [
      "while (this.#queue.length > 0 && this.handed < most) {",
      "< -> <=",
      "a byte is less than the measure is true to",
    ],
    [
      "this.stalledMs = 0;",
      "0 -> (0 + 1)",
      "nobody sees a thousandth of a second",
    ],
  ],
  "lib/client/progress.ts": [
    [
      "const DRAW_MS = 100;",
      "100 -> (100 + 1)",
      "nobody sees a thousandth of a second",
    ],
  ],
  "lib/cli/flags.ts": [
    [
      "const [, letter, joined] = /^-(\\w)(.*)$/s.exec(arg) ?? [];",
      "/^-(\\w)(.*)$/s -> /^-(\\w)(.*)/s",
      "the rest is taken to its end anyway",
    ],
    [
      'const hidden = text.replace(/^(\\w+:\\/\\/)?([^:]*):.*@/s, "$1$2:***@");',
      "/^(\\w+:\\/\\/)?([^:]*):.*@/s -> /(\\w+:\\/\\/)?([^:]*):.*@/s",
      "what matches anywhere matches at the start",
    ],
  ],
  "lib/server/handshake.ts": [
    [
      "while (end > start && isBlank(end - 1)) end--;",
      "> -> >=",
      "of blanks only nothing is left either way",
    ],
  ],
  "lib/client/time.ts": [
    [
      'const PERCENTILES = { p50: 50, p90: 90, p99: 99, "p99.9": 99.9, max: 100 };',
      "100 -> (100 + 1)",
      "no value is longer than the longest, which is known by itself",
    ],
    [
      "const BUCKETS = 36 * HALF;",
      "36 -> (36 + 1)",
      "there is room for more",
    ],
    [
      "#max = 0;",
      "0 -> (0 + 1)",
      "below 2 ms each value has a bucket of its own",
    ],
    [
      "if (milliseconds > this.#max) this.#max = milliseconds;",
      "> -> >=",
      "it is the same value",
    ],
    [
      "if (microseconds < 2 * HALF) return microseconds;",
      "< -> <=",
      "the first of the wider buckets has this number, too",
    ],
    [
      "if (longest.length === LONGEST) this.#least = longest[LONGEST - 1].length;",
      "this.#least = longest[LONGEST - 1].length; -> ;",
      "shorter ones are then left out later",
    ],
  ],
  "lib/client/report.ts": [
    [
      "if (fate === Fate.answered) continue; // as nearly all are",
      "continue; -> ;",
      "nothing else is true of it",
    ],
  ],
  "lib/client/expect.ts": [
    [
      "const MAX_DIGITS = 3;",
      "3 -> (3 + 1)",
      "no number has four digits",
    ],
    [
      "const digits = /^\\d*/.exec(response.slice(start, start + most))![0];",
      "/^\\d*/ -> /\\d*/",
      "no digits at the start are a match, too",
    ],
    [
      "for (let length = digits.length; length > 0; length--) {",
      "> -> >=",
      "no digits are below the first number",
    ],
    [
      "if (place === 0 && before.length > 1) {",
      "1 -> (1 + 1)",
      "elsewhere than at its start the response does not match",
    ],
    [
      "for (let to = from + 1; to <= from + MAX_DIGITS; to++) {",
      "+ -> -",
      "an empty text is no number",
    ],
  ],
  "lib/client/counters.ts": [
    [
      "const FIRST_FATES = 65_536;",
      "65_536 -> (65_536 + 1)",
      "how much room there is at first changes no count",
    ],
    [
      "const MOST_FATES = 2 ** 33;",
      "33 -> (33 + 1)",
      "address space alone, for more than a machine can send",
    ],
  ],
  "lib/client/requests.ts": [
    [
      "buffer.resize(Math.min(buffer.byteLength * 2, buffer.maxByteLength));",
      "2 -> (2 + 1)",
      "how much room there is changes no count",
    ],
    [
      "const about = Math.ceil((end - startedAt) * this.#perMillisecond);",
      "- -> +",
      "from a higher count the loop comes to the same",
    ],
    [
      "count = Math.max(sent, about + 1); // as computers count, one more or less",
      "1 -> (1 + 1)",
      "from a higher count the loop comes to the same",
    ],
  ],
  "lib/client/exchange.ts": [
    [
      "answered = 0;",
      "0 -> (0 + 1)",
      "each connection begins anew",
    ],
    [
      "useless = 0;",
      "0 -> (0 + 1)",
      "each connection begins anew",
    ],
    [
      "if (size > counters.batch) counters.batch = size;",
      "> -> >=",
      "it is the same number",
    ],
    [
      "if (this.#inFlight.size > counters.inFlight) {",
      "> -> >=",
      "it is the same number",
    ],
    [
      'const [first] = this.#batch > 1 ? data.split("\\n", 1) : [data];',
      "1 -> (1 + 1)",
      "the others are not looked at",
    ],
  ],
  "lib/client/connection.ts": [
    [
      "#doubledAt = 0;",
      "0 -> (0 + 1)",
      "each connection begins anew",
    ],
    [
      "#waited = 0;",
      "0 -> (0 + 1)",
      "each connection begins anew",
    ],
  ],
  "lib/client/plan.ts": [
    [
      "const last = String(Math.min(countOf(options), 1_000_000_000));",
      "1_000_000_000 -> (1_000_000_000 + 1)",
      "the number has as many digits",
    ],
  ],
  "lib/client/run.ts": [
    [
      "this.after(Math.max(0, end - this.world.now()), () => {",
      "0 -> (0 + 1)",
      "a timer takes a millisecond at least",
    ],
    [
      'this.#state = "closing";',
      '"closing" -> ""',
      "it is neither running nor over, by any name",
    ],
    [
      "for (let i = 0; i < length; i++) {",
      "< -> <=",
      "the first one is asked twice, and has sent what it may",
    ],
    [
      "if (step === 0) connection.connect();",
      "0 -> (0 + 1)",
      "a timer of no time connects as well",
    ],
  ],
  "lib/client/proxy.ts": [
    [
      '? text.split(".").reduce((number, part) => number * 256 + Number(part), 0)',
      "0 -> (0 + 1)",
      "both addresses are then higher by as much",
    ],
    [
      'const host = url.hostname.replace(/^\\[(.*)\\]$/, "$1");',
      "/^\\[(.*)\\]$/ -> /\\[(.*)\\]$/",
      "a bracket is at the ends of a host or nowhere",
    ],
    [
      'const host = url.hostname.replace(/^\\[(.*)\\]$/, "$1");',
      "/^\\[(.*)\\]$/ -> /^\\[(.*)\\]/",
      "a bracket is at the ends of a host or nowhere",
    ],
  ],
  "lib/client/merge.ts": [
    [
      "atMs: round(each.atMs + shift, 3),",
      "3 -> (3 + 1)",
      "it has no more than three digits",
    ],
    [
      "const length = Math.round(greatest(lengths) ?? 0);",
      "0 -> (0 + 1)",
      "without intervals there is nothing to merge",
    ],
    [
      "const seconds = round(most(({ seconds }) => seconds) ?? 0, 3);",
      "0 -> (0 + 1)",
      "each report has it",
    ],
    [
      "batch: most(({ batch }) => batch) ?? 0,",
      "0 -> (0 + 1)",
      "each report has it",
    ],
    [
      "inFlight: most(({ inFlight }) => inFlight) ?? 0,",
      "0 -> (0 + 1)",
      "each report has it",
    ],
  ],
  "lib/client/options.ts": [
    [
      "if (word || path || !url || !/^wss?:$/.test(url.protocol)) {",
      "/^wss?:$/ -> /^wss?:/",
      "nothing follows the colon of a protocol",
    ],
    [
      "const [name, value] = text.split(/:\\s*(.*)/s, 2);",
      "2 -> (2 + 1)",
      "a third part is not looked at",
    ],
  ],
};
