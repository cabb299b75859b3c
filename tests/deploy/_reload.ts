/**
 * The test that a proxy takes its file anew while it is in use.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { eventually, type Test } from "../../harness/helpers.ts";
import { RawSocket } from "../../harness/sockets.ts";
import { load, type Proxy, type Running, withProxy } from "./_proxy.ts";

const CONNECTIONS = 50;

/** How often it is reloaded, at least: until a run has met what a reload does. */
const RELOADS = 4;

/** So many requests are answered between one reload and the next. */
const REQUESTS = 10_000;

/** Defines the test. */
export function testReload(proxy: Proxy, test: Test): void {
  const { name, reloadCuts } = proxy;
  test(`${name} is reloaded under load, and every request is answered`, () =>
    withProxy(proxy, async (running) => {
      let enough = false;
      let reconnects = 0;
      const runs = (async () => {
        while (!enough) {
          const { port } = running;
          const { code, stdout, stderr } = await load(
            port,
            "100k",
            CONNECTIONS,
          );
          assertEquals(code, 0, stderr);
          const report = JSON.parse(stdout);
          assertEquals([report.answered, report.lost], [100_000, 0]);
          reconnects += report.reconnects;
        }
      })();
      const reloads = (async () => {
        const met = () => !reloadCuts || reconnects > 0;
        for (let i = 0; i < RELOADS || !met(); i++) {
          await reloadInUse(running, i % 2 === 0);
        }
      })().finally(() => enough = true);
      await Promise.all([runs, reloads]);
      if (!reloadCuts) assertEquals(reconnects, 0);
    }));
}

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
