// Servers of others, of other protocols than ours, as their documentation starts
// them: each answers what --expect says, or the client tells that it does not.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { missing, Process, runClient } from "../../harness/process.ts";
import { test, testIf } from "../../harness/helpers.ts";
import { report } from "./_client.ts";

const PYTHON = "/usr/bin/python3"; // Debian's own, for Debian's package
const testWithPython = testIf(!missing(PYTHON, "-c", "import websockets"));

/** The echo server of the documentation of Python's websockets. */
const PYTHON_ECHO = `
import asyncio
import websockets

async def echo(websocket):
    async for message in websocket:
        await websocket.send(message)

async def main():
    async with websockets.serve(echo, "127.0.0.1", 0) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()

asyncio.run(main())
`;

testWithPython("Python's echo server is proven by --expect echo", async () => {
  await using server = new Process([PYTHON, "-c", PYTHON_ECHO]);
  const [, port] = await server.until(/^(\d+)\n/);
  const url = `ws://127.0.0.1:${port}/`;
  const { code, stdout, stderr } = await runClient(url, "--expect=echo");
  assertEquals(code, 0, stderr);
  assertEquals(stdout.split("\n").length, 10_001);
  assertMatch(stderr, /\n10000 of 10000 requests answered exactly once\n$/);
  assert(!/^numbers/m.test(stderr), stderr);

  const unasked = await runClient(url);
  assertEquals(unasked.code, 1);
  assertMatch(unasked.stderr, /it echoes; to test that, write --expect echo\n/);
});

/** A server of npm's `ws` that answers each message in its own time. */
async function withWs(
  answer: (text: string, send: (text: string) => void, nth: number) => void,
  use: (url: string) => Promise<void>,
): Promise<void> {
  const { WebSocketServer } = await import("npm:ws@8.23.0");
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  // deno-lint-ignore no-explicit-any -- ws has no types
  server.on("connection", (socket: any) => {
    let nth = 0;
    const send = (text: string) => socket.send(text);
    socket.on(
      "message",
      (data: Uint8Array) => answer(String(data), send, nth++),
    );
  });
  await new Promise((resolve) => server.on("listening", resolve));
  await use(`ws://127.0.0.1:${server.address().port}`);
  await new Promise((resolve) => server.close(resolve));
}

/** Answers in pairs, the younger one first. */
function swapping() {
  let held: string | undefined;
  return (text: string, send: (text: string) => void) => {
    if (held === undefined) held = text;
    else {
      send(text);
      send(held);
      held = undefined;
    }
  };
}

test("a server that answers out of order is proven by --unordered", () =>
  withWs(swapping(), async (url) => {
    const args = [url, "--expect=echo", "--count=1000"];
    const unordered = await report(...args, "--unordered");
    assertEquals([unordered.code, unordered.answered], [0, 1000]);
    assertEquals([unordered.overtaken, unordered.lost], [0, 0]);

    const ordered = await report(...args);
    assertEquals([ordered.code, ordered.answered], [1, 1000]);
    assertEquals(ordered.overtaken, 500);
  }));

test("what is missing from an --unordered server is lost", () =>
  withWs(
    (text, send) => {
      if (text !== "Message 7") send(text);
    },
    async (url) => {
      const { code, lostRequests, answered } = await report(
        ...[url, "--expect=echo", "--count=20", "--unordered"],
        ...["--timeout=300ms", "--retries=1"],
      );
      assertEquals([code, answered], [1, 19]);
      assertEquals(lostRequests, [[7, 7]]);
    },
  ));

test("a response that --expect does not allow is invalid", () =>
  withWs(
    (text, send, nth) => send(nth === 3 ? `${text}x` : `${text}.`),
    async (url) => {
      const { code, invalid, firstInvalid } = await report(
        ...[url, "--expect={request}.", "--count=10", "--window=1"],
        ...["--timeout=300ms", "--retries=0"],
      );
      assertEquals([code, invalid], [1, 1]);
      assertEquals(firstInvalid, {
        request: null,
        reason: "not what --expect says, to no request in flight",
        response: "Message 4x",
      });
    },
  ));

test("a JSON-RPC server is proven by the id of its responses", async () => {
  const { JSONRPCServer } = await import("npm:json-rpc-2.0@1.8.1");
  const server = new JSONRPCServer();
  server.addMethod("sum", ([a, b]: [number, number]) => a + b);
  await withWs(
    (text, send) =>
      void server.receiveJSON(text).then((response) =>
        send(JSON.stringify(response))
      ),
    async (url) => {
      const { code, answered, numbers } = await report(
        url,
        '--message={"jsonrpc":"2.0","method":"sum","params":[1,2],"id":{i}}',
        '--expect={*}"id":{i},{*}"result":3}',
        "--count=2000",
      );
      assertEquals([code, answered, numbers.mean], [0, 2000, null]);
    },
  );
});
