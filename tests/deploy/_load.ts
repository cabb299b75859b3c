/**
 * The tests of a proxy under load: its servers are restarted, and it takes its file
 * anew. Every request is answered.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { eventually, type Test } from "../../harness/helpers.ts";
import { serverProcess } from "../../harness/process.ts";
import { RawSocket } from "../../harness/sockets.ts";
import { load, type Proxy, type Running, withProxy } from "./_proxy.ts";

/** Of each run: it takes three seconds, and what is done meanwhile mostly less. */
const COUNT = 6000;
const RATE = 2000;
const CONNECTIONS = 100;

/** Defines them for one proxy. */
export function testUnderLoad(proxy: Proxy, test: Test): void {
  const { name, reloadCuts } = proxy;
  test(`both servers behind ${name} restart under load, and every request is answered`, () =>
    withProxy(proxy, async (running) => {
      const restarts = async () => {
        for (const entry of running.servers) await restart(running.port, entry);
      };
      await untilMet(() => underLoad(running.port, restarts));
    }, { serverArgs: [SHORT_DRAIN] }));

  test(`${name} is reloaded under load, and every request is answered`, () =>
    withProxy(proxy, async (running) => {
      const reloads = async () => {
        for (let i = 0; i < RELOADS; i++) {
          await reloadInUse(running, i % 2 === 0);
        }
      };
      const reloaded = () => underLoad(running.port, reloads);
      if (reloadCuts) await untilMet(reloaded);
      else assertEquals(await reloaded(), 0);
    }));
}

/** Lets one run of the client follow another while this goes on, each of which must
 * have all its answers. Returns how often they had to reconnect. */
async function underLoad(
  port: number,
  during: () => Promise<void>,
): Promise<number> {
  let over = false;
  let reconnects = 0;
  const runs = async () => {
    while (!over) {
      const args = [`-c${CONNECTIONS}`, `--rate=${RATE}`];
      const { code, stdout, stderr } = await load(port, COUNT, ...args);
      assertEquals(code, 0, stderr);
      const report = JSON.parse(stdout);
      assertEquals([report.answered, report.missing], [COUNT, 0]);
      reconnects += report.reconnects;
    }
  };
  await Promise.all([runs(), during().finally(() => over = true)]);
  return reconnects;
}

/** A run may be over before its connections are cut: then all is done once more, this
 * often at the most. */
const ROUNDS = 10;

async function untilMet(round: () => Promise<number>): Promise<void> {
  for (let rounds = 0; await round() === 0; rounds++) {
    assert(rounds < ROUNDS, "no connection was cut");
  }
}

/** Half a second for those that go on asking. */
const SHORT_DRAIN = "--grace=1";

/** Restarts a server whose load comes by way of the proxy, until it comes again. */
async function restart(
  port: number,
  entry: Running["servers"][number],
): Promise<void> {
  await eventually(() => serves(entry.port));
  entry.server.kill("SIGTERM");
  assertEquals(await entry.server.end(), 0);
  const { server } = await serverProcess(`--port=${entry.port}`, SHORT_DRAIN);
  entry.server = server;
  // Or the other one would shut down before the proxy knows of this one.
  await eventually(async () => {
    using _ = await RawSocket.open(port).catch(() => undefined);
    return await serves(entry.port);
  });
}

/** Whether a server has an open connection. */
async function serves(port: number): Promise<boolean> {
  const url = `http://127.0.0.1:${port}/healthz`;
  const health = await fetch(url).then((response) => response.json())
    .catch(() => ({ connections: 0 })); // the connection kept open from before
  return health.connections > 0;
}

/** How often it is reloaded in a run. */
const RELOADS = 4;

/** So many requests are answered between one reload and the next. */
const REQUESTS = 500;

/** Reloads it when all connections are open and in use, and waits until it goes by the
 * new file, in which the metrics are hidden from this machine or not. */
async function reloadInUse(
  { port, servers, reload }: Running,
  hidden: boolean,
): Promise<void> {
  const total = async (name: string) => {
    const values = await Promise.all(
      servers.map(({ port }) => metric(port, name)),
    );
    return values[0] + values[1];
  };
  const before = await total("ws_random_requests_total");
  await eventually(async () =>
    await total("ws_random_connections_open") >= CONNECTIONS &&
    await total("ws_random_requests_total") >= before + REQUESTS
  );
  await reload((config) =>
    hidden ? config.replace("127.0.0.0/8", "198.51.100.0/24") : config
  );
  await eventually(async () =>
    await status(port, "/metrics") === (hidden ? 403 : 200)
  );
}

async function metric(port: number, name: string): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  const line = new RegExp(`^${name} (\\d+)$`, "m");
  return Number(line.exec(await response.text())![1]);
}

/** What a request by a connection of its own is answered with, if it is: HAProxy's old
 * process does not accept what has reached it at its end. */
async function status(port: number, path: string): Promise<number | undefined> {
  using socket = await RawSocket.connect(port);
  const headers = { Host: `127.0.0.1:${port}` };
  const response = await socket.request(`GET ${path}`, headers)
    .catch(() => undefined);
  return response?.status;
}
