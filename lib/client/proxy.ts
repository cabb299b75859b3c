/**
 * The proxy that Deno sends a connection through, by environment variables:
 * `HTTP_PROXY` for ws://, `HTTPS_PROXY` for wss://, `ALL_PROXY` for both, but for the
 * hosts of `NO_PROXY`; each also in lower case.
 *
 * @module
 */

import { isLoopback } from "../protocol.ts";
import { hideSecrets } from "../text.ts";

/**
 * Finds the proxy for a URL. This machine is reached directly, which Deno would not do
 * of itself: a URL on it is added to `NO_PROXY`.
 *
 * @returns The proxy and its variable, for messages.
 */
export function proxyFor(url: URL): string | undefined {
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const exempt = variable("NO_PROXY");
  if (isLoopback(url.hostname)) {
    if (isGranted("NO_PROXY")) {
      Deno.env.set("NO_PROXY", [exempt?.value, host].filter(Boolean).join());
    }
    return undefined;
  }
  if (exempt && isExempt(host, exempt.value)) return undefined;
  const proxy = variable("ALL_PROXY") ??
    variable(url.protocol === "wss:" ? "HTTPS_PROXY" : "HTTP_PROXY");
  return proxy && `${hideSecrets(proxy.value)} ($${proxy.name})`;
}

function isGranted(variable: string): boolean {
  const { state } = Deno.permissions.querySync({ name: "env", variable });
  return state === "granted";
}

/** A variable that is set, in upper or else in lower case. */
function variable(name: string): { name: string; value: string } | undefined {
  for (const each of [name, name.toLowerCase()]) {
    const value = isGranted(each) ? Deno.env.get(each) : undefined;
    if (value) return { name: each, value };
  }
}

/** Whether `NO_PROXY` names a host, as Deno reads it: names stand for what is below
 * them too, addresses for a subnet with `/8` (here only in IPv4), and `*` for every
 * name. */
export function isExempt(host: string, list: string): boolean {
  const address = ipv4(host);
  return list.split(",").map((entry) => entry.trim()).some((entry) => {
    if (address === undefined) {
      const name = entry.replace(/^\./, "");
      return entry === "*" || host === name ||
        (name !== "" && host.endsWith(`.${name}`));
    }
    const [start, bits] = entry.split("/");
    const size = 2 ** (32 - Number(bits ?? 32));
    const first = ipv4(start);
    return first !== undefined &&
      Math.floor(address / size) === Math.floor(first / size);
  });
}

/** The number of an address: `127.0.0.1` -> 2130706433. */
function ipv4(text: string): number | undefined {
  return /^\d+(?:\.\d+){3}$/.test(text)
    ? text.split(".").reduce((number, part) => number * 256 + Number(part), 0)
    : undefined;
}
