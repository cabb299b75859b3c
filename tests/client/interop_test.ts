// With other people's software: npm's ws and Debian's python3-websockets, as
// client of our server and as server under our client.

import { assert, assertEquals } from "@std/assert";
import {
  missing,
  Process,
  ROOT,
  run,
  runClient,
} from "../../harness/process.ts";
import { next, test, testIf, withServer } from "../../harness/helpers.ts";
import { parseResponse } from "../../static/proof.js";

const COUNT = 2000;
const PYTHON = "/usr/bin/python3"; // Debian's own, for Debian's package
const testWithPython = testIf(!missing(PYTHON, "-c", "import websockets"));

async function checkClient(url: string): Promise<void> {
  for (const args of [["-n", `${COUNT}`], ["-n", `${COUNT}`, "-c", "20"]]) {
    const { code, stderr } = await runClient(url, "-q", ...args);
    assertEquals(code, 0, stderr);
    assert(
      stderr.endsWith(`${COUNT} of ${COUNT} requests answered exactly once\n`),
      stderr,
    );
  }
}

test("ws is answered by our server", () =>
  withServer({}, async (url) => {
    const { default: WebSocket } = await import("npm:ws@8.23.0");
    const socket = new WebSocket(url);
    await next(socket, "open");
    let received = 0;
    const all = new Promise<void>((resolve) => {
      socket.on("message", (data: Uint8Array) => {
        const response = new TextDecoder().decode(data);
        assert(parseResponse(`Message ${++received}`, response), response);
        if (received === COUNT) resolve();
      });
    });
    for (let i = 1; i <= COUNT; i++) socket.send(`Message ${i}`);
    await all;
    socket.close(1000);
    await next(socket, "close");
  }));

test("ws answers our client", async () => {
  const { WebSocketServer } = await import("npm:ws@8.23.0");
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  // deno-lint-ignore no-explicit-any -- ws has no types
  server.on("connection", (socket: any) => {
    let nth = 0;
    socket.on(
      "message",
      (data: Uint8Array) => socket.send(`${data} ${nth++ % 100 + 1}`),
    );
  });
  await new Promise((resolve) => server.on("listening", resolve));
  await checkClient(`ws://127.0.0.1:${server.address().port}`);
  await new Promise((resolve) => server.close(resolve));
});

testWithPython(
  "Python websockets is answered by our server",
  () =>
    withServer({}, async (url) => {
      const script = `${ROOT}bench/peers/client.py`;
      const { code, stdout, stderr } = await run([
        PYTHON,
        script,
        url,
        `${COUNT}`,
      ]);
      assertEquals(code, 0, stderr);
      const lines = stdout.trimEnd().split("\n");
      assertEquals(lines.length, COUNT);
      lines.forEach((line, i) =>
        assert(parseResponse(`Message ${i + 1}`, line), line)
      );
    }),
);

testWithPython("Python websockets answers our client", async () => {
  await using server = new Process([PYTHON, `${ROOT}bench/peers/server.py`]);
  const [, authority] = await server.until(/^http:(\S+)\n/);
  await checkClient(`ws:${authority}`);
});
