// @ts-nocheck: a script for Node
// A server of Node's own, for the tests of handshakes: it answers each WebSocket
// handshake as the path says, `/503` with 503, and with `/second` all but the first.
//
// node _node_server.mjs http | https | http2 [certificate, key]

import fs from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import process from "node:process";

const [kind, cert, key] = process.argv.slice(2);
const options = cert
  ? { cert: fs.readFileSync(cert), key: fs.readFileSync(key) }
  : {};
const server = kind === "http"
  ? http.createServer()
  : kind === "https"
  ? https.createServer(options)
  : http2.createSecureServer(options);

const ACCEPTED = "Upgrade: websocket\r\nSec-WebSocket-Accept: x\r\n";
const HEADERS = {
  101: `${ACCEPTED}Connection: keep-alive, Upgrade\r\n`,
  301: "Location: https://example.com/ws?token=secret\r\n",
};
let handshakes = 0;

server.on("upgrade", (request, socket) => {
  handshakes++;
  const path = request.url.slice(1);
  const [status, headers] = path !== "second"
    ? [path, HEADERS[path] ?? ""]
    : handshakes === 1
    ? ["503", ""]
    : ["101", `${ACCEPTED}Connection: Upgrade\r\n`];
  socket.end(`HTTP/1.1 ${status} -\r\n${headers}Content-Length: 0\r\n\r\n`);
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
