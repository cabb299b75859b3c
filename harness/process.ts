/**
 * Processes, for the tests and the bench: which can run here, this program's own,
 * and any other.
 *
 * @module
 */

import config from "../deno.json" with { type: "json" };

/** Whether a test cannot run because `deno test` was started without
 * permissions. */
export const NO_PERMISSIONS = !["net", "read", "write", "run", "env", "sys"]
  .every((name) =>
    Deno.permissions.querySync({ name } as Deno.PermissionDescriptor).state ===
      "granted"
  );

/** In continuous integration all that tests need must be there. */
export const IN_CI = !NO_PERMISSIONS && Boolean(Deno.env.get("CI"));

/** Whether a tool is missing here, so that a test is ignored; never in CI.
 * The arguments only make it succeed: `--version`, say. */
export function missing(path: string, ...args: string[]): boolean {
  if (NO_PERMISSIONS || IN_CI) return NO_PERMISSIONS;
  try {
    const output = { stdout: "null", stderr: "null" } as const;
    return !new Deno.Command(path, { args, ...output }).outputSync().success;
  } catch {
    return true;
  }
}

/** The project's folder. */
export const ROOT = new URL("..", import.meta.url).pathname;

/** A command line as `deno task` runs it, with the task's permissions and those
 * that are given here. */
export function task(
  name: keyof typeof config.tasks,
  ...permissions: string[]
): string[] {
  const [, verb, ...args] = config.tasks[name].command.split(" ");
  return [Deno.execPath(), verb, ...permissions, ...args];
}

/** A port that is free now, and not one that the system gives out to connections:
 * another program's could have that before it is used. */
export function freePort(): number {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
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

/** Starts `ws-random server` as a process and waits until it listens. It may
 * read the files that `--cert=` and `--key=` name. */
export async function serverProcess(
  ...args: string[]
): Promise<{ server: Process; url: string; port: number }> {
  const read = args.flatMap((arg) =>
    /^--(?:cert|key)=(.*)/.exec(arg)?.slice(1) ?? []
  ).map((file) => `--allow-read=${file}`);
  const server = new Process([
    ...task("server", ...read),
    "--port=0",
    ...args,
  ]);
  const [, url] = await server.until(/^Listening on (\S+).*\n/);
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
