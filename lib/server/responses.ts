/**
 * HTTP responses and the headers that each of them carries.
 *
 * @module
 */

/** The page may load and connect to this server only, and has no inline script or
 * style. `'self'` covers `ws:` and `wss:` of the same host in today's browsers (CSP
 * level 3). */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** Sent with every response, also with errors and handshakes. */
export const SECURITY_HEADERS: Record<string, string> = {
  "content-security-policy": CONTENT_SECURITY_POLICY,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

/**
 * @param body Text gets a newline at its end, for readers at a terminal.
 * @param headers Added to the security headers; without a `content-type` a body is
 * plain text.
 */
export function reply(
  status: number,
  body: string | Uint8Array<ArrayBuffer> | null,
  headers: Record<string, string> = {},
): Response {
  return new Response(typeof body === "string" ? `${body}\n` : body, {
    status,
    headers: {
      ...(body === null ? {} : { "content-type": "text/plain; charset=utf-8" }),
      ...SECURITY_HEADERS,
      ...headers,
    },
  });
}

/** Whether a `Host` header is a host, maybe with a port, or empty. */
export function isHost(text: string): boolean {
  return text === "" ||
    (!/[/?#\\@\s]/.test(text) && URL.canParse(`http://${text}`));
}

/** The path as it was sent: `new URL` would resolve a `..` that a proxy in front,
 * which guards a path, has passed on. `undefined` if the host would change where the
 * path begins. */
export function pathOf({ url, headers }: Request): string | undefined {
  if (!isHost(headers.get("host") ?? "")) return undefined;
  return /^\w+:\/\/[^/?#]*([^?#]*)/.exec(url)?.[1];
}
