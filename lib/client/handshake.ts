/**
 * The opening handshake.
 *
 * @module
 */

import { LINES_PROTOCOL } from "../protocol.ts";
import { UsageError } from "../text.ts";
import type { ClientOptions } from "./options.ts";

/** The DOM's types, which the page's tests load, do not know Deno's options. */
const OpenWebSocket = WebSocket as unknown as new (
  url: URL,
  options: WebSocketOptions,
) => WebSocket;

/** Returns a function that opens connections as the options say. */
export function connector(
  { url, ca, header, batch }: ClientOptions,
): () => WebSocket {
  const target = new URL(url);
  const headers = new Headers();
  for (const line of header) {
    const [name, value] = line.split(/:\s*(.*)/s, 2);
    const cookies = /^cookie$/i.test(name) && headers.get(name);
    // There is only one (RFC 6265 section 5.4), and no comma in it.
    if (cookies) headers.set(name, `${cookies}; ${value}`);
    else headers.append(name, value);
  }
  if ((target.username || target.password) && !headers.has("authorization")) {
    // Deno 2.6 leaves it out.
    const user = decodeURIComponent(`${target.username}:${target.password}`);
    const base64 = new TextEncoder().encode(user).toBase64();
    headers.set("authorization", `Basic ${base64}`);
  }
  target.username = target.password = "";
  const client = ca === undefined ? undefined : trusting(ca);
  const protocols = batch > 1 ? [LINES_PROTOCOL] : [];
  return () => {
    const socket = new OpenWebSocket(target, { protocols, headers, client });
    socket.binaryType = "arraybuffer";
    return socket;
  };
}

/** An HTTP client that also trusts the certificates of a file. */
function trusting(path: string): Deno.HttpClient {
  try {
    const pem = Deno.readTextFileSync(path);
    if (!pem.includes("-----BEGIN CERTIFICATE-----")) {
      throw new Error("no certificate in it");
    }
    return Deno.createHttpClient({ caCerts: [pem] });
  } catch (error) {
    const { message } = error as Error;
    throw new UsageError(`--ca: cannot use ${path}: ${message}`);
  }
}
