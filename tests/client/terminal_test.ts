// The client at a terminal and in a pipe: Ctrl-C, writes that fail, the progress
// bar, and text from outside.

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  missing,
  Process,
  ROOT,
  run,
  runClient,
  task,
} from "../../harness/process.ts";
import { frame, RawSocket } from "../../harness/sockets.ts";
import { checkLines, withLiar } from "./_client.ts";
import {
  eventually,
  portOf,
  test,
  testIf,
  testOnLinux,
  TEXT,
  withServer,
} from "../../harness/helpers.ts";

test("isScreen() is true of a terminal that is not dumb, columns() its width", async () => {
  const script = `
    import { columns, isScreen } from "./lib/client/terminal.ts";
    const terminal = (is) => ({ isTerminal: () => is });
    const widths = [() => { throw new Error(); }, 0, 123].map((width) => {
      Deno.consoleSize = width.call ? width : () => ({ columns: width });
      return columns();
    });
    const both = () => [isScreen(terminal(true)), isScreen(terminal(false))];
    const granted = both();
    Deno.permissions.revokeSync({ name: "env" });
    console.log(JSON.stringify([granted, both(), widths]));
  `;
  const told = async (TERM: string) => {
    const command = [
      Deno.execPath(),
      "eval",
      "--no-check",
      "--no-lock",
      script,
    ];
    const { stdout, stderr } = await run(command, { env: { TERM } });
    return JSON.parse(stdout || stderr);
  };
  const [usual, dumb] = await Promise.all([told("xterm"), told("dumb")]);
  const widths = [80, 80, 123];
  assertEquals(usual, [[true, false], [true, false], widths]);
  assertEquals(dumb, [[false, false], [true, false], widths]); // it may not ask
});

test("Ctrl-C ends the client with the report so far and 130", () =>
  withServer({}, async (url) => {
    await using client = new Process([
      ...task("client"),
      url,
      ..."--count 1m --rate 1000".split(" "),
    ], { stderr: "piped" });
    await client.until(/^Message 100 /m);
    client.kill("SIGINT");
    const [code, stderr] = await Promise.all([client.end(), client.stderr()]);
    assertEquals(code, 130);
    const [, answered] = /\ninterrupted: (\d+) of 1000000 requests answered\n$/
      .exec(stderr)!;
    checkLines(client.stdout, Number(answered));
  }));

