/** A client of the campaign that goes away: whenever it is told to, also while a node lets it in. */
import { createServer, type Server } from "node:net";
import { afterEach, expect, test } from "vitest";
import { ClusterNode } from "../../../../load/lib/cluster-node.js";
import { delay } from "../../../../load/lib/support.js";
import { Seat } from "../../../../load/sessions/seat.js";

const HOST = "127.0.0.1";
const CONNACK = Buffer.from([0x20, 0x02, 0x00, 0x00]);
const LATE_MS = 150;

let server: Server;
afterEach(() => new Promise((resolve) => server.close(resolve)));

function nodeAt(port: number): ClusterNode {
  const address = { host: HOST, port };
  const files = { dataDir: "none", logFile: "none", launcher: [], flags: [] };
  return new ClusterNode(
    1,
    { http: address, mqtt: address, peer: address, advertised: address, ...files },
    [],
  );
}

test("one who is told to leave while it is let in leaves", async () => {
  let lateMs = 0;
  server = createServer((socket) => {
    socket.once("data", () => setTimeout(() => socket.write(CONNACK), lateMs));
    socket.on("error", () => undefined);
  });
  const port = await new Promise<number>((resolve) => {
    server.listen(0, HOST, () => {
      const address = server.address();
      resolve(address !== null && typeof address === "object" ? address.port : 0);
    });
  });
  const seat = new Seat({ name: "guest", level: 4, events: {}, report: () => undefined });
  await seat.settle(nodeAt(port), true);
  lateMs = LATE_MS;
  seat.hop(false);
  await delay(LATE_MS / 3);
  const left = seat.leave().then(() => "left");
  expect(await Promise.race([left, delay(20 * LATE_MS)])).toBe("left");
});
