// A rolling restart behind a load balancer that looks at /readyz and knows no retry.

import { setTimeout as delay } from "node:timers/promises";
import { assert, assertEquals } from "@std/assert";
import { type Process, serverProcess } from "../../harness/process.ts";
import { frame, HANDSHAKE, RawSocket } from "../../harness/sockets.ts";
import { eventually, test, TEXT } from "../../harness/helpers.ts";

/** From one check of a server to the next, in milliseconds. */
const CHECK_MS = 100;

/** From one new connection to the next, in milliseconds: more than ten in the time of
 * a check. */
const PAUSE_MS = 5;

/** Thirty checks, so that each server is seen to be not ready while it listens, on a
 * busy machine, too. */
const DRAIN_DELAY = "--drain-delay=3s";

/** A load balancer of TCP connections: each goes to the next server that was ready at
 * the last check. A connection that this server does not take is lost. */
class Balancer implements AsyncDisposable {
  #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  #ready = new Set<number>();
  #next = 0;
  #stopped = false;
  #running: Promise<unknown>;

  constructor(readonly ports: number[]) {
    this.#running = Promise.all([this.#accept(), ...ports.map(this.#check)]);
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  isReady(port: number): boolean {
    return this.#ready.has(port);
  }

  #check = async (port: number): Promise<void> => {
    while (!this.#stopped) {
      const ready = await readyz(port);
      if (ready) this.#ready.add(port);
      else this.#ready.delete(port);
      await delay(CHECK_MS);
    }
  };

  async #accept(): Promise<void> {
    const open: Promise<void>[] = [];
    for await (const client of this.#listener) {
      const ready = [...this.#ready];
      open.push(join(client, ready[this.#next++ % ready.length]));
    }
    await Promise.all(open);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    this.#listener.close();
    await this.#running;
  }
}

async function readyz(port: number): Promise<boolean> {
  using socket = await RawSocket.connect(port).catch(() => undefined);
  const response = await socket?.request("GET /readyz", { Host: "a" })
    .catch(() => undefined);
  return response?.status === 200;
}

async function join(client: Deno.Conn, port: number): Promise<void> {
  const hostname = "127.0.0.1";
  const server = await Deno.connect({ hostname, port }).catch(() => undefined);
  if (!server) return client.close();
  await Promise.allSettled([
    client.readable.pipeTo(server.writable),
    server.readable.pipeTo(client.writable),
  ]);
}

/** Whether a new connection is answered. */
async function isAnswered(port: number): Promise<boolean> {
  using socket = await RawSocket.connect(port);
  const { status } = await socket.request("GET /ws", HANDSHAKE);
  await socket.write(frame(TEXT, "a"));
  return status === 101 && (await socket.frame())?.opcode === TEXT;
}

test("--drain-delay: a rolling restart loses no handshake", async () => {
  const servers = await Promise.all(
    [1, 2].map(() => serverProcess(DRAIN_DELAY)),
  );
  await using stack = new AsyncDisposableStack();
  for (const each of servers) stack.defer(() => dispose(each));
  const balancer = stack.use(new Balancer(servers.map(({ port }) => port)));
  const isReady = ({ port }: { port: number }) => balancer.isReady(port);
  await eventually(() => servers.every(isReady));

  let done = false;
  let answered = 0;
  const lost: unknown[] = [];
  const load = (async () => {
    while (!done) {
      const result = await isAnswered(balancer.port).catch((error) => error);
      if (result === true) answered++;
      else lost.push(result);
      await delay(PAUSE_MS);
    }
  })();
  for (const each of servers) {
    each.server.kill("SIGTERM");
    await eventually(() => !isReady(each));
    assertEquals(await each.server.end(), 0);
    const { server } = await serverProcess(DRAIN_DELAY, `--port=${each.port}`);
    each.server = server;
    await eventually(() => isReady(each));
  }
  done = true;
  await load;
  assertEquals(lost, []);
  assert(answered > 20, `${answered}`);
});

async function dispose(each: { server: Process }): Promise<void> {
  await each.server[Symbol.asyncDispose]();
}