test("Ctrl-C that also ends the reader of its output does the same", () =>
  withServer({}, async (url) => {
    const [deno, ...args] = task("client");
    const client = new Deno.Command(deno, {
      args: [...args, url, "--rate=1000", "--count=1m"],
      cwd: ROOT,
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const reader = client.stdout.getReader();
    await reader.read();
    await reader.cancel(); // as `client | wc -l` does
    client.kill("SIGINT");
    const stderr = await new Response(client.stderr).text();
    assertEquals((await client.status).code, 130, stderr);
    assertMatch(stderr, /\ninterrupted: \d+ of 1000000 requests answered\n$/);
  }));

test("client | head -3 ends without a message", () =>
  withServer({}, async (url) => {
    const command = [...task("client"), url, "--count", "1m"].join(" ");
    const { code, stdout, stderr } = await run([
      "sh",
      "-c",
      `${command} | head -3`,
    ]);
    assertEquals([code, stderr], [0, ""]);
    assertMatch(stdout, /^Message 1 \d+\nMessage 2 \d+\nMessage 3 \d+\n$/);
  }));

testOnLinux(
  "the client draws a progress bar on a terminal and nowhere else",
  () =>
    withServer({}, async (url) => {
      const command = [...task("client"), url, "-q", "--rate=200", "-n50"].join(
        " ",
      );
      const terminal = await run(["script", "-qec", command, "/dev/null"]);
      assertEquals(terminal.code, 0, terminal.stdout);
      assertMatch(terminal.stdout, /[█░]{30} \d+\/50/);
      const plain = await runClient(url, "-q", "--rate=200", "-n50");
      assertEquals(/[█░]/.test(plain.stderr), false);
    }),
);

/** What an honest server does. */
const ANSWERS = (socket: WebSocket, request: string) =>
  socket.send(`${request} ${request.length % 100 + 1}`);

testOnLinux(
  "client > /dev/full says so in one line and exits 1",
  () =>
    withServer({}, async (url) => {
      for (const option of ["", "--json"]) {
        const command = [...task("client"), url, option].join(" ");
        const { code, stderr } = await run([
          "sh",
          "-c",
          `${command} > /dev/full`,
        ]);
        assertEquals(code, 1);
        assertMatch(
          stderr,
          /^ws-random: cannot write to stdout: No space left on device[^\n]*\n$/,
        );
      }
    }),
);

test("Ctrl-C while nobody reads stdout ends the client, with the report", () =>
  withServer({}, async (url, { metrics }) => {
    const command = new Deno.Command(task("client")[0], {
      args: [...task("client").slice(1), url, "--count=100m"],
      cwd: ROOT,
      env: { NO_COLOR: "1" },
      stdout: "piped",
      stderr: "piped",
    });
    const client = command.spawn();
    const reader = client.stdout.getReader();
    await reader.read();
    // It has filled the pipe and its buffer when it asks no more, while another
    // one is answered often.
    using other = await RawSocket.open(portOf(url));
    let others = 0;
    let before = -1;
    await eventually(async () => {
      const asked = metrics.requests - others;
      const asksNoMore = asked === before;
      before = asked;
      for (let i = 0; i < 500; i++, others++) {
        await other.write(frame(TEXT, "and I?"));
        await other.frame();
      }
      return asksNoMore;
    });
    client.kill("SIGINT");
    const [{ code }, stderr] = await Promise.all([
      client.status,
      new Response(client.stderr).text(),
    ]);
    await reader.cancel();
    assertEquals(code, 130);
    assertMatch(stderr, /\ninterrupted: \d+ of 100000000 requests answered\n$/);
  }));

test("Ctrl-C before a connection is open: the report, exit 130", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  await using client = new Process([
    ...task("client"),
    `ws://127.0.0.1:${port}/`,
  ], { stderr: "piped", env: { NO_COLOR: "1" } });
  using _connection = await listener.accept(); // which is never answered
  client.kill("SIGINT");
  const [code, stderr] = await Promise.all([client.end(), client.stderr()]);
  assertEquals(code, 130);
  assertMatch(stderr, /^in flight +0 at most on no connection,/m);
  assertMatch(stderr, /\ninterrupted: 0 of 10000 requests answered\n$/);
});

test("Ctrl-C while the output of a finished run is not read: exit 130", async () => {
  const closed = Promise.withResolvers<void>();
  await withLiar((socket, request) => {
    ANSWERS(socket, request);
    socket.onclose = () => closed.resolve();
  }, async (url) => {
    const command = new Deno.Command(task("client")[0], {
      args: [...task("client").slice(1), url],
      cwd: ROOT,
      env: { NO_COLOR: "1" },
      stdout: "piped", // more than a pipe holds, and less than is waited for
      stderr: "piped",
    });
    const client = command.spawn();
    await closed.promise; // the run is over
    client.kill("SIGINT");
    const [{ code }, stderr] = await Promise.all([
      client.status,
      new Response(client.stderr).text(),
    ]);
    await client.stdout.cancel();
    assertEquals(code, 130, stderr);
  });
});

test("one Ctrl-C that arrives twice ends the client in order", () =>
  withServer({}, async (url) => {
    const signals = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };
    for (const [signal, status] of Object.entries(signals)) {
      await using client = new Process([
        ...task("client"),
        url,
        ..."--count 1m --rate 1000".split(" "),
      ], { stderr: "piped", env: { NO_COLOR: "1" } });
      await client.until(/^Message 100 /m);
      client.kill(signal as Deno.Signal);
      client.kill(signal as Deno.Signal);
      const [code, stderr] = await Promise.all([client.end(), client.stderr()]);
      assertEquals(code, status);
      assertMatch(stderr, /\ninterrupted: \d+ of 1000000 requests answered\n$/);
    }
  }));

