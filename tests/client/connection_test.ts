import { assert, assertEquals, assertMatch } from "@std/assert";
import { ClientConnection, type Owner } from "../../lib/client/connection.ts";
import type { Socket } from "../../lib/client/environment.ts";
import { DEFAULT_TEMPLATE, Expectation } from "../../lib/client/expect.ts";
import { Requests } from "../../lib/client/requests.ts";
import { LINES_PROTOCOL } from "../../lib/protocol.ts";
import { pureTest as test } from "../../harness/tests.ts";

/** A socket that does as the test says. */
class MadeUp implements Socket {
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onerror: Socket["onerror"] = null;
  onclose: Socket["onclose"] = null;
  protocol = "";
  extensions = "";
  sent: string[] = [];
  closed: (number | undefined)[] = [];

  open(): void {
    this.onopen?.(new Event("open"));
  }
  send(message: string): void {
    this.sent.push(message);
  }
  receive(...messages: unknown[]): void {
    for (const data of messages) this.onmessage?.({ data } as MessageEvent);
  }
  close(code?: number): void {
    this.closed.push(code);
  }
  /** Ends with a close frame, or with an error and without one. */
  end(code: number, reason = "", message?: string): void {
    if (message !== undefined) this.fail(message);
    this.onclose?.({ code, reason } as CloseEvent);
  }
  /** Returns whether someone takes the error, which ends Deno otherwise. */
  fail(message?: string): boolean {
    const event = new Event("error", { cancelable: true });
    this.onerror?.(Object.assign(event, { message }));
    return event.defaultPrevented;
  }
}

const CHANCE = 0.5;

/** A connection, and a run around it that writes down what it is told. */
function begun({
  count = 100,
  window = 8,
  batch = 1,
  retries = 3,
  timeout = 1000,
  url = "ws://host/",
  protocols = [] as string[],
  opens = 0, // milliseconds
} = {}) {
  const message = "Message {i}";
  const expectation = new Expectation(DEFAULT_TEMPLATE, message);
  const requests = new Requests(expectation, message, count);
  const sockets: MadeUp[] = [];
  const told: unknown[] = [];
  const waits: { milliseconds: number; callback: () => void }[] = [];
  const clock = { now: 1000 };
  const owner: Owner = {
    requests,
    settings: {
      ...{ url, window, batch, retries, timeout, protocols },
      unordered: false,
      tick: timeout / 20,
    },
    world: {
      connect: () => sockets[sockets.push(new MadeUp()) - 1],
      now: () => clock.now,
      date: () => 0,
      random: () => CHANCE,
      after: () => () => {},
    },
    after: (milliseconds, callback) => waits.push({ milliseconds, callback }),
    onOpen() {
      clock.now += opens;
      told.push("open");
    },
    onResponse: (response) => told.push(response),
    onDone: () => told.push("done"),
    onBreak: (reason, inFlight) => told.push(["break", reason, inFlight]),
    onGone: (reason) => told.push(["gone", reason]),
  };
  const connection = new ClientConnection(owner);
  /** The newest socket. */
  const socket = () => sockets.at(-1)!;
  return {
    ...{ connection, requests, counters: requests.counters, clock },
    ...{ sockets, socket, waits },
    /** What it was told since the last call. */
    told: () => told.splice(0),
    /** Connects, at first or when the wait is over. */
    connect(opens = true) {
      if (sockets.length === 0) connection.connect();
      else waits.pop()!.callback();
      if (opens) socket().open();
    },
    /** Lets so many ticks go by. */
    watch(ticks: number) {
      for (let i = 0; i < ticks; i++) connection.watch();
    },
    /** Answers these requests. */
    answer(...numbers: number[]) {
      for (const i of numbers) socket().receive(`Message ${i} 7`);
    },
  };
}

const messages = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, i) => `Message ${first + i}`);

