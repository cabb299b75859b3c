// @ts-nocheck: Bun's globals are not known to Deno
// Bun's own server.
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request, server) {
    if (!server.upgrade(request)) return new Response(null, { status: 426 });
  },
  websocket: {
    message(socket, data) {
      socket.send(`${data} ${Math.floor(Math.random() * 100) + 1}`);
    },
  },
});
console.log(`http://127.0.0.1:${server.port}/`);
