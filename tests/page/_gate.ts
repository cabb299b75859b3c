/**
 * A network between the page and its server that loses or delays what a test says.
 *
 * @module
 */

/** A proxy in front of a server that keeps what matches to itself. */
export class Gate implements Disposable {
  #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  #connections: Deno.Conn[] = [];
  /** Requests that begin like this are taken and never answered. */
  swallows = /^$/;
  swallowed = 0;
  /** What each handshake waits for. */
  hold: () => Promise<unknown> | undefined = () => undefined;
  held = 0;

  /**
   * @param prefix The path below which the server is found, and which is taken off;
   * nothing else is.
   */
  constructor(readonly port: number, readonly prefix = "/") {
    this.#serve();
  }

  get url(): string {
    return `http://127.0.0.1:${this.#listener.addr.port}${this.prefix}`;
  }

  /** Refuses connections from now on, and cuts those that there are. */
  close(): void {
    this.#listener.close();
    this.cut();
  }

  /** Takes connections again, at the same port. */
  open(): void {
    const { port } = this.#listener.addr;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port });
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
          const held = /^GET \/ws/.test(text) && this.hold();
          if (held) {
            this.held++;
            await held;
          }
          controller.enqueue(this.#inside(text, bytes));
        }
      },
    });
    await client.readable.pipeThrough(swallow).pipeTo(server.writable);
  }

  /** What the server is sent. */
  #inside(text: string, bytes: Uint8Array): Uint8Array {
    const [method, path] = text.split(" ", 2);
    if (method !== "GET" || this.prefix === "/") return bytes;
    const known = path.startsWith(this.prefix);
    const inside = known ? `/${path.slice(this.prefix.length)}` : "/outside";
    return new TextEncoder().encode(text.replace(path, inside));
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
    try {
      this.close();
    } catch { /* it is closed */ }
  }
}
