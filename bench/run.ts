/**
 * `deno task bench`: every server and client in turn, in one run, on one machine,
 * under one load, several rounds; medians and ratios as Markdown, which it puts
 * into docs/performance.md too. `--quick` takes about a minute and leaves that alone.
 *
 * @module
 */

import { run, task } from "../harness/process.ts";
import { type Load, openConnections, requestsPerSecond } from "./load.ts";
import { intoPerformance, table, thousands } from "./markdown.ts";
import {
  BARE,
  BUN_PEER,
  installPeers,
  NODE_WS,
  OURS,
  type Peer,
  PEERS,
  present,
  PYTHON,
  PYTHON_PEER,
  residentMemory,
  TWO_WORKERS,
  withPeer,
} from "./peers.ts";

const QUICK = Deno.args.includes("--quick");
const ROUNDS = QUICK ? 3 : 5;
const SECONDS = QUICK ? 0.7 : 1.5;

const CASES: Record<string, Load> = {
  "1 × 1": { connections: 1, window: 1 },
  "1 × 64": { connections: 1, window: 64 },
  "50 × 1": { connections: 50, window: 1 },
  "50 × 32": { connections: 50, window: 32 },
};
/** As many requests in flight as 50 × 32 has, in fewer messages. */
const BY_LINES: Load = { connections: 50, window: 1, lines: 32 };

const IDLE_CONNECTIONS = 10_000;

/** The resident memory of a server with idle connections, in MB. */
function idleMemory(peer: Peer): Promise<number> {
  return withPeer(peer, async (port, server) => {
    const sockets = await openConnections(port, IDLE_CONNECTIONS);
    const memory = await residentMemory(server);
    for (const socket of sockets) socket[Symbol.dispose]();
    return memory;
  });
}

/** How long a client takes as a whole process, in ms, its output in a file. */
async function wholeProcess(command: string[], url: string): Promise<number> {
  const file = await Deno.makeTempFile();
  const line = [...command, url].map((word) => `'${word}'`).join(" ");
  const startedAt = performance.now();
  const { code, stderr } = await run(["sh", "-c", `${line} > ${file}`]);
  const milliseconds = performance.now() - startedAt;
  const lines = (await Deno.readTextFile(file)).trimEnd().split("\n").length;
  await Deno.remove(file);
  if (code !== 0 || lines !== 10_000) {
    throw new Error(`${lines} lines: ${stderr}`);
  }
  return milliseconds;
}

/** All values of each measurement, by name. */
type Series = Map<string, number[]>;

function add(series: Series, name: string, value: number): void {
  series.set(name, [...series.get(name) ?? [], value]);
}

function median(values: number[] = []): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/** The ratios within each round: what disturbs the machine for a while disturbs
 * both. Their median, and the lowest and highest of them. */
function ratio(series: Series, name: string, base: string): string | undefined {
  const bases = series.get(base);
  if (!bases) return undefined; // a peer that is not installed
  const ratios = (series.get(name) ?? []).map((value, i) => value / bases[i]);
  const [low, middle, high] = [
    Math.min(...ratios),
    median(ratios),
    Math.max(...ratios),
  ].map((value) => value.toFixed(2));
  return `${middle} (${low} to ${high})`;
}

/** The median, and how far the rounds are apart. */
function withSpread(values: number[] = []): string {
  const spread = (Math.max(...values) - Math.min(...values)) / 2;
  const percent = Math.round(spread / median(values) * 100);
  return `${thousands(median(values))} ±${percent} %`;
}

await installPeers();
const peers: Peer[] = [];
for (const peer of [OURS, BARE, NODE_WS, BUN_PEER, PYTHON_PEER]) {
  if (await present(peer)) peers.push(peer);
}

