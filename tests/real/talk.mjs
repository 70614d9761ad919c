// Talks through a gateway with Node's `ws`: waits for the handshake, sends one Ogg page, prints the kinds it hears.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const [modules, url, recording] = process.argv.slice(2);
const { WebSocket } = createRequire(`${modules}/`)("ws");
const kinds = new Set();
const socket = new WebSocket(url);
socket.on("error", (error) => { console.error(error.message); process.exit(1); });
socket.on("close", (code) => { console.error(`closed ${code}`); process.exit(1); });
socket.on("message", (data) => {
  kinds.add(data[0]);
  if (data[0] === 0) socket.send(Buffer.concat([Buffer.from([1]), readFileSync(recording)]));
  if (kinds.has(0) && kinds.has(1) && kinds.has(2)) {
    console.log([...kinds].sort().join(" "));
    process.exit(0);
  }
});
