/**
 * HTTP responses with the headers that every one of them carries.
 *
 * @module
 */

/** Nothing but what this server itself serves may run, be shown or connected
 * to; no inline script or style. `'self'` covers `ws:` and `wss:` of the same
 * host in today's browsers (CSP level 3). */
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

/** Sent with every response, errors and the handshake included. */
export const SECURITY_HEADERS: Record<string, string> = {
  "content-security-policy": CONTENT_SECURITY_POLICY,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

/**
 * Makes a response.
 *
 * @param body Text gets a newline at its end, for the reader at a terminal.
 * @param headers Added to the security headers; `content-type` is plain text if
 * it is not among them.
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
