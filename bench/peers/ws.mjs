// @ts-nocheck: ws has no types, and is installed for Node alone
// npm's ws on Node.
import { createRequire } from "node:module";

const { WebSocketServer } = createRequire(import.meta.url)("ws");

const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
server.on("listening", () => {
  console.log(`http://127.0.0.1:${server.address().port}/`);
});
server.on("connection", (socket) => {
  socket.on("message", (data) => {
    socket.send(`${data} ${Math.floor(Math.random() * 100) + 1}`);
  });
});
