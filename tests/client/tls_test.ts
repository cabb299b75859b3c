// TLS, and what a handshake says: --ca, --header, and errors in plain words.

import { assertEquals, assertMatch } from "@std/assert";
import { makeCertificate, missing, runClient } from "../../harness/process.ts";
import { testIf } from "../../harness/helpers.ts";

const test = testIf(!missing("openssl", "version"));

/** A server that answers each request, and keeps the headers of its handshakes. */
function answering(tls: { cert?: string; key?: string } = {}) {
  const handshakes: Headers[] = [];
  const server = Deno.serve(
    {
      hostname: "127.0.0.1",
      port: 0,
      onListen() {},
      ...tls as { cert: string; key: string },
    },
    (request) => {
      handshakes.push(new Headers(request.headers));
      const { socket, response } = Deno.upgradeWebSocket(request);
      socket.onmessage = ({ data }) => socket.send(`${data} 7`);
      socket.onerror = (event) => event.preventDefault();
      return response;
    },
  );
  return { server, handshakes, port: server.addr.port };
}

test("--ca makes the client trust a private authority, and without it the client says so at once", async () => {
  const folder = await Deno.makeTempDir();
  const { cert, key } = await makeCertificate(folder);
  const { server, port } = answering({
    cert: await Deno.readTextFile(cert),
    key: await Deno.readTextFile(key),
  });
  const url = `wss://localhost:${port}/`;
  const trusted = await runClient(url, "-n5", "--ca", cert);
  assertEquals(trusted.code, 0, trusted.stderr);
  // No retries: they would take longer than a test may.
  const untrusted = await runClient(url, "-n5", "--retries=1m");
  assertEquals(untrusted.code, 1);
  assertMatch(
    untrusted.stderr,
    /^ws-random: wss:\S+: its certificate is from an unknown authority; see --ca\n$/,
  );
  const plain = await runClient(`ws://localhost:${port}/`, "--retries=1m");
  assertMatch(
    plain.stderr,
    /does not speak HTTP; if that is a TLS port, use wss:/,
  );
  for (
    const [file, message] of [
      ["/nothing", /No such file/],
      ["/dev/zero", /no file of at most 1 MB/],
      [key, /no certificate/],
    ] as const
  ) {
    const { code, stderr } = await runClient(url, "--ca", file);
    assertEquals(code, 2);
    assertMatch(stderr, /^ws-random: --ca: cannot (?:read|use) [^\n]+\n$/);
    assertMatch(stderr, message);
  }
  await server.shutdown();
  await Deno.remove(folder, { recursive: true });
});

test("wss:// to a server without TLS: one line, no retries", async () => {
  const { server, port } = answering();
  const { code, stderr } = await runClient(
    `wss://localhost:${port}/`,
    "--retries=1m",
  );
  assertEquals(code, 1);
  assertMatch(
    stderr,
    /^ws-random: [^\n]+ does not speak TLS; use ws:\/\/ [^\n]+\n$/,
  );
  await server.shutdown();
});

test("--header goes with the handshake; a password in the URL does as Basic", async () => {
  const { server, handshakes, port } = answering();
  const host = `127.0.0.1:${port}/`;
  const args = [
    ...["--header", "Authorization: Bearer a:b", "--header=X-Empty:"],
    ...["--header=Cookie: a=1", "--header=cookie:b=2"],
  ];
  assertEquals((await runClient(`ws://${host}`, "-n1", ...args)).code, 0);
  assertEquals(handshakes[0].get("authorization"), "Bearer a:b");
  assertEquals(handshakes[0].get("x-empty"), "");
  assertEquals(handshakes[0].get("cookie"), "a=1; b=2");
  assertEquals(
    (await runClient(`ws://m%C3%A9:p%40ss@${host}`, "-n1")).code,
    0,
  );
  assertEquals(handshakes[1].get("authorization"), "Basic bcOpOnBAc3M=");
  await server.shutdown();
});
