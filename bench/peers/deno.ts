// Nothing but Deno: the runtime's own limit.
Deno.serve({
  hostname: "127.0.0.1",
  port: 0,
  onListen: ({ port }) => console.log(`http://127.0.0.1:${port}/`),
}, (request) => {
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.onmessage = ({ data }) =>
    socket.send(`${data} ${Math.floor(Math.random() * 100) + 1}`);
  return response;
});
