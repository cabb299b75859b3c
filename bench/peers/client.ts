// The shortest client in Deno that prints 10,000 responses in one go and counts
// them, without a look at any.
const COUNT = 10_000;
const socket = new WebSocket(Deno.args[0]);
let lines = "";
let count = 0;
socket.onopen = () => {
  for (let i = 1; i <= COUNT; i++) socket.send(`Message ${i}`);
};
socket.onmessage = ({ data }) => {
  lines += data + "\n";
  if (++count < COUNT) return;
  Deno.stdout.writeSync(new TextEncoder().encode(lines));
  console.error(count);
  Deno.exit();
};
