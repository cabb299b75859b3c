/**
 * The load: raw TCP and frames made in advance, so that as little as possible
 * is done for each request, and the server is what is measured.
 *
 * @module
 */

import { setTimeout as delay } from "node:timers/promises";
import { encode, frame, RawSocket } from "../harness/sockets.ts";

/** How a server is loaded. */
export interface Load {
  /** Connections open at once. */
  connections: number;
  /** Messages in flight on each. */
  window: number;
  /** Requests in each message, one per line; more than 1 by `ws-random.lines`. */
  lines?: number;
  /** Bytes of a request. */
  bytes?: number;
}

/** Where responses come one by one, a read for each would make the load the
 * bottleneck. So a connection that got few of its window waits this long for
 * more, in milliseconds, while the others of the window keep the server busy. */
const GATHER_MS = 2;
/** But only with so many messages in flight: several times what the fastest
 * server that sends them one by one answers while it waits. */
const GATHER_FROM = 1000;

/** Before the measurement, in milliseconds: the runtimes compile while they run. */
const WARM_UP_MS = 500;

/** Requests of about 15 bytes, as `Message 1234567` is. */
const REQUEST_BYTES = 15;

/**
 * Loads a server for a while.
 *
 * @param seconds How long it is measured, after the warm-up.
 * @returns Requests answered per second.
 */
export async function requestsPerSecond(
  port: number,
  { connections, window, lines = 1, bytes = REQUEST_BYTES }: Load,
  seconds: number,
): Promise<number> {
  const message = new Array(lines).fill("x".repeat(bytes)).join("\n");
  const one = frame(1, encode(message));
  const batch = new Uint8Array(one.length * window);
  for (let i = 0; i < window; i++) batch.set(one, i * one.length);

  const gathers = connections * window >= GATHER_FROM;
  let responses = 0;
  let stopped = false;
  const sockets = await openConnections(port, connections, lines > 1);
  const exchanges = sockets.map(async ({ connection }) => {
    const buffer = new Uint8Array(65_536);
    const count = frameCounter();
    let due = window;
    while (!stopped) {
      let rest = batch.subarray(0, due * one.length);
      while (rest.length > 0) {
        rest = rest.subarray(await connection.write(rest));
      }
      const length = await connection.read(buffer);
      if (length === null) throw new Error("the server closed a connection");
      due = count(buffer, length);
      responses += due;
      if (gathers && due < window / 4) await soon();
    }
  });
  await delay(WARM_UP_MS);
  const [before, startedAt] = [responses, performance.now()];
  await delay(seconds * 1000);
  const [after, endedAt] = [responses, performance.now()];
  stopped = true;
  // Each waits for one more response, which may be on its way or not.
  const closed = Promise.allSettled(exchanges);
  await Promise.race([closed, delay(200)]);
  for (const { connection } of sockets) connection.close();
  await closed;
  return (after - before) * lines / ((endedAt - startedAt) / 1000);
}

/** Opens connections, a few at a time. */
export async function openConnections(
  port: number,
  connections: number,
  lines = false,
): Promise<RawSocket[]> {
  const sockets: RawSocket[] = [];
  while (sockets.length < connections) {
    const group = Math.min(50, connections - sockets.length);
    sockets.push(
      ...await Promise.all(
        Array.from({ length: group }, () => RawSocket.open(port, lines)),
      ),
    );
  }
  return sockets;
}

/** Counts the frames that end in each piece of a stream (RFC 6455 section 5.2,
 * without masks, as servers send them). */
function frameCounter(): (bytes: Uint8Array, length: number) => number {
  let skip = 0; // bytes of a payload that is still to come
  let header: number[] = []; // a header that was cut
  return (bytes, length) => {
    let frames = 0;
    let at = 0;
    while (at < length) {
      if (skip > 0) {
        const step = Math.min(skip, length - at);
        skip -= step;
        at += step;
        if (skip === 0) frames++;
        continue;
      }
      if (header.length === 0 && length - at > 2 && bytes[at + 1] < 126) {
        skip = bytes[at + 1]; // the usual one, whole
        at += 2;
        continue;
      }
      header.push(bytes[at++]);
      if (header.length < 2) continue;
      const extended = header[1] < 126 ? 0 : header[1] === 126 ? 2 : 8;
      if (header.length < 2 + extended) continue;
      skip = extended === 0
        ? header[1]
        : header.slice(2).reduce((sum, byte) => sum * 256 + byte, 0);
      header = [];
    }
    return frames;
  };
}

let gathering: Promise<void> | undefined;

/** Resolves within {@linkcode GATHER_MS}; one timer serves all connections. */
function soon(): Promise<void> {
  return gathering ??= delay(GATHER_MS).then(() => {
    gathering = undefined;
  });
}
