/**
 * WebSockets byte by byte, for the tests and the bench.
 *
 * @module
 */

import { LINES_PROTOCOL } from "../lib/protocol.ts";

/** The handshake of RFC 6455 section 1.3, with its own key. */
export const HANDSHAKE = {
  Host: "127.0.0.1",
  Connection: "Upgrade",
  Upgrade: "websocket",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
};

/** A TCP connection on which a test writes bytes of its own. */
export class RawSocket implements Disposable {
  #bytes = new Uint8Array();

  constructor(readonly connection: Deno.Conn) {}

  static async connect(port: number): Promise<RawSocket> {
    return new RawSocket(
      await Deno.connect({ hostname: "127.0.0.1", port, transport: "tcp" }),
    );
  }

  /** Connects and completes a handshake, with `ws-random.lines` if `lines`. */
  static async open(port: number, lines = false): Promise<RawSocket> {
    const socket = await RawSocket.connect(port);
    const headers: Record<string, string> = { ...HANDSHAKE };
    if (lines) headers["Sec-WebSocket-Protocol"] = LINES_PROTOCOL;
    try {
      const { status } = await socket.request("GET /ws", headers);
      if (status !== 101) throw new Error(`handshake refused with ${status}`);
      return socket;
    } catch (error) {
      socket[Symbol.dispose]();
      throw error;
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    while (bytes.length > 0) {
      bytes = bytes.subarray(await this.connection.write(bytes));
    }
  }

  /** Reads this many bytes, or fewer if the connection ends before. */
  async read(length: number): Promise<Uint8Array> {
    while (this.#bytes.length < length && await this.#fill());
    const bytes = this.#bytes.subarray(0, length);
    this.#bytes = this.#bytes.subarray(length);
    return bytes;
  }

  async #fill(): Promise<boolean> {
    const buffer = new Uint8Array(65_536);
    // A reset is an end, too.
    const length = await this.connection.read(buffer).catch(() => null);
    if (length === null) return false;
    const bytes = new Uint8Array(this.#bytes.length + length);
    bytes.set(this.#bytes);
    bytes.set(buffer.subarray(0, length), this.#bytes.length);
    this.#bytes = bytes;
    return true;
  }

  /** Reads the head of a response. */
  async head(): Promise<string> {
    let head = "";
    while (!head.endsWith("\r\n\r\n")) {
      const byte = await this.read(1);
      if (byte.length === 0) throw new Error(`no response but ${head}`);
      head += String.fromCharCode(byte[0]);
    }
    return head;
  }

  /** Sends a request without a body and reads the head of its response. */
  async request(
    line: string,
    headers: Record<string, string>,
  ): Promise<{ status: number; headers: Headers }> {
    const fields = Object.entries(headers).map(([name, value]) =>
      `${name}: ${value}\r\n`
    );
    // A head is bytes: each character is one of them.
    const head = `${line} HTTP/1.1\r\n${fields.join("")}\r\n`;
    await this.write(Uint8Array.from(head, (byte) => byte.charCodeAt(0)));
    const [first, ...rest] = (await this.head()).trimEnd().split("\r\n");
    return {
      status: Number(first.split(" ")[1]),
      headers: new Headers(
        rest.map((row) => row.split(/:\s*(.*)/, 2) as [string, string]),
      ),
    };
  }

  /** Reads a frame; `undefined` at the end of the connection. */
  async frame(): Promise<{ opcode: number; payload: Uint8Array } | undefined> {
    const [first, second] = await this.read(2);
    if (second === undefined) return undefined;
    let length = second & 127;
    if (length >= 126) {
      const extended = await this.read(length === 126 ? 2 : 8);
      length = extended.reduce((sum, byte) => sum * 256 + byte, 0);
    }
    const mask = second & 128 ? await this.read(4) : new Uint8Array(4);
    const payload = await this.read(length);
    return {
      opcode: first & 15,
      payload: payload.map((byte, i) => byte ^ mask[i % 4]),
    };
  }

  /** Reads on to the close frame and returns its code; 1006 if none comes. */
  async closeCode(): Promise<number> {
    for (;;) {
      const frame = await this.frame();
      if (!frame) return 1006;
      if (frame.opcode !== 8) continue;
      const [high, low] = frame.payload;
      return low === undefined ? 1005 : high * 256 + low;
    }
  }

  [Symbol.dispose](): void {
    this.connection.close();
  }
}

/** A client's frame (RFC 6455 section 5.2), masked with zeros. */
export function frame(
  opcode: number,
  payload: Uint8Array | string,
  { fin = true, reserved = 0, masked = true } = {},
): Uint8Array<ArrayBuffer> {
  const data = typeof payload === "string" ? encode(payload) : payload;
  const [length, ...extended] = lengthBytes(data.length);
  return new Uint8Array([
    (fin ? 128 : 0) | reserved << 4 | opcode,
    (masked ? 128 : 0) | length,
    ...extended,
    ...(masked ? [0, 0, 0, 0] : []),
    ...data,
  ]);
}

function lengthBytes(length: number): number[] {
  if (length < 126) return [length];
  const size = length < 65_536 ? 2 : 8;
  const bytes = Array.from(
    { length: size },
    (_, i) => Math.floor(length / 256 ** (size - 1 - i)) % 256,
  );
  return [size === 2 ? 126 : 127, ...bytes];
}

export function encode(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