test("ClientConnection sends a window when it opens, and more as responses come", () => {
  const run = begun({ window: 3, count: 4 });
  assertEquals(run.connection.state, "waiting");
  run.connect(false);
  assertEquals([run.connection.state, run.told()], ["connecting", []]);
  run.connection.sendDue(1000);
  assertEquals(run.socket().sent, []); // not yet
  run.clock.now = 1030;
  run.socket().open();
  assertEquals([run.connection.state, run.told()], ["open", ["open"]]);
  assertEquals(run.socket().sent, messages(1, 3));
  const { connections, reconnects, times, subprotocol } = run.counters;
  assertEquals([connections, reconnects, subprotocol], [1, 0, null]);
  assertEquals(times.handshakes.percentiles().max, 30);
  assertEquals(run.connection.firstDue, 1030);
  run.answer(1);
  assertEquals(run.socket().sent, messages(1, 4));
  run.answer(2, 3);
  assertEquals(run.told(), messages(1, 3).map((text) => `${text} 7`));
  run.answer(4);
  assertEquals(run.told(), ["Message 4 7", "done"]);
  assertEquals(run.connection.state, "open");
});

test("ClientConnection has no request due before the start of the run", () => {
  const run = begun({ opens: 3 });
  run.connect();
  assertEquals(run.connection.firstDue, 1003);
  assertEquals(run.counters.times.handshakes.percentiles().max, 0);
});

test("ClientConnection closes with 1000, and counts what comes until the end", () => {
  const run = begun({ count: 1 });
  run.connect();
  run.answer(1);
  run.told();
  run.connection.close();
  assertEquals([run.connection.state, run.socket().closed], [
    ...["closing", [1000]],
  ]);
  run.socket().receive("surplus");
  assertEquals([run.counters.invalid, run.told()], [1, []]);
  run.connection.close(); // does not wait any longer
  assertEquals([run.connection.state, run.told()], [
    ...["gone", [["gone", undefined]]],
  ]);
  run.connection.drop();
  assertEquals(run.told(), []);

  const ended = begun({ count: 1 });
  ended.connect();
  ended.connection.close();
  ended.told();
  ended.socket().end(1000);
  assertEquals(ended.told(), [["gone", undefined]]);
});

test("ClientConnection is gone for good when it was dropped", () => {
  for (const state of ["waiting", "connecting", "open"] as const) {
    const run = begun();
    if (state !== "waiting") run.connect(state === "open");
    assertEquals(run.connection.state, state);
    run.told();
    run.connection.drop();
    assertEquals([run.connection.state, run.told()], [
      ...["gone", [["gone", undefined]]],
    ]);
    run.connection.connect();
    assertEquals(run.sockets.length, state === "waiting" ? 0 : 1);
    if (state === "waiting") continue;
    const { onopen, onmessage, closed } = run.socket();
    assertEquals([onopen, onmessage, closed], [null, null, [undefined]]);
    // The error of a handshake that was given up is still taken.
    assertEquals(run.socket().fail("cancelled"), true);
  }
});

test("ClientConnection gives back what was in flight, and tries again later", () => {
  const run = begun();
  run.connect();
  run.answer(1, 2);
  run.watch(5);
  run.told();
  run.socket().end(1001);
  assertEquals(run.told(), [["break", "closed with 1001", 8]]);
  assertEquals([run.connection.state, run.socket().closed], ["waiting", []]);
  assertEquals(run.connection.firstDue, Infinity);
  const { index, lost } = run.requests.takeReturned()!;
  assertEquals([index, lost], [2, false]);
  assertEquals(run.waits.length, 1);
  run.connect();
  const { connections, reconnects } = run.counters;
  assertEquals([connections, reconnects], [1, 1]);
  assertEquals(run.socket().sent[0], "Message 4");
});

test("ClientConnection waits longer after each try in vain, and gives up", () => {
  const run = begun({ retries: 3 });
  const chance = (1 + CHANCE) / 2;
  for (const longest of [50, 200, 800]) {
    run.connect(false);
    run.socket().end(
      1006,
      "",
      "NetworkError: failed to connect to WebSocket: tcp connect error",
    );
    assertEquals(run.waits.at(-1)!.milliseconds, longest * chance);
  }
  assertEquals(run.told(), []); // none was open
  run.connect(false);
  run.socket().end(0);
  const [[what, reason]] = run.told() as [string, string][];
  assertEquals([what, run.connection.state, run.waits.length], [
    "gone",
    "gone",
    0,
  ]);
  assertMatch(reason, /^cannot reach ws:\/\/host\/: connection lost/);
});

