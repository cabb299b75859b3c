import { assert, assertEquals, assertMatch } from "@std/assert";
import { describeFailure } from "../../lib/client/failure.ts";
import { pureTest as test } from "../../harness/tests.ts";

const handshake = (cause: string, secure = true) =>
  describeFailure(
    0,
    "",
    `NetworkError: failed to connect to WebSocket: ${cause}`,
    secure,
  );

test("describeFailure() tells TLS errors in plain words, for which no other try is worth it", () => {
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
    [`${certificate}NotValidYet`]: "its certificate is not valid yet",
    [`${certificate}Revoked\x1b`]: "its certificate is not valid: Revoked\\x1b",
    "received fatal alert: NoApplicationProtocol":
      "its TLS does not offer HTTP/1.1",
    "received corrupt message of type InvalidContentType":
      "it does not speak TLS; use ws:// and not wss://",
    "received fatal alert: HandshakeFailure":
      "its TLS has no cipher that this client has, or it wants a client certificate; see --cert (HandshakeFailure)",
    "received fatal alert: ProtocolVersion":
      "TLS failed (received fatal alert: ProtocolVersion)",
    "received fatal alert: UnrecognisedName":
      "TLS failed (received fatal alert: UnrecognisedName)",
    "received fatal alert: CertificateRequired":
      "it wants a client certificate; see --cert",
    'received corrupt message of type MissingData("Random")':
      'TLS failed (received corrupt message of type MissingData("Random"))',
    "invalid HTTP status-code parsed": "it does not speak HTTP",
    "Invalid connection header":
      'its answer has another Connection header than "Upgrade", and Deno takes no list there, such as "keep-alive, Upgrade"',
    "Invalid upgrade header":
      "it does not speak WebSocket at that path (Invalid upgrade header)",
    "message head is too large":
      "its answer to the handshake is too long to read",
  };
  for (const [cause, message] of Object.entries(causes)) {
    assertEquals(handshake(cause), { message, fatal: true });
  }
});

test("describeFailure() tells what may pass, for which another try is worth it", () => {
  const causes = {
    "dns error: failed to lookup address":
      "no address is known for its host name",
    "tls handshake eof": "it closed the connection during the TLS handshake",
    "unsuccessful tunnel": "the proxy could not connect to it",
    "a second handshake succeeded":
      "the handshake failed, and another one succeeded",
    "HTTP/2 not supported by this client": "the handshake failed",
  };
  for (const [cause, message] of Object.entries(causes)) {
    assertEquals(handshake(cause), { message, fatal: false });
  }
  assertEquals(handshake("proxy authentication required"), {
    message: "the proxy wants a user and a password: http://user:password@host",
    fatal: true,
  });
});

test("describeFailure() tells how an open connection ended", () => {
  const ends: [number, string, string][] = [
    [1000, "", "closed with 1000"],
    [1011, "because", "closed with 1011: because"],
    [1002, "", "closed with 1002 (protocol error)"],
    [1003, "", "closed with 1003 (unsupported data)"],
    [1007, "why", "closed with 1007 (invalid payload data): why"],
    [1008, "", "closed with 1008 (policy violation)"],
    [1009, "", "closed with 1009 (message too big)"],
    [1011, "x".repeat(126), `closed with 1011: ${"x".repeat(124)}…`],
    [1006, "", "connection lost (1006, no close frame)"],
    [0, "", "connection lost (1006, no close frame)"],
  ];
  for (const [code, reason, message] of ends) {
    assertEquals(describeFailure(code, reason, "", true).message, message);
  }
  for (const error of ["NetworkError: ", "Error: ", ""]) {
    assertEquals(
      describeFailure(1006, "", `${error}an Error: reset`, true),
      { message: "connection lost (1006, an Error: reset)", fatal: false },
    );
  }
  for (const [code, policy] of [[1008, true], [1009, false]] as const) {
    assertEquals(describeFailure(code, "", "", true).policy, policy);
  }
});

test("describeFailure() asks whether the server is running only where TCP was refused", () => {
  // Recorded in both Denos, with `ulimit -n` and few ports.
  const causes = {
    "tcp connect error": "no TCP connection (is the server running?)",
    "tcp connect error: Connection refused (os error 111)":
      "no TCP connection (is the server running?)",
    "tcp connect error: No route to host (os error 113)":
      "no TCP connection: No route to host (os error 113)",
    "tcp connect error: Cannot assign requested address (os error 99)":
      "no TCP connection: no local port is left for another one (Cannot assign requested address (os error 99))",
    "tcp open error: Too many open files (os error 24)":
      "no file descriptor is left for another connection (see ulimit -n)",
    "tcp open error":
      "no file descriptor is left for another connection (see ulimit -n)",
  };
  for (const [cause, message] of Object.entries(causes)) {
    assertEquals(handshake(cause), { message, fatal: false });
  }
  for (
    const cause of [
      "connection closed before message completed",
      "connection error",
      "operation was canceled",
      "Connection reset by peer (os error 104)",
    ]
  ) {
    assertEquals(handshake(cause), {
      message: "it closed the connection instead of answering the handshake",
      fatal: false,
    });
  }
  assertEquals(handshake("something new"), {
    message: "something new",
    fatal: false,
  });
});

test("describeFailure() says that wss:// may be meant where ws:// meets TLS", () => {
  for (
    const cause of [
      "invalid HTTP version parsed", // a TLS alert, say
      "connection closed before message completed",
      "Invalid status code: 400", // nginx and Go
    ]
  ) {
    assertMatch(
      handshake(cause, false).message,
      /; if that is a TLS port, use wss:\/\/$/,
    );
    assert(!handshake(cause, true).message.includes("wss://"));
  }
});

test("describeFailure() tries again after 5xx, 408, 425 and 429, and after no other status", () => {
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
      [599, false],
      [600, true],
      [999, true],
    ]
  ) {
    const failure = handshake(`Invalid status code: ${status}`);
    assertEquals(failure.fatal, fatal);
  }
  assertEquals(
    handshake("Invalid status code: 409").message,
    "handshake refused with 409 Conflict",
  );
  assertEquals(
    handshake("Invalid status code: 599").message,
    "handshake refused with 599",
  );
});

test("describeFailure() cuts and escapes what the peer said", () => {
  const { message } = describeFailure(1008, "\x1b".repeat(123), "", true);
  assert(!message.includes("\x1b") && message.length < 180, message);
  const cause = "x".repeat(201);
  assertEquals(handshake(cause).message, `${"x".repeat(199)}…`);
});

test("describeFailure() says what a status may mean, and where a redirect leads", () => {
  const causes = {
    "200":
      "200 OK; no WebSocket is there, or a proxy before it does not pass Upgrade",
    "400":
      "400 Bad Request; it may want a subprotocol (--subprotocol) or a client certificate (--cert)",
    "403": "403 Forbidden; it may take some origins only; see --header",
    "407":
      "407 Proxy Auth Required; the proxy wants a user and a password: http://user:password@host",
    "401": "401 Unauthorized; see --header, or put user:password@ into the URL",
    "404": "404 Not Found; ws-random's endpoint is /ws",
    "426": "426 Upgrade Required; a proxy before it may not pass Upgrade",
    "307 //a/http":
      "307 Temporary Redirect; it redirects to //a/http: give //a/http",
    "302 https://me:secret@http/?key=secret":
      "302 Found; it redirects to https://me:***@http/?key=***: give wss://me:***@http/?key=***",
  };
  for (const [status, message] of Object.entries(causes)) {
    assertEquals(handshake(`Invalid status code: ${status}`), {
      message: `handshake refused with ${message}`,
      fatal: true,
    });
  }
});
