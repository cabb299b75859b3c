/**
 * `deno task growth`: how cost grows with connections, requests and the size of a
 * message. A table and a plot, for docs/performance.md.
 *
 * @module
 */

import { ROOT, run, task } from "../harness/process.ts";
import { openConnections, requestsPerSecond } from "./load.ts";
import { intoPerformance, table, thousands } from "./markdown.ts";
import { OURS, PYTHON, residentMemory, withPeer } from "./peers.ts";

const SECONDS = 2;

/** A point of a series. */
interface Point {
  x: number;
  /** Microseconds for each request. */
  time: number;
  /** Resident memory in MB. */
  memory: number;
}

/** The server, under a load that varies; its memory is that after the load. */
function underLoad(
  x: number,
  load: { connections: number; bytes?: number },
): Promise<Point> {
  return withPeer(OURS, async (port, server) => {
    const rate = await requestsPerSecond(port, { window: 1, ...load }, SECONDS);
    const idle = await openConnections(port, load.connections);
    const memory = await residentMemory(server);
    for (const socket of idle) socket[Symbol.dispose]();
    return { x, time: 1e6 / rate, memory };
  });
}

/** Runs a command and prints its peak of memory in kB. */
const WITH_PEAK = `
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)`;

/** The client as a whole process, with its peak of memory. */
function wholeClient(count: number): Promise<Point> {
  return withPeer(OURS, async (port) => {
    const client = [...task("client"), `ws://127.0.0.1:${port}/ws`];
    const startedAt = performance.now();
    const { code, stdout, stderr } = await run(
      [PYTHON, "-c", WITH_PEAK, ...client, "--quiet", `--count=${count}`],
    );
    const milliseconds = performance.now() - startedAt;
    if (code !== 0) throw new Error(stderr);
    return {
      x: count,
      time: milliseconds * 1000 / count,
      memory: Number(stdout) / 1000,
    };
  });
}

/** A curve for each series, on logarithmic axes. */
function plot(series: Record<string, Point[]>): string {
  const [width, height, gap, margin] = [220, 150, 64, 44];
  const panels = Object.entries(series).map(([name, points], index) => {
    const xs = points.map(({ x }) => Math.log10(x));
    const ys = points.map(({ time }) => Math.log10(time));
    const [left, right] = [Math.min(...xs), Math.max(...xs)];
    const low = Math.floor(Math.min(...ys));
    const high = Math.ceil(Math.max(...ys));
    const place = (x: number, y: number): [number, number] => [
      Math.round((x - left) / (right - left) * width),
      Math.round(height - (y - low) / (high - low) * height),
    ];
    const dots = xs.map((x, i) => place(x, ys[i]));
    const rules = Array.from({ length: high - low + 1 }, (_, i) => {
      const [, y] = place(left, low + i);
      return `<path d="M0 ${y}H${width}" stroke="#8885"/>` +
        `<text x="-5" y="${y + 4}" text-anchor="end">${10 ** (low + i)}</text>`;
    });
    const labels = [points[0], points.at(-1)!].map(({ x }, i) =>
      `<text x="${i * width}" y="${height + 15}" text-anchor="middle">` +
      `${x.toLocaleString("en")}</text>`
    );
    return `<g transform="translate(${margin + index * (width + gap)} 34)">` +
      `<text x="0" y="-14" font-weight="bold">µs per request, by ${name}</text>` +
      rules.join("") + labels.join("") +
      `<path d="M${
        dots.join("L")
      }" fill="none" stroke="#7a6cf0" stroke-width="2"/>` +
      dots.map(([x, y]) =>
        `<circle cx="${x}" cy="${y}" r="3.5" fill="#7a6cf0"/>`
      )
        .join("") +
      "</g>";
  });
  const total = margin + 3 * (width + gap);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${total} ${
    height + 60
  }" font-family="sans-serif" font-size="11" fill="#888">${
    panels.join("")
  }</svg>\n`;
}

const series: Record<string, Point[]> = {
  connections: [],
  requests: [],
  "bytes of a request": [],
};
for (const connections of [1, 10, 100, 1000, 10_000]) {
  series.connections.push(await underLoad(connections, { connections }));
}
for (let count = 10; count <= 10_000_000; count *= 10) {
  series.requests.push(await wholeClient(count));
}
for (const bytes of [16, 256, 4096, 16_384, 65_536]) {
  series["bytes of a request"].push(
    await underLoad(bytes, { connections: 50, bytes }),
  );
}

const markdown = [
  `Measured on ${
    new Date().toISOString().slice(0, 10)
  }, one request in flight on ` +
  "each connection; for the requests, the client as a whole process with its " +
  "window of 1,000.",
  "",
  '<img src="growth.svg" alt="Time per request by connections, requests and bytes; the values are in the table">',
  "",
  table([
    ["", "", "µs per request", "memory, MB"],
    ...Object.entries(series).flatMap(([name, points]) =>
      points.map(({ x, time, memory }, i) => [
        i === 0 ? `${name} (${name === "requests" ? "client" : "server"})` : "",
        thousands(x),
        time >= 100 ? thousands(time) : time.toFixed(1),
        thousands(memory),
      ])
    ),
  ]),
].join("\n");
console.log(markdown);
await Deno.writeTextFile(`${ROOT}docs/growth.svg`, plot(series));
await intoPerformance("growth", markdown);