test("ClientConnection counts its tries from the last valid response on", () => {
  const run = begun({ retries: 1, window: 1 });
  for (let times = 1; times <= 3; times++) {
    run.connect();
    run.answer(times);
    run.socket().end(1001);
    assertEquals(run.waits.at(-1)!.milliseconds, 37.5);
  }
  run.told();
  run.connect();
  run.socket().receive("noise");
  run.socket().end(1001);
  assertEquals(run.told().slice(1), [
    ["break", "closed with 1001", 1],
    ["gone", "ws://host/: closed with 1001; gave up after 1 retry"],
  ]);
});

test("ClientConnection says why it gave up, and after how many tries", () => {
  const last = (options: Parameters<typeof begun>[0], code: number) => {
    const run = begun(options);
    run.connect();
    while (run.connection.state !== "gone") {
      run.socket().end(code);
      if (run.waits.length > 0) run.connect();
    }
    return (run.told().at(-1) as string[])[1];
  };
  assertEquals(last({ retries: 0 }, 1001), "ws://host/: closed with 1001");
  assertEquals(
    last({ retries: 2 }, 1001),
    "ws://host/: closed with 1001; gave up after 2 retries",
  );
  const fatal = "ws://host/: closed with 1009 (message too big)";
  assertEquals(last({ retries: 2 }, 1009), fatal);
});

test("ClientConnection halves the window where one breaks, and doubles it again", () => {
  const run = begun({ window: 8 });
  const begin = () => {
    run.connect();
    return run.socket().sent.length;
  };
  assertEquals(begin(), 8);
  run.socket().end(1001);
  assertEquals(begin(), 4);
  run.socket().end(1001);
  assertEquals(begin(), 2);
  run.answer(1);
  assertEquals(run.counters.sent, 8);
  assertEquals(run.socket().sent, messages(1, 3)); // one comes, one goes
  run.answer(2); // the window is answered
  assertEquals(run.socket().sent, messages(1, 6));
  run.answer(3, 4, 5);
  assertEquals(run.socket().sent, messages(1, 9));
  run.answer(6);
  assertEquals(run.socket().sent, messages(1, 14)); // eight again
  run.answer(...Array.from({ length: 20 }, (_, i) => 7 + i));
  assertEquals(run.socket().sent, messages(1, 34)); // and no more than that
  run.socket().end(1001);
  assertEquals(begin(), 4);
  run.answer(27, 28, 29); // from the start of this connection on
  assertEquals(run.socket().sent, messages(27, 33));
  run.answer(30);
  assertEquals(run.socket().sent, messages(27, 38));
});

test("ClientConnection keeps the window where nothing was unanswered", () => {
  for (const unanswered of [0, 1]) {
    const run = begun({ window: 4 });
    run.connect();
    run.requests.paused = true;
    run.answer(...[1, 2, 3, 4].slice(unanswered));
    run.socket().end(1001);
    run.requests.paused = false;
    run.connect();
    assertEquals(run.socket().sent.length, unanswered ? 2 : 4);
  }
});

test("ClientConnection asks one at a time where a policy lets none pass, then gives up", () => {
  const run = begun({ window: 8, retries: 9 });
  run.connect();
  run.answer(1);
  run.socket().end(1008);
  run.connect();
  assertEquals(run.socket().sent.length, 4); // some did pass
  run.socket().end(1008);
  run.connect();
  assertEquals(run.socket().sent.length, 1);
  run.answer(2);
  run.told();
  run.socket().end(1008);
  assertEquals(run.told().length, 1); // one did pass
  run.connect();
  run.told();
  run.socket().end(1008);
  assertEquals(run.told(), [
    ["break", "closed with 1008 (policy violation)", 1],
    [
      "gone",
      "ws://host/: closed with 1008 (policy violation)",
    ],
  ]);
});

