/**
 * A network between the page and its server that loses or delays what a test says.
 *
 * @module
 */

import { setTimeout as delay } from "node:timers/promises";

/** A proxy in front of a server that keeps what matches to itself. */
export class Gate implements Disposable {
  #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  #connections: Deno.Conn[] = [];
  url = `http://127.0.0.1:${this.#listener.addr.port}/`;
  /** Requests that begin like this are taken and never answered. */
  swallows = /^$/;
  swallowed = 0;
  /** The delay of handshakes, in milliseconds. */
  slow = 0;
  slowed = 0;

  constructor(readonly port: number) {
    this.#serve();
  }

  async #serve() {
    for await (const inside of this.#listener) {
      this.#connections.push(inside);
      this.#handOn(inside).catch(() => {}); // reset
    }
  }

  async #handOn(client: Deno.Conn) {
    const server = await Deno.connect({
      hostname: "127.0.0.1",
      port: this.port,
    });
    this.#connections.push(server);
    server.readable.pipeTo(client.writable).catch(() => {});
    const swallow = new TransformStream<Uint8Array, Uint8Array>({
      transform: async (bytes, controller) => {
        const text = new TextDecoder().decode(bytes);
        if (this.swallows.test(text)) this.swallowed++;
        else {
          if (/^GET \/ws/.test(text) && this.slow > 0) {
            this.slowed++;
            await delay(this.slow);
          }
          controller.enqueue(bytes);
        }
      },
    });
    await client.readable.pipeThrough(swallow).pipeTo(server.writable);
  }

  /** Cuts all connections. */
  cut() {
    for (const connection of this.#connections.splice(0)) {
      try {
        connection.close();
      } catch { /* it has ended */ }
    }
  }

  [Symbol.dispose]() {
    this.#listener.close();
    this.cut();
  }
}
