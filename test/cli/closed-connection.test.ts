/** A node that closes a connection which it has just accepted (it is full, or stops) must not end a program that asks it in silence. */
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { freePort, removeDirectory, temporaryDirectory } from "../../load/lib/support.js";
import { heldFetch } from "../../src/runtime/held-fetch.js";
import { run } from "./support.js";

const REFUSAL = JSON.stringify({ code: "member_removed", detail: "ids are never used again" });
const ANSWER = `HTTP/1.1 409 Conflict\r\ncontent-type: application/problem+json\r\ncontent-length: ${REFUSAL.length}\r\n\r\n${REFUSAL}`;

let server: Server | null = null;
afterEach(() => {
  server?.close();
});

/** Closes the first connections at once, and refuses what comes on later ones. */
async function closing(first: number): Promise<string> {
  let connections = 0;
  server = createServer({ allowHalfOpen: true }, (socket: Socket) => {
    socket.on("error", () => undefined);
    connections += 1;
    if (connections <= first) socket.end();
    else socket.once("data", () => socket.end(ANSWER));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return `http://127.0.0.1:${address.port}`;
}

describe("connections that are closed as soon as they are accepted", () => {
  test("do not end a node that joins: it asks again", async () => {
    const url = await closing(1);
    const dataDir = temporaryDirectory("closed-connection");
    const { code, stdout } = await run([
      ...["serve", "--node-id", "7", "--join", url, "--data-dir", dataDir],
      ...[
        "--mqtt-port",
        "0",
        "--http-port",
        "0",
        "--peer-host",
        "127.0.0.1",
        "--peer-port",
        String(await freePort()),
      ],
    ]);
    removeDirectory(dataDir);
    expect(code).toBe(1);
    expect(stdout.toString()).toContain('"code":"join_refused"');
  }, 40_000);

  test("are told within the time that a program gives an answer", async () => {
    await expect(heldFetch(new URL(await closing(1_000)), {}, 300)).rejects.toThrow(
      /no answer within 0.3 s|fetch failed/,
    );
  });
});