test("ClientConnection refuses a subprotocol or an extension that it did not ask for", () => {
  for (const unasked of [{ protocol: "other" }, { extensions: "deflate" }]) {
    const run = begun();
    run.connect(false);
    Object.assign(run.socket(), unasked);
    run.socket().open();
    const [[what, reason], ...rest] = run.told() as [string, string][];
    assertEquals([what, rest, run.socket().closed], ["gone", [], [undefined]]);
    assertMatch(reason, /^ws:\/\/host\/: .*(other|deflate)/);
    assertEquals(run.socket().sent, []);
  }
  const asked = begun({ batch: 3, protocols: [LINES_PROTOCOL] });
  asked.connect(false);
  asked.socket().protocol = LINES_PROTOCOL;
  asked.socket().open();
  assertEquals(asked.counters.subprotocol, LINES_PROTOCOL);
  assertEquals(asked.socket().sent[0], messages(1, 3).join("\n"));
});

test("ClientConnection gives up where its requests are echoed", () => {
  const run = begun();
  run.connect();
  run.told();
  run.socket().receive("Message 1");
  assertEquals(run.told(), [
    ["break", "it echoes; to test that, write --expect echo", 8],
    ["gone", "ws://host/: it echoes; to test that, write --expect echo"],
  ]);
  const lines = begun({ batch: 2, protocols: [LINES_PROTOCOL] });
  lines.connect(false);
  lines.socket().protocol = LINES_PROTOCOL;
  lines.socket().open();
  lines.socket().receive("Message 1\nMessage 2");
  const [, reason] = lines.told().at(-1) as string[];
  assertMatch(reason, /leave out --batch$/);
});

test("ClientConnection gives up after as many useless messages as it tells", () => {
  const run = begun();
  run.connect();
  run.told();
  for (let i = 0; i < 5000; i++) run.socket().receive("noise");
  run.answer(1); // of use
  let sent = 0;
  while (run.connection.state === "open" && sent < 20_000) {
    run.socket().receive("noise");
    sent++;
  }
  const [, reason] = run.told().at(-1) as string[];
  const flood = `ws://host/: it sent ${sent} messages that answer no request`;
  assertEquals(reason, flood);
  assert(sent > 5000);
});

test("ClientConnection.watch() ends a handshake after the timeout, not before", () => {
  const run = begun({ timeout: 3000 });
  run.watch(5);
  run.connect(false);
  run.watch(20);
  assertEquals([run.connection.state, run.told()], ["connecting", []]);
  run.watch(1);
  assertEquals([run.connection.state, run.told()], ["waiting", []]);
  assertEquals(run.socket().closed, [undefined]);
  run.connect(false);
  run.watch(20); // from its own beginning
  run.socket().open();
  run.watch(19);
  assertEquals(run.connection.state, "open");
});

test("ClientConnection.watch() ends a connection whose oldest request waits for the timeout", () => {
  const run = begun({ timeout: 500, window: 2 });
  run.connect();
  run.watch(20);
  run.answer(1); // the oldest is another now
  run.told();
  run.watch(20);
  assertEquals(run.told(), []);
  run.watch(1);
  assertEquals(run.told(), [["break", "no answer for 0.5 s", 2]]);
  assertEquals(run.connection.state, "waiting");
  const { lost } = run.requests.takeReturned()!;
  assertEquals([lost, run.requests.takeReturned()!.lost], [true, true]);
  assertEquals(run.counters.resends, 0);
  run.connection.drop();
  assertEquals(run.socket().closed, [undefined]); // once
});

test("ClientConnection.watch() calls a request lost on each connection that is silent", () => {
  const run = begun({ window: 1 });
  for (let times = 0; times < 2; times++) {
    run.connect(); // before the next tick
    run.watch(21);
    const back = run.requests.takeReturned()!;
    assertEquals([back.index, back.lost], [0, true]);
    run.requests.giveBack([{ ...back, lost: false }]);
  }
});

test("ClientConnection.watch() ends none that waits for nothing", () => {
  const run = begun({ count: 1 });
  run.connect();
  run.watch(10);
  run.answer(1);
  run.told();
  run.watch(100);
  assertEquals([run.connection.state, run.told()], ["open", []]);
});

