/**
 * Builds images with Buildah and runs them, without a registry and without cgroups.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { Process, type Result, run } from "../../harness/process.ts";

/** What an image says of how to run it. */
export interface ImageConfig {
  User: string;
  Env: string[];
  Entrypoint: string[];
  Cmd: string[];
  ExposedPorts: Record<string, unknown>;
  Healthcheck: { Test: string[] };
  Labels: Record<string, string>;
}

/** The namespaces that a container is in. */
export const NAMESPACES = [
  "unshare",
  ..."--net --pid --mount --uts --ipc --fork".split(" "),
];

/** What an engine does with `--read-only`, before the command becomes process 1. */
const RUN = `
  set -e
  files=$1 user=$2
  shift 2
  ip link set lo up
  mount --bind "$files" "$files"
  mount -o remount,bind,ro "$files"
  mount -t proc proc "$files/proc"
  exec chroot --userspec="$user" "$files" "$@"
`;

/** A shell in an image. */
export const SHELL = "/bin/sh";

/** Images in a folder of their own, with which they go. */
export class Images implements AsyncDisposable {
  #folder = Deno.makeTempDirSync();

  #buildah(command: string, ...args: string[]): Promise<string> {
    const storage = ["root", "runroot"].map((name) =>
      `--${name}=${this.#folder}/${name}`
    );
    return output(
      ["buildah", ...storage, "--storage-driver=vfs", command, ...args],
      { env: { TMPDIR: this.#folder } },
    );
  }

  /** Builds an image. The options are more of `buildah build`. */
  async build(
    name: string,
    { file, context, options = [] }: {
      file: string;
      context: string;
      options?: string[];
    },
  ): Promise<void> {
    const how = "--isolation=chroot --pull-never --format=docker --quiet";
    const what = [`--tag=${name}`, `--file=${file}`, context];
    await this.#buildah("build", ...how.split(" "), ...options, ...what);
  }

  /** Makes an image that holds the libraries of these programs, and these lines of a
   * Containerfile. A shell comes itself. */
  async standIn(name: string, programs: string[], lines: string[]) {
    const context = await Deno.makeTempDir({ dir: this.#folder });
    const root = `${context}/root`;
    await Deno.mkdir(`${root}/proc`, { recursive: true });
    const linked = await Promise.all(
      programs.map((path) => output(["ldd", path])),
    );
    const files = new Set(linked.join("\n").match(/\/\S+/g));
    if (programs.includes(SHELL)) files.add(SHELL);
    await output(["cp", "--parents", "--dereference", ...files, root]);
    const file = `${context}/Containerfile`;
    const text = ["FROM scratch", "COPY root /", ...lines].join("\n");
    await Deno.writeTextFile(file, text);
    await this.build(name, { file, context });
  }

  async config(name: string): Promise<ImageConfig> {
    const image = await this.#buildah("inspect", "--type=image", name);
    return JSON.parse(image).Docker.config;
  }

  /** A container: the folder with its files. */
  async container(name: string): Promise<string> {
    const container = await this.#buildah("from", "--pull-never", name);
    return await this.#buildah("mount", container);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** Runs a container. */
export class Container extends Process {
  #user: string;

  constructor(
    files: string,
    { User, Env }: ImageConfig,
    command: string[],
    options: Deno.CommandOptions = {},
  ) {
    const env = Object.fromEntries(Env.map((line) => line.split(/=(.*)/s)));
    super(
      [...NAMESPACES, "sh", "-c", RUN, "sh", files, User, ...command],
      { ...options, clearEnv: true, env },
    );
    this.#user = User;
  }

  /** The number that its process 1 has outside. */
  async #init(): Promise<string> {
    const children = `/proc/${this.pid}/task/${this.pid}/children`;
    return await output(["cat", children]); // Deno itself may not read it
  }

  /** Runs another command in it. */
  async exec(command: string[]): Promise<Result> {
    const [uid, gid] = this.#user.split(":");
    const user = [`--setuid=${uid}`, `--setgid=${gid}`];
    const target = `--target=${await this.#init()}`;
    const enter = ["nsenter", target, "--all", "--root", "--wd", ...user];
    return await run([...enter, ...command], { clearEnv: true });
  }

  /** Ends it with its process 1, with which all others go. */
  override async [Symbol.asyncDispose](): Promise<void> {
    const init = await this.#init().catch(() => undefined); // it has ended
    if (init) Deno.kill(Number(init), "SIGKILL");
    await super[Symbol.asyncDispose]();
  }

  /** Sends SIGTERM to its process 1, as an engine does, and waits for the end. */
  async stop(): Promise<number> {
    Deno.kill(Number(await this.#init()), "SIGTERM");
    return await this.end();
  }
}

/** Runs a command that has to succeed, and returns what it prints. */
async function output(
  command: string[],
  options?: Deno.CommandOptions,
): Promise<string> {
  const { code, stdout, stderr } = await run(command, options);
  assertEquals(code, 0, `${command.join(" ")}\n${stdout}${stderr}`);
  return stdout.trim();
}
