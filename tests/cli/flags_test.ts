import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { parseFlags } from "../../lib/cli/flags.ts";
import { UsageError } from "../../lib/text.ts";
import { clientCommand, demoCommand } from "../../lib/client/options.ts";
import { serverCommand } from "../../lib/server/options.ts";
import { run, task } from "../../harness/process.ts";
import {
  pureTest as test,
  test as testWithProcesses,
} from "../../harness/tests.ts";

const client = (...args: string[]) => parseFlags(clientCommand, args);
// $PORT is not asked for when it is given.
const server = (...args: string[]) =>
  parseFlags(serverCommand, ["--host=127.0.0.1", "--port=0", ...args]);

test("without arguments every option has its default", () => {
  assertEquals(client(), {
    url: new URL("ws://127.0.0.1:8000/ws"),
    count: undefined,
    duration: undefined,
    connections: 1,
    window: undefined,
    ramp: 0,
    batch: 1,
    expect: "{request} {n}",
    unordered: false,
    message: "Message {i}",
    rate: undefined,
    timeout: 10_000,
    retries: 6,
    ca: undefined,
    cert: undefined,
    key: undefined,
    connectTo: undefined,
    subprotocol: [],
    header: new Headers(),
    interval: undefined,
    jsonStream: false,
    failIf: [],
    quiet: false,
    json: false,
    histogram: false,
    help: false,
    version: false,
  });
});

test("options by name, letter, = and place", () => {
  const options = client(
    "https://example.com/x?y#z",
    "-n",
    "10k",
    "-c=4",
    "-w1",
    "--rate",
    "2.5k",
    "--message=--{i}--",
    "-q",
    "--timeout",
    "0.5",
  );
  assertEquals(options.url.href, "wss://example.com/x?y");
  assertEquals(options.count, 10_000);
  assertEquals(options.connections, 4);
  assertEquals(options.window, 1);
  assertEquals(options.rate, 2500);
  assertEquals(options.message, "--{i}--");
  assertEquals(options.quiet, true);
  assertEquals(options.timeout, 500);
});

test("numbers may have a unit or underscores", () => {
  const numbers: Record<string, number> = {
    "1": 1,
    "10k": 10_000,
    "10K": 10_000,
    "2m": 2_000_000,
    "1.5k": 1500,
    "1_000_000": 1_000_000,
    "1e4": 10_000,
    "1.5e3": 1500,
  };
  for (const [text, value] of Object.entries(numbers)) {
    assertEquals(client("--count", text).count, value);
  }
});

test("a time may have a unit; a bare number is seconds", () => {
  const times: Record<string, number> = {
    "500ms": 500,
    "10s": 10_000,
    "10": 10_000,
    "0.5": 500,
    "5m": 300_000,
    "1h": 3_600_000,
  };
  for (const [text, value] of Object.entries(times)) {
    assertEquals(client("--timeout", text).timeout, value, text);
  }
});

test("letters may be joined, and have their value at once", () => {
  assertEquals(client("-n5").count, 5);
  assertEquals(client("-n2k").count, 2000);
  assertEquals(client("-n1_000").count, 1000);
  assertEquals(client("-n=7").count, 7);
  const { quiet, count } = client("-qn5");
  assertEquals([quiet, count], [true, 5]);
});

test("the last of an option counts, true and false are values, a text may be empty", () => {
  assertEquals(client("-n5", "--count=6").count, 6);
  assertEquals(client("--quiet=true").quiet, true);
  assertEquals(client("-q", "--quiet=false").quiet, false);
  assertEquals(client("-q=false").quiet, false);
  assertEquals(client("-q=true").quiet, true);
  assertEquals(client("--message", "").message, "");
  assertEquals(client("--message=").message, "");
  assertEquals(client("--message=-x=y").message, "-x=y");
  assertEquals(client("--message", "--help").message, "--help");
  assertEquals(client("--message", "-q", "-n5").message, "-q");
  assertEquals(client("--count", "1.001k").count, 1001);
  assertEquals(client("--", "ws://a").url.href, "ws://a/");
});

test("--help wins over any error", () => {
  for (
    const args of [
      ["--count", "none", "--help"],
      ["--nonsense", "-h"],
      ["--count", "--help"],
      ["a", "b", "-qh"],
    ]
  ) assertEquals(client(...args).help, true, args.join(" "));
  assertEquals(parseFlags(serverCommand, ["-p", "x", "--help"]).help, true);
  assertEquals(client("--message=--help").help, false);
  assertEquals(client("--help=false").help, false);
});

test("a list may be repeated", () => {
  assertEquals(server().allowOrigin, []);
  assertEquals(
    server("--allow-origin=https://A.example:443/", "--allow-origin", "*")
      .allowOrigin,
    ["https://a.example", "*"],
  );
});

