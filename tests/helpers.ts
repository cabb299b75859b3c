/**
 * What several tests need: permissions, child processes, raw sockets.
 *
 * @module
 */

import config from "../deno.json" with { type: "json" };
import { parseFlags, serverCommand, type ServerOptions } from "../lib/flags.ts";
import { LINES_PROTOCOL } from "../lib/protocol.ts";
import { type Server, startServer } from "../server.ts";

/** Whether a test cannot run because `deno test` was started without
 * permissions. */
export const NO_PERMISSIONS = !["net", "read", "write", "run", "env", "sys"]
  .every((name) =>
    Deno.permissions.querySync({ name } as Deno.PermissionDescriptor).state ===
      "granted"
  );

/** Whether a tool is missing here, so that a test is ignored; never in CI, where
 * all must be there. The command asks for its version, say. */
export function missing(path: string, ...args: string[]): boolean {
  if (NO_PERMISSIONS || Deno.env.get("CI")) return NO_PERMISSIONS;
  try {
    const output = { stdout: "null", stderr: "null" } as const;
    return !new Deno.Command(path, { args, ...output }).outputSync().success;
  } catch {
    return true;
  }
}

/** The project's folder. */
export const ROOT = new URL("..", import.meta.url).pathname;

/** A command line as `deno task` runs it, with the task's permissions. */
export function task(name: keyof typeof config.tasks): string[] {
  const [, ...args] = config.tasks[name].command.split(" ");
  return [Deno.execPath(), ...args];
}

/** What a command that has ended did. */
export interface Result {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a command to its end. */
export async function run(
  command: string[],
  options: Deno.CommandOptions = {},
): Promise<Result> {
  const [path, ...args] = command;
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const { code, stdout, stderr } = await new Deno.Command(path, {
    args,
    cwd: ROOT,
    ...options,
  }).output();
  return { code, stdout: decode(stdout), stderr: decode(stderr) };
}

/** Runs the client with these arguments. */
export function runClient(...args: string[]): Promise<Result> {
  return run([...task("client"), ...args], { env: { NO_COLOR: "1" } });
}

/** A command that goes on while the test does. */
export class Process implements AsyncDisposable {
  #child: Deno.ChildProcess;
  #reader: ReadableStreamDefaultReader<string>;
  #ended = false;
  #hasStderr: boolean;
  /** All it has printed on stdout and was read. */
  stdout = "";

