// Why a handshake fails, with servers of Node's own: over TLS, Deno tells only that
// HTTP/2 failed, too.

import { assertEquals, assertMatch } from "@std/assert";
import { missing, Process, ROOT, runClient } from "../../harness/process.ts";
import { testIf } from "../../harness/helpers.ts";
import { certificateFor } from "./_certificates.ts";

const test = testIf(
  !missing("openssl", "version") && !missing("node", "--version"),
);

/** Runs a server of Node's own; `use` gets its port. */
async function withNode(
  kind: "http" | "https" | "http2",
  files: string[],
  use: (port: string) => Promise<void>,
): Promise<void> {
  const script = `${ROOT}tests/client/_node_server.mjs`;
  await using server = new Process(["node", script, kind, ...files]);
  const [, port] = await server.until(/^(\d+)\n/);
  await use(port);
}

/** What the client says of a handshake for which no retry is worth it. */
async function failure(...args: string[]): Promise<string> {
  // They would take longer than a test may.
  const { code, stderr } = await runClient(...args, "--retries=1m");
  assertEquals(code, 1, stderr);
  return stderr.replace(/^ws-random: \S+: /, "").trimEnd();
}

async function withFolder(use: (folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

test("the client tells what is wrong with a certificate when the server has only HTTP/1.1", () =>
  withFolder(async (folder) => {
    const cases = [
      ["localhost", 2, /^its certificate is from an unknown authority/, false],
      ["localhost", -1, /^its certificate has expired$/, true],
      ["other.example", 2, /^its certificate is for another host$/, true],
    ] as const;
    for (const [host, days, message, trusted] of cases) {
      const { cert, key } = await certificateFor(folder, host, days);
      await withNode("https", [cert, key], async (port) => {
        const ca = trusted ? ["--ca", cert] : [];
        assertMatch(
          await failure(`wss://localhost:${port}/404`, ...ca),
          message,
        );
      });
    }
  }));

test("the client tells over TLS with which status a handshake was refused, and tries again after 503", () =>
  withFolder(async (folder) => {
    const { cert, key } = await certificateFor(folder, "localhost");
    await withNode("https", [cert, key], async (port) => {
      const url = `wss://localhost:${port}`;
      assertMatch(
        await failure(`${url}/404`, "--ca", cert),
        /^handshake refused with 404 Not Found/,
      );
      const busy = await runClient(`${url}/503`, "--ca", cert, "--retries=1");
      assertMatch(
        busy.stderr,
        /^ws-random: cannot reach \S+: handshake refused with 503 Service Unavailable\n$/,
      );
    });
  }));

test("the client gives up at once when the server speaks only HTTP/2", () =>
  withFolder(async (folder) => {
    const { cert, key } = await certificateFor(folder, "localhost");
    await withNode("http2", [cert, key], async (port) => {
      assertEquals(
        await failure(`wss://localhost:${port}/`, "--ca", cert),
        "its TLS does not offer HTTP/1.1",
      );
    });
  }));

test("the client names the final URL when the handshake is redirected", () =>
  withNode("http", [], async (port) => {
    assertEquals(
      await failure(`ws://localhost:${port}/301`),
      "handshake refused with 301 Moved Permanently; it redirects to " +
        "https://example.com/ws?token=***: give wss://example.com/ws?token=***",
    );
  }));

test("the client says what it is that Deno does not take when a server answers with Connection: keep-alive, Upgrade", () =>
  withNode("http", [], async (port) => {
    assertMatch(
      await failure(`ws://localhost:${port}/101`),
      /^its answer has another Connection header than "Upgrade"/,
    );
  }));