test("ClientConnection.watch() calls lost what has waited that long, and no other", () => {
  const run = begun({ window: 2, count: 3 });
  run.connect();
  run.watch(10);
  run.answer(2); // request 1 is the oldest still
  assertEquals(run.socket().sent, messages(1, 3));
  run.watch(10);
  run.told();
  run.watch(1);
  assertEquals(run.told(), [["break", "no answer for 1 s", 2]]);
  const back = [run.requests.takeReturned()!, run.requests.takeReturned()!];
  assertEquals(back.map(({ index, lost }) => [index, lost]), [
    ...[[0, true], [2, false]],
  ]);
});

test("ClientConnection.watch() gives up where something comes that answers nothing", () => {
  const run = begun();
  run.connect();
  run.socket().receive("welcome");
  run.told();
  run.watch(21);
  const reason = "no answer for 1 s, but something that is none";
  assertEquals(run.told(), [
    ["break", reason, 8],
    ["gone", `ws://host/: ${reason}`],
  ]);
  assertEquals(run.requests.takeReturned()!.lost, true);
  const answered = begun();
  answered.connect();
  answered.answer(1);
  answered.socket().receive("welcome");
  answered.watch(22);
  assertEquals(answered.connection.state, "waiting"); // tries again
});

test("ClientConnection counts what breaks the protocol as invalid, and no other error", () => {
  const counted = (error: string) => {
    const run = begun();
    run.connect();
    run.socket().end(0, "", error);
    assertEquals(run.connection.state, "waiting");
    return run.counters.firstInvalid?.reason;
  };
  for (
    const error of [
      ...["Invalid UTF-8", "Reserved bits are not zero", "Frame too large"],
      ...["Control frame must not be fragmented", "Ping frame too large"],
    ]
  ) assertEquals(counted(error), `breaks the protocol: ${error}`);
  for (const error of ["", "Unexpected EOF", "an Invalid record"]) {
    assertEquals(counted(error), undefined);
  }
});

test("ClientConnection drops at the end of a peer where all are answered", () => {
  const run = begun({ count: 1 });
  run.connect();
  run.answer(1);
  run.told();
  run.socket().end(1001);
  assertEquals([run.told(), run.counters.invalid], [[["gone", undefined]], 0]);
  const bad = begun({ count: 1 });
  bad.connect();
  bad.answer(1);
  bad.told();
  bad.socket().end(0, "", "Invalid UTF-8");
  assertEquals([bad.told(), bad.counters.invalid], [[["gone", undefined]], 1]);
});

test("ClientConnection tells of TLS where a handshake may have failed for it", () => {
  const ended = (url: string) => {
    const run = begun({ url, retries: 0 });
    run.connect(false);
    const error = "failed to connect to WebSocket: Invalid status code: 400";
    run.socket().end(0, "", error);
    return (run.told().at(-1) as string[])[1];
  };
  assertMatch(ended("ws://host/"), /use wss:\/\/$/);
  assertEquals(/use wss/.test(ended("wss://host/")), false);
});

test("ClientConnection takes an error without a message", () => {
  const run = begun();
  run.connect();
  run.told();
  assertEquals(run.socket().fail(), true);
  run.socket().end(0);
  const [[, reason]] = run.told() as string[][];
  assertEquals(reason, "connection lost (1006, no close frame)");
});

test("ClientConnection gives up where a peer holds sockets that were closed", () => {
  const hanging = (ends: boolean) => {
    const run = begun({ retries: 100 });
    let silent = 0;
    run.connect();
    for (; run.connection.state !== "gone" && silent < 50; silent++) {
      if (silent > 0) run.connect();
      run.watch(21);
      if (ends) run.sockets.at(-1)!.end(1006);
    }
    return { silent, reason: (run.told().at(-1) as string[])[1] };
  };
  const { silent, reason } = hanging(false);
  assert(silent > 8 && silent < 32);
  assertMatch(reason, /no answer for 1 s; it has not ended \d+ connections/);
  const [, told] = /ended (\d+)/.exec(reason)!;
  assertEquals(silent, Number(told));
  assertEquals(hanging(true).silent, 50); // it went on

  // A handshake that is given up holds none.
  const opening = begun({ retries: 100 });
  opening.connect(false);
  for (let i = 0; i < 50; i++) {
    opening.watch(21);
    opening.connect(false);
  }
  assertEquals(opening.connection.state, "connecting");
});