  constructor(command: string[], options: Deno.CommandOptions = {}) {
    const [path, ...args] = command;
    this.#child = new Deno.Command(path, {
      args,
      cwd: ROOT,
      stdout: "piped",
      stderr: "inherit",
      ...options,
    }).spawn();
    this.#hasStderr = options.stderr === "piped";
    this.#reader = this.#child.stdout
      .pipeThrough(new TextDecoderStream()).getReader();
    this.#child.status.then(() => this.#ended = true);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Reads stdout until it matches. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.stdout);
      if (match) return match;
      const { value, done } = await this.#reader.read();
      if (done) throw new Error(`${pattern} never came: ${this.stdout}`);
      this.stdout += value;
    }
  }

  /** All of stderr, at its end, if that is piped. */
  async stderr(): Promise<string> {
    return await new Response(this.#child.stderr).text();
  }

  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Waits for its end and the rest of stdout. */
  async end(): Promise<number> {
    for (;;) {
      const { value, done } = await this.#reader.read();
      if (done) break;
      this.stdout += value;
    }
    return (await this.#child.status).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) this.#child.kill("SIGKILL");
    await this.#reader.cancel();
    if (this.#hasStderr) await this.#child.stderr.cancel().catch(() => {});
    await this.#child.status;
  }
}

/** Starts `ws-random server` as a process and waits until it listens. */
export async function serverProcess(
  ...args: string[]
): Promise<{ server: Process; url: string; port: number }> {
  const server = new Process([...task("server"), "--port=0", ...args]);
  const [, url] = await server.until(/^Listening on (\S+)\n/);
  return { server, url, port: Number(new URL(url).port) };
}

/** Makes a certificate for localhost and 127.0.0.1, with its key, in a folder. */
export async function makeCertificate(
  folder: string,
): Promise<{ cert: string; key: string }> {
  const [cert, key] = [`${folder}/cert.pem`, `${folder}/key.pem`];
  const { code, stderr } = await run([
    "openssl",
    ..."req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost".split(
      " ",
    ),
    ..."-addext subjectAltName=DNS:localhost,IP:127.0.0.1".split(" "),
    ..."-addext basicConstraints=critical,CA:FALSE".split(" "),
    ...["-out", cert, "-keyout", key],
  ]);
  if (code !== 0) throw new Error(stderr);
  return { cert, key };
}

/** A server in this process, and its WebSocket URL. */
export async function withServer(
  options: Partial<ServerOptions>,
  use: (url: string, server: Server) => Promise<void>,
): Promise<void> {
  const server = await startServer({
    ...parseFlags(serverCommand, ["--host=127.0.0.1", "--port=0"]),
    grace: 0.5,
    ...options,
  });
  try {
    await use(`${server.url.replace(/^http/, "ws")}ws`, server);
  } finally {
    await server.shutdown();
  }
}

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

  /** Connects and completes a handshake, for `ws-random.lines` if that is asked
   * for. */
  static async open(port: number, lines = false): Promise<RawSocket> {
    const socket = await RawSocket.connect(port);
    const headers: Record<string, string> = { ...HANDSHAKE };
    if (lines) headers["Sec-WebSocket-Protocol"] = LINES_PROTOCOL;
    const { status } = await socket.request("GET /ws", headers);
    if (status !== 101) throw new Error(`handshake refused with ${status}`);
    return socket;
  }

  async write(bytes: Uint8Array): Promise<void> {
    while (bytes.length > 0) {
      bytes = bytes.subarray(await this.connection.write(bytes));
    }
  }

  /** Reads so many bytes, or fewer if the peer ends before. */
  async read(length: number): Promise<Uint8Array> {
    while (this.#bytes.length < length && await this.#fill());
    const bytes = this.#bytes.slice(0, length);
    this.#bytes = this.#bytes.slice(length);
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

  /** Sends a request without a body and reads the head of its response. */
  async request(
    line: string,
    headers: Record<string, string>,
  ): Promise<{ status: number; headers: Headers }> {
    const fields = Object.entries(headers).map(([name, value]) =>
      `${name}: ${value}\r\n`
    );
    await this.write(encode(`${line} HTTP/1.1\r\n${fields.join("")}\r\n`));
    let head = "";
    while (!head.endsWith("\r\n\r\n")) {
      const byte = await this.read(1);
      if (byte.length === 0) throw new Error(`no response but ${head}`);
      head += String.fromCharCode(byte[0]);
    }
    const [first, ...rest] = head.trimEnd().split("\r\n");
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
    return { opcode: first & 15, payload: await this.read(length) };
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
  const size = data.length;
  const extended = size < 126 ? [] : size < 65_536 ? [size >> 8, size & 255] : [
    0,
    0,
    0,
    0,
    size >>> 24,
    size >>> 16 & 255,
    size >>> 8 & 255,
    size & 255,
  ];
  const short = size < 126 ? size : size < 65_536 ? 126 : 127;
  return new Uint8Array([
    (fin ? 128 : 0) | reserved << 4 | opcode,
    (masked ? 128 : 0) | short,
    ...extended,
    ...(masked ? [0, 0, 0, 0] : []),
    ...data,
  ]);
}

export function encode(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** Waits for the next event of this type. */
export function next<T extends Event>(
  target: EventTarget,
  type: string,
): Promise<T> {
  return new Promise((resolve) =>
    target.addEventListener(type, (event) => resolve(event as T), {
      once: true,
    })
  );
}

/** Asks again until the answer is as wanted. */
export async function eventually(
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  const givenUp = AbortSignal.timeout(60_000);
  while (!await holds()) {
    if (givenUp.aborted) throw new Error(`never came true: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Numbers that are the same in every run: a linear congruential generator with
 * the constants of Numerical Recipes. Returns integers from 0 to `below` - 1. */
export function seeded(seed: number): (below: number) => number {
  return (below) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor(seed / 2 ** 32 * below);
  };
}
