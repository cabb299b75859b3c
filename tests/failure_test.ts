import { assert, assertEquals } from "@std/assert";
import { describeFailure } from "../lib/failure.ts";

const handshake = (cause: string) =>
  describeFailure(
    0,
    "",
    `NetworkError: failed to connect to WebSocket: ${cause}`,
  );

Deno.test("describeFailure() tells TLS errors in plain words, for which no other try is worth it", () => {
  const certificate = "invalid peer certificate: ";
  const causes = {
    [`${certificate}UnknownIssuer`]:
      "its certificate is from an unknown authority; see --ca",
    [`${certificate}Other(OtherError(CaUsedAsEndEntity))`]:
      "its certificate is an authority's own; make one for the server (basicConstraints CA:FALSE)",
    [`${certificate}certificate not valid for name "a"; certificate is only valid for DnsName("b")`]:
      "its certificate is for another host",
    [`${certificate}certificate expired: verification time 5`]:
      "its certificate has expired",
    [`${certificate}Revoked\x1b`]: "its certificate is not valid: Revoked\\x1b",
    "received fatal alert: NoApplicationProtocol":
      "its TLS does not offer HTTP/1.1",
    "received corrupt message of type InvalidContentType":
      "it does not speak TLS; use ws:// and not wss://",
  };
  for (const [cause, message] of Object.entries(causes)) {
    assertEquals(handshake(cause), { message, fatal: true });
  }
});

Deno.test("describeFailure() tries again after 5xx, 408, 425 and 429, and after no other status", () => {
  for (
    const [status, fatal] of [
      [200, true],
      [302, true],
      [401, true],
      [404, true],
      [408, false],
      [425, false],
      [429, false],
      [500, false],
      [503, false],
    ]
  ) {
    const failure = handshake(`Invalid status code: ${status}`);
    assertEquals([failure.fatal, failure.unreachable], [fatal, undefined]);
  }
  assertEquals(
    handshake("Invalid status code: 404").message,
    "handshake refused with 404 Not Found",
  );
  assertEquals(
    handshake("Invalid status code: 599").message,
    "handshake refused with 599",
  );
});

Deno.test("describeFailure() cuts and escapes what the peer said", () => {
  const { message } = describeFailure(1008, "\x1b".repeat(123), "");
  assert(!message.includes("\x1b") && message.length < 180, message);
  assert(describeFailure(0, "", "x".repeat(1e6)).message.length < 300);
});
