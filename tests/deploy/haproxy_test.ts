import { assertEquals } from "@std/assert";
import { ROOT, run } from "../../harness/process.ts";
import { encode, HANDSHAKE, RawSocket } from "../../harness/sockets.ts";
import { eventually, next } from "../../harness/helpers.ts";
import { testProxy, testSilence } from "./_every_proxy.ts";
import {
  load,
  longTestOf,
  type Proxy,
  testOf,
  withProxy,
  withServerAt,
} from "./_proxy.ts";
import { testUnderLoad } from "./_load.ts";

const test = testOf("haproxy");
const longTest = longTestOf("haproxy");

const command = (
  folder: string,
) => ["haproxy", "-db", "-f", `${folder}/haproxy.cfg`];

const HAPROXY: Proxy = {
  name: "HAProxy",
  file: "haproxy.cfg",
  command: (folder) => ({
    command: command(folder),
  }),
  // It tells the old process to go on with what it has, and no more.
  reload: (folder, pid) => ({ start: [...command(folder), "-sf", `${pid}`] }),
  reloadCuts: false,
  async withTls(config, cert, key) {
    const both = `${cert}.both`;
    const pem = await Deno.readTextFile(cert) + await Deno.readTextFile(key);
    await Deno.writeTextFile(both, pem);
    return config
      .replace(/^ +bind 127.0.0.1:8000\n/m, "")
      .replace("#bind", "bind")
      .replace("/etc/haproxy/ws-random.pem", both);
  },
  refusals: 0,
};

testProxy(HAPROXY, test);
testSilence(HAPROXY, longTest);
testUnderLoad(HAPROXY, longTest);

test("HAProxy keeps the connections of a server that stands still until its checks fail", () =>
  withProxy(HAPROXY, async ({ port, servers }) => {
    const run = load(port, 30_000, "-c100");
    const { server } = servers[0];
    await eventually(() => hasAnswered(servers[0].port, 2000));
    server.kill("SIGSTOP");
    await eventually(() => isDown(port, "one"));
    server.kill("SIGCONT");
    const { code, stdout, stderr } = await run;
    assertEquals(code, 0, stderr);
    assertEquals(JSON.parse(stdout).reconnects, 0);
  }, {
    change: (config) =>
      config.replace("timeout check 5s", "timeout check 500ms")
        .replace("fall 3", "fall 1"),
  }));

test("HAProxy can limit the connections of one address", () =>
  withProxy(HAPROXY, async ({ port }) => {
    const open: WebSocket[] = [];
    await eventually(async () => { // the connection of before counts for a while
      const socket = await opened(port);
      return socket !== undefined && open.push(socket) === 2;
    });
    assertEquals(await opened(port), undefined);
    for (const socket of open) {
      socket.close();
      await next(socket, "close");
    }
  }, {
    change: (config) =>
      config.replace(/#(?=stick-table|tcp-request)/g, "")
        .replace("gt 100", "gt 2"),
  }));

test("HAProxy sends a request that a server took to no other", async () => {
  let taken = 0;
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const cutOff = async (connection: Deno.Conn) => {
    using socket = new RawSocket(connection);
    const head = await socket.head();
    if (head.startsWith("GET /ws ")) taken++;
    else await socket.write(encode("HTTP/1.0 200 OK\r\n\r\n")); // a check
  };
  const serving = (async () => {
    for await (const connection of listener) cutOff(connection).catch(() => {});
  })();
  const { port } = listener.addr;
  const change = withServerAt(port);
  await withProxy(HAPROXY, async ({ port }) => {
    using socket = await RawSocket.connect(port);
    const { status } = await socket.request("GET /ws", HANDSHAKE);
    assertEquals([status, taken], [502, 1]);
  }, { change });
  listener.close();
  await serving;
});

test("HAProxy speaks no HTTP/2 in cleartext", () =>
  withProxy(HAPROXY, async ({ port }) => {
    using socket = await RawSocket.connect(port);
    await socket.write(encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    assertEquals(await socket.read(8), encode("HTTP/1.1"));
  }));

test("what follows HAProxy's global section fits into Debian's own file", async () => {
  const own = await Deno.readTextFile("/etc/haproxy/haproxy.cfg");
  const shipped = await Deno.readTextFile(`${ROOT}deploy/haproxy.cfg`);
  const [global] = own.split(/^defaults$/m);
  const rest = shipped.slice(shipped.search(/^defaults$/m));
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(file, global + rest);
  const { code, stderr } = await run(["haproxy", "-c", "-f", file]);
  await Deno.remove(file);
  assertEquals(code, 0, stderr);
});

/** A WebSocket, or `undefined` if the connection is cut off. */
function opened(port: number): Promise<WebSocket | undefined> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`);
  return new Promise((resolve) => {
    socket.onopen = () => resolve(socket);
    socket.onclose = () => resolve(undefined);
    socket.onerror = (event) => event.preventDefault();
  });
}

/** Whether a server has answered this many requests. */
async function hasAnswered(port: number, count: number): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  const text = await response.text();
  return Number(/^ws_random_requests_total (\d+)/m.exec(text)?.[1]) >= count;
}

/** Whether HAProxy's checks have found a server to be down: field 18 of its
 * statistics. */
async function isDown(port: number, name: string): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${port}/haproxy;csv`);
  return (await response.text()).split("\n").map((row) => row.split(","))
    .some((row) => row[1] === name && row[17].startsWith("DOWN"));
}
