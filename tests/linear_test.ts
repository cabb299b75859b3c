// What text from outside costs: twice as much of the worst takes about twice as
// long, and never four times.

import process from "node:process";
import { assert } from "@std/assert";
import { DEFAULT_TEMPLATE, Expectation } from "../lib/client/expect.ts";
import { describeFailure } from "../lib/client/failure.ts";
import { Requests } from "../lib/client/requests.ts";
import {
  asksForWebSocket,
  offersProtocol,
  peerOf,
  refusal,
} from "../lib/server/handshake.ts";
import { assetResponse, loadAssets } from "../lib/server/page.ts";
import { pathOf } from "../lib/server/responses.ts";
import { answerLines, isLoopback } from "../lib/protocol.ts";
import { cut, escapeText, hideSecrets, oneLine } from "../lib/text.ts";
import { parseResponse } from "../static/proof.js";
import { portOf, pureTest, test, withServer } from "../harness/helpers.ts";
import { HANDSHAKE, RawSocket } from "../harness/sockets.ts";

/** Characters of the longer text; Deno takes heads of 400 kB. */
const LONG = 65_536;

/** What takes less than this is fast enough, in milliseconds: two thousand million
 * steps, as of a quadratic way through 64 kB, take far more. */
const FAST_MS = 10;

/** A shortest time is of so many tries at least. */
const LEAST_TRIES = 5;

/** Where the ratio is too high, a busy machine may be the reason: then the shortest
 * times are of so many tries, or of all in so many milliseconds. */
const MANY_TRIES = 300;
const MOST_MS = 60_000;

/** The time that this process has had of the processor, in milliseconds: what others
 * take of it is no matter. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Asserts that a text takes at most three times as long as half of it. */
async function assertLinear(
  name: string,
  use: (text: string) => unknown,
  text: (length: number) => string,
  fastMs = FAST_MS,
): Promise<void> {
  const shortest = [LONG / 2, LONG].map((length) => ({
    input: text(length),
    ms: Infinity,
  }));
  const givenUpAt = performance.now() + MOST_MS;
  for (
    let tries = 1;
    tries <= LEAST_TRIES ||
    (tries <= MANY_TRIES && performance.now() < givenUpAt);
    tries++
  ) {
    for (const each of shortest) {
      const startedAt = cpuMs();
      await use(each.input);
      each.ms = Math.min(each.ms, cpuMs() - startedAt);
    }
    const [half, whole] = shortest;
    if (tries < LEAST_TRIES && whole.ms > fastMs) continue;
    if (whole.ms <= Math.max(half.ms * 3, fastMs)) return;
  }
  const times = shortest.map(({ ms }) => `${ms.toFixed(1)} ms`).join(", ");
  assert(false, `${name}: ${times} for twice as much`);
}

/** Texts that patterns stumble over: one thing again and again, and an end that
 * does not fit. */
const REPEATED = [
  " ",
  "\t",
  ",",
  ", ",
  " ,",
  '"',
  '"a" ',
  '"a", ',
  "W/",
  "*",
  "a",
  "a.",
  ".",
  "1",
  "127.1.",
  "localhost.",
  "/",
  "../",
  "%2e",
  "\\",
  "@",
  ":",
  "[",
  "\n",
  " \n",
  "\r\n ",
  "\x1b[",
  "ü",
  "a:b@",
  "xn--",
  "Error: ",
  "certificate expired ",
  "failed to connect to WebSocket: ",
  "invalid peer certificate: ",
  "Invalid status code: ",
  "?key",
  "&key=",
];
const WORST = REPEATED.map((part) => (length: number) =>
  `a${part.repeat(length / part.length)}b`
);

const admission = { scheme: "http", loopback: true, allowOrigin: [] } as const;

/** A header as the server gets it. A line break ends it before that. */
function withHeader(
  use: (request: Request) => unknown,
  name: string,
): (text: string) => unknown {
  return (text) => {
    const headers = new Headers({ ...HANDSHAKE });
    headers.set(name, text.replaceAll(/[\r\n\0]/g, "_").trim());
    return use(new Request("http://127.0.0.1/", { headers }));
  };
}

const asset = (await loadAssets()).get("/")!;
const requests = new Requests(
  new Expectation(DEFAULT_TEMPLATE, "Message {i}"),
  "Message {i}",
  10_000,
);
requests.counters.sent = 10_000;