test("a usage error names the option and the value", () => {
  const cases: [string[], RegExp][] = [
    [["--cont", "5"], /^unknown option --cont; did you mean --count\?$/],
    [["-x"], /^unknown option -x$/],
    [["--no-quiet"], /^unknown option --no-quiet$/],
    [["--count"], /^--count needs a value$/],
    [
      ["--count", "-q"],
      /^--count needs a value; if it is "-q", write --count=/,
    ],
    [["--count="], /^--count needs a value$/],
    [["-n", ""], /^--count needs a value$/],
    [[""], /^url needs a value$/],
    [["--url", "ws://x"], /^unknown option --url$/],
    [["--ca="], /^--ca needs a value$/],
    [["-n", "-1"], /^--count: "-1" is not a whole number/],
    [["-nq"], /^--count: "q" is not/],
    [["--quiet=0"], /^--quiet: "0" is neither true nor false$/],
    [["--quiet="], /^--quiet needs a value$/],
    [["--header=x"], /^--header: "x" is not a header like/],
    [["--header", "a b: c"], /^--header: "a b: c" is not a header like/],
    [
      ["--header=Host: a"],
      /^--header: "Host: a" is not possible: Deno sends its own Host$/,
    ],
    [["--constructor"], /^unknown option --constructor$/],
    [["--version", "--nonsense"], /^unknown option --nonsense$/],
    [["--count=ten"], /^--count: "ten" is not a whole number from 1 to/],
    [["--count=0"], /^--count: "0" is not/],
    [["--count=-5"], /^--count: "-5" is not/],
    [["--count=1.5"], /^--count: "1.5" is not/],
    [["--count=1e-3"], /^--count: "1e-3" is not/],
    [["--count=0x10"], /^--count: "0x10" is not/],
    [["--count=1__0"], /^--count: "1__0" is not/],
    [["--count=99999999999"], /^--count: "99999999999" is not/],
    [["--count= 5"], /^--count: " 5" is not/],
    [["--timeout=0"], /^--timeout: "0" is not a time from 100ms to 24h, like/],
    [["--timeout=1d"], /^--timeout: "1d" is not a time/],
    [["ftp://x"], /^url: "ftp:\/\/x" is not a URL like ws:/],
    [["ws://a:%zz@x"], /^url: "ws:\/\/a:\*\*\*@x" has a % in its user or pa/],
    [["wss://a b/?token=x"], /^url: "wss:\/\/a b\/\?token=\*\*\*" is not/],
    [["ws://a", "ws://b"], /^unexpected argument "ws:\/\/b"$/],
  ];
  for (const [args, message] of cases) {
    const error = assertThrows(() => client(...args), UsageError);
    assertMatch((error as Error).message, message);
  }
  assertThrows(() => server("--port=65536"), UsageError, "--port");
  assertThrows(() => parseFlags(demoCommand, ["ws://a"]), UsageError, "ws://a");
});

test("--header refuses what the handshake owns", () => {
  for (
    const name of [
      "Connection",
      "UPGRADE",
      "transfer-encoding",
      "Content-Length",
      "Sec-WebSocket-Key",
      "sec-websocket-protocol",
      "User-Agent",
    ]
  ) assertThrows(() => client(`--header=${name}: a`), UsageError, name);
  const { header } = client("--header=Origin: null", "--header=Cookie: a=b");
  assertEquals([...header], [["cookie", "a=b"], ["origin", "null"]]);
});

test("a usage error hides a password", () => {
  for (
    const url of [
      "ws://u:se@kret@bad host/",
      "u:sekret@bad host",
      "ws://u:s/kret@bad host/",
    ]
  ) {
    for (const args of [[url], ["ws://a", url]]) {
      const error = assertThrows(() => client(...args), UsageError);
      assertMatch((error as Error).message, /u:\*\*\*@/);
      assertEquals(/kret/.test((error as Error).message), false);
    }
  }
});

test("an option of another tool is answered with what to write here", () => {
  const cases: [string[], RegExp][] = [
    [
      ["-k"],
      /^unknown option -k; certificates are always checked; --ca <file>/,
    ],
    [["--insecure"], /^unknown option --insecure; certificates are/],
    [
      ["--cacert", "ca.pem"],
      /^unknown option --cacert; it is --ca <file> here$/,
    ],
    [
      ["--origin=http://a"],
      /^unknown option --origin; write --header "Origin:/,
    ],
    [["--port", "8000"], /^unknown option --port; it is part of the URL: ws:/],
    [["--no-color"], /^unknown option --no-color; set the .* NO_COLOR=1$/],
    [
      ["--conections", "2"],
      /^unknown option --conections; did you mean --conne/,
    ],
    [["--x"], /^unknown option --x$/],
  ];
  for (const [args, message] of cases) {
    const error = assertThrows(() => client(...args), UsageError);
    assertMatch((error as Error).message, message);
  }
});

test("what is long is cut, what follows -- is no option, and a number stays a text", () => {
  const cases: [string[], string][] = [
    [[`--${"x".repeat(200)}`], `unknown option --${"x".repeat(97)}…`],
    [
      [`--count=${"9".repeat(200)}`],
      `--count: "${"9".repeat(99)}…" is not a whole number from `,
    ],
    [["ws://a", "--", "-q"], 'unexpected argument "-q"'],
    [["ws://a", "010"], 'unexpected argument "010"'],
    [["--wendaw", "1"], "unknown option --wendaw; did you mean --window?"],
  ];
  for (const [args, message] of cases) {
    assertThrows(() => client(...args), UsageError, message);
  }
  assertEquals(client("--ca", "a-b.pem").ca, "a-b.pem");
});

testWithProcesses(
  "a variable is read in place of the default, and not with --help",
  async () => {
    const env = { PORT: "x" };
    const wrong = await run(task("server"), { env });
    assertEquals([wrong.code, wrong.stdout], [2, ""]);
    assertMatch(wrong.stderr, /^ws-random: \$PORT: "x" is not a whole number/);
    const given = await run([...task("server"), "--port=x"], { env });
    assertMatch(given.stderr, /^ws-random: --port: "x" is not/);
    const help = await run([...task("server"), "--help"], { env });
    assertEquals([help.code, help.stderr], [0, ""]);
  },
);