const speed: Series = new Map();
const clients: Series = new Map();
const memory: Series = new Map();
for (let round = 1; round <= ROUNDS; round++) {
  console.error(`round ${round} of ${ROUNDS}`);
  // Each round in another order, so that none always comes first.
  const order = [
    ...peers.slice(round % peers.length),
    ...peers.slice(0, round % peers.length),
  ];
  for (const [name, load] of Object.entries(CASES)) {
    for (const peer of order) {
      await withPeer(peer, async (port) => {
        const rate = await requestsPerSecond(port, load, SECONDS);
        add(speed, `${peer.name} ${name}`, rate);
      });
    }
  }
  await withPeer(
    OURS,
    async (port) =>
      add(speed, "by lines", await requestsPerSecond(port, BY_LINES, SECONDS)),
  );

  await withPeer(TWO_WORKERS, async (port) => {
    const rate = await requestsPerSecond(port, CASES["50 × 32"], SECONDS);
    add(speed, TWO_WORKERS.name, rate);
  });

  await withPeer(OURS, async (port) => {
    const url = `ws://127.0.0.1:${port}/ws`;
    const bare = [Deno.execPath(), "run", "--allow-net", `${PEERS}client.ts`];
    // So short that one in a round would tell little.
    for (let i = 0; i < 5; i++) {
      add(clients, "ws-random client", await wholeProcess(task("client"), url));
      add(clients, "bare Deno script", await wholeProcess(bare, url));
    }
    if (!peers.includes(PYTHON_PEER)) return;
    const python = `${PYTHON} ${PEERS}client.py $0 10000`;
    const milliseconds = await wholeProcess(["sh", "-c", python], url);
    add(clients, "Python websockets", milliseconds);
  });
  if (round > (QUICK ? 1 : 3)) continue; // memory hardly varies
  for (const peer of [OURS, TWO_WORKERS, BARE]) {
    add(memory, peer.name, await idleMemory(peer));
  }
}

const versions = await Promise.all(
  peers.slice(1).map(async (peer) => {
    const { stdout } = await run(peer.version);
    return `${peer.name.replace("bare ", "")} ${
      stdout.split("\n")[0].replace(/^(deno|v)\s*/, "").replace(/ \(.*/, "")
    }`;
  }),
);
const { stdout: cpu } = await run([
  "sh",
  "-c",
  "grep -m1 'model name' /proc/cpuinfo",
]);
const machine = `${navigator.hardwareConcurrency} cores ${
  cpu.split(": ")[1]?.trim()
}`;

const at50 = (peer: Peer) => `${peer.name} 50 × 32`;
const ratios: Record<string, string | undefined> = {
  "server / bare Deno, 50 × 32": ratio(speed, at50(OURS), at50(BARE)),
  "server / ws on Node, 50 × 32": ratio(speed, at50(OURS), at50(NODE_WS)),
  "server / Python websockets, 50 × 32": ratio(
    speed,
    at50(OURS),
    at50(PYTHON_PEER),
  ),
  "two workers / one, 50 × 32": ratio(speed, TWO_WORKERS.name, at50(OURS)),
  "server with ws-random.lines / Bun, one request per message": ratio(
    speed,
    "by lines",
    at50(BUN_PEER),
  ),
  "client, whole process / bare Deno script": ratio(
    clients,
    "ws-random client",
    "bare Deno script",
  ),
  [`memory with ${thousands(IDLE_CONNECTIONS)} connections / bare Deno`]: ratio(
    memory,
    OURS.name,
    BARE.name,
  ),
  // Far above 1, so it is not the load generator that bounds the others.
  "the load drives Bun / bare Deno, 50 × 32": ratio(
    speed,
    at50(BUN_PEER),
    at50(BARE),
  ),
};

const markdown = [
  `Measured on ${new Date().toISOString().slice(0, 10)}: ${machine}, shared; ` +
  `${
    versions.join(", ")
  }. Medians of ${ROUNDS} rounds, each of ${SECONDS} s for ` +
  "each server, one after the other, and half the spread of the rounds. " +
  "Connections × window: how many connections, and how many messages are in " +
  "flight on each.",
  "",
  "Requests answered per second:",
  "",
  table([
    ["server", ...Object.keys(CASES)],
    ...peers.map((peer) => [
      peer.name,
      ...Object.keys(CASES).map((name) =>
        withSpread(speed.get(`${peer.name} ${name}`))
      ),
    ]),
    [
      TWO_WORKERS.name,
      "",
      "",
      "",
      withSpread(speed.get(TWO_WORKERS.name)),
    ],
    [
      "ws-random by `ws-random.lines`",
      "",
      "",
      "",
      `${withSpread(speed.get("by lines"))} (32 per message)`,
    ],
  ]),
  "",
  "A client that prints 10,000 responses to a file, the whole process:",
  "",
  table([
    ["client", "milliseconds"],
    ...[...clients].map(([name, values]) => [name, withSpread(values)]),
  ]),
  "",
  `Memory with ${thousands(IDLE_CONNECTIONS)} open connections:`,
  "",
  table([
    ["server", "MB"],
    ...[...memory].map(([name, values]) => [name, withSpread(values)]),
  ]),
  "",
  "In ratios, within each round: the median, the lowest and the highest:",
  "",
  table([
    ["", "ratio"],
    ...Object.entries(ratios).flatMap(([what, value]) =>
      value === undefined ? [] : [[what, value]]
    ),
  ]),
].join("\n");
console.log(markdown);

if (!QUICK) await intoPerformance("bench", markdown);