/** Templates with which a response takes longest. */
const TEMPLATES = [
  "{*}{request}.{*}",
  '{*}a":{i},{*}x{*}{n}.{i}y',
  "{*}{n} {request}.{*}",
].map((template) => new Expectation(template, "1 a{i}"));

const READERS: Record<string, (text: string) => unknown> = {
  "If-None-Match": withHeader(
    (request) => assetResponse(request, asset),
    "If-None-Match",
  ),
  Upgrade: withHeader(asksForWebSocket, "Upgrade"),
  Connection: withHeader(asksForWebSocket, "Connection"),
  "Sec-WebSocket-Protocol": withHeader(
    (request) => offersProtocol(request, "x"),
    "Sec-WebSocket-Protocol",
  ),
  ...Object.fromEntries(
    ["Host", "Origin", "Sec-WebSocket-Key", "Sec-WebSocket-Version"].map(
      (name) => [
        `a handshake's ${name}`,
        withHeader((request) => refusal(request, admission), name),
      ],
    ),
  ),
  "X-Forwarded-Proto": (text) =>
    withHeader((request) => {
      request.headers.set("origin", "http://a.example");
      return refusal(request, admission);
    }, "X-Forwarded-Proto")(text),
  "a Host that an Origin is compared with": (text) =>
    withHeader((request) => {
      request.headers.set("origin", "http://a.example");
      return refusal(request, admission);
    }, "Host")(text),
  "X-Forwarded-For": withHeader(
    (request) => peerOf(request, "127.0.0.1"),
    "X-Forwarded-For",
  ),
  "the Host of a path": withHeader(pathOf, "Host"),
  "a path": (text) =>
    pathOf({ url: `http://a/${text}`, headers: new Headers() } as Request),
  "a name": isLoopback,
  "a request": (text) => answerLines(text),
  escapeText,
  hideSecrets,
  oneLine,
  cut: (text) => cut(escapeText(text), 200),
  "a response": (text) => parseResponse("Message 1", `Message 1 ${text}`),
  "a response to some request": (text) => requests.answeredBy(text),
  "a response that begins well": (text) =>
    requests.answeredBy(`Message 12345 ${text}`),
  "a response to a template": (text) => {
    for (const template of TEMPLATES) {
      template.match(0, text);
      for (const _ of template.find(text, 10_000));
    }
  },
  "a close reason": (text) => describeFailure(1011, text, "", false),
  "a lost connection": (text) => describeFailure(1006, "", text, false),
  "a redirect": (text) =>
    describeFailure(
      0,
      "",
      `failed to connect to WebSocket: Invalid status code: 301 ${text}`,
      true,
    ),
  "a failed handshake": (text) =>
    describeFailure(
      1006,
      "",
      `NetworkError: failed to connect to WebSocket: ${text}`,
      false,
    ),
};

for (const [name, use] of Object.entries(READERS)) {
  pureTest(`${name} is read in linear time`, async () => {
    for (const text of WORST) {
      await assertLinear(
        `${name}: ${JSON.stringify(text(4))}`,
        use,
        text,
      );
    }
  });
}

/** What takes less than this from end to end is fast enough, in milliseconds. */
const FAST_ANSWER_MS = 20;

for (
  const name of [
    ...["If-None-Match", "Host", "Origin", "Upgrade", "Connection", "Cookie"],
    ...["Sec-WebSocket-Protocol", "Sec-WebSocket-Key", "X-Forwarded-Proto"],
    ...["X-Forwarded-For", "Accept-Encoding", "Content-Length"],
  ]
) {
  test(`a request with a long ${name} is answered in linear time`, () =>
    withServer({}, async (ws) => {
      const use = async (text: string) => {
        for (const path of ["/", "/ws"]) {
          using socket = await RawSocket.connect(portOf(ws));
          const Origin = "http://a.example";
          const headers = { ...HANDSHAKE, Origin, [name]: text };
          await socket.request(`GET ${path}`, headers);
        }
      };
      for (const part of [" ", ",", ", ", "\t,", '"a" ', "a.", "1"]) {
        const text = (length: number) =>
          `a${part.repeat(length / part.length)}b`;
        const what = `${name}: ${JSON.stringify(text(4))}`;
        await assertLinear(what, use, text, FAST_ANSWER_MS);
      }
    }));
}