test("escape codes of the server's are shown, not obeyed", async () => {
  await withLiar(
    (socket) => socket.close(1008, "\x1b[2Jgone\n"),
    async (url) => {
      const { code, stderr } = await runClient(url);
      assertEquals(code, 1);
      assertMatch(stderr, /: \\x1b\[2Jgone\\x0a\n/);
      assert(!stderr.includes("\x1b"));
    },
  );
  await withLiar(
    (socket) => socket.send("\x1b[2J".padEnd(1_000_000)),
    async (url) => {
      const { stderr } = await runClient(url, "-n1", "--timeout=0.3");
      assertMatch(stderr, /^invalid +first: answers no request in flight,$/m);
      assert(!stderr.includes("\x1b") && stderr.length < 2000);
    },
  );
});

test("a password in the URL is not printed", async () => {
  await withLiar(ANSWERS, async (url) => {
    const secret = url.replace("//", "//me:secret@");
    const { code, stderr } = await runClient(secret, "-n1");
    assertEquals(code, 0);
    assertMatch(stderr, /^server +ws:\/\/me:\*\*\*@/m);
  });
  const { stderr } = await runClient(
    "ws://me:secret@127.0.0.1:1",
    "--retries=0",
  );
  assertMatch(stderr, /cannot reach ws:\/\/me:\*\*\*@127\.0\.0\.1:1\/: /);
});

testOnLinux(
  "a terminal of 20 columns has a bar of one line, a dumb one has none",
  () =>
    withServer({}, async (url) => {
      const client = [...task("client"), url, "-q", "--rate=200", "-n50"];
      const narrow = `stty cols 20; ${client.join(" ")}`;
      const terminal = await run(["script", "-qec", narrow, "/dev/null"]);
      assertEquals(terminal.code, 0, terminal.stdout);
      const bars = terminal.stdout.split("\r\x1b[K").slice(1, -1);
      assert(bars.length > 0);
      for (const bar of bars) assert(bar.length < 20 && !/\n/.test(bar), bar);
      const dumb = await run(
        ["script", "-qec", client.join(" "), "/dev/null"],
        {
          env: { TERM: "dumb" },
        },
      );
      assert(!dumb.stdout.includes("\x1b"), dumb.stdout);
    }),
);

testOnLinux("the progress bar says when it connects", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `ws://127.0.0.1:${listener.addr.port}/`;
  const command = [...task("client"), url, "--timeout=0.5", "--retries=0"];
  const { code, stdout } = await run(
    ["script", "-qec", [...command, "-q"].join(" "), "/dev/null"],
  );
  assertEquals(code, 1);
  assertMatch(stdout, /0\/10000 {2}connecting…/);
});

/** Runs a command whose stderr is a terminal that is full and does not block, and reads
 * that terminal when all lines of stdout have come. Prints the exit status and what
 * the terminal got. */
const FULL_TERMINAL = `
import fcntl, os, pty, subprocess, sys
main, terminal = pty.openpty()
fcntl.fcntl(terminal, fcntl.F_SETFL, os.O_NONBLOCK)
try:
    while True:
        os.write(terminal, b"x")
except BlockingIOError:
    pass
lines, command = int(sys.argv[1]), sys.argv[2:]
client = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=terminal)
os.close(terminal)
for _ in range(lines):
    client.stdout.readline()
text = b""
try:
    while piece := os.read(main, 65536):
        text += piece
except OSError:
    pass  # the other end is closed
print(client.wait(), text.decode(errors="replace").lstrip("x"))
`;

testIf(!missing("python3", "--version"))(
  "a terminal that takes nothing more does not end the client",
  () =>
    withServer({}, async (url) => {
      const command = [...task("client"), url, "--rate=100", "-n50"];
      const script = ["python3", "-c", FULL_TERMINAL, "50", ...command];
      const { stdout, stderr } = await run(script);
      assertMatch(stdout, /^0 /, stderr);
      assertMatch(stdout, /50 of 50 requests answered exactly once/);
    }),
);
