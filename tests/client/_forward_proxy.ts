/**
 * A proxy for the tests: it resolves every name to this machine.
 *
 * @module
 */

import { encode, RawSocket } from "../../harness/sockets.ts";

/** Runs a proxy, and tells `use` its URL and the first line of each request that it
 * got. */
export async function withForwardProxy(
  use: (url: string, requests: string[]) => Promise<void>,
): Promise<void> {
  const requests: string[] = [];
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    for await (const connection of listener) {
      // One that breaks ends: that is its test's affair.
      forward(connection, requests).catch(() => close(connection));
    }
  })();
  await use(`http://127.0.0.1:${listener.addr.port}`, requests);
  listener.close();
  await serving;
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch { /* it has ended */ }
}

async function forward(client: Deno.TcpConn, requests: string[]) {
  const head = await new RawSocket(client).head();
  const [line, ...rest] = head.split("\r\n");
  requests.push(line);
  const [method, target] = line.split(" ");
  const { port, pathname } = new URL(
    method === "CONNECT" ? `http://${target}` : target,
  );
  const server = await Deno.connect({
    hostname: "127.0.0.1",
    port: Number(port),
  });
  if (method === "CONNECT") {
    await client.write(encode("HTTP/1.1 200 OK\r\n\r\n"));
  } else {
    const request = [`${method} ${pathname} HTTP/1.1`, ...rest];
    await server.write(encode(request.join("\r\n")));
  }
  // Either side may reset its connection: that is its test's affair.
  await Promise.allSettled([
    client.readable.pipeTo(server.writable),
    server.readable.pipeTo(client.writable),
  ]);
}
