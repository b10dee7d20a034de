/** A process that may open few files: clients that take all they can get do not take what the log needs. */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Agent, fetch } from "undici";
import { expect, it } from "vitest";
import { PROGRAM, saying } from "./support.js";

it("survives connections without end, and goes on writing", { timeout: 60_000 }, async () => {
  const directory = await mkdtemp(join(tmpdir(), "jangada-files-"));
  const segments = "--log-segment-bytes 17MiB --message-segment-bytes 17MiB --snapshot-log-bytes 34MiB";
  const flags = `--mqtt-port 0 --http-port 0 --data-dir ${directory} --retention-bytes 100MiB ${segments}`;
  const node = spawn("sh", ["-c", `ulimit -n 120; exec "${process.execPath}" "${PROGRAM}" serve ${flags}`]);
  const ended = new Promise((resolve) => node.once("exit", resolve));
  const sockets: Socket[] = [];
  try {
    const said = await saying(node.stdout, '"msg":"ready"');
    const port = (edge: string): number => Number(new RegExp(`"${edge}":"[^"]*:(\\d+)"`).exec(said)?.[1]);
    const url = `http://127.0.0.1:${port("http")}`;
    const dispatcher = new Agent({ connections: 1, pipelining: 1 });
    const publish = async (): Promise<void> => {
      const answer = await fetch(`${url}/topics/a/messages`, {
        dispatcher,
        method: "POST",
        body: Buffer.alloc(1_000_000),
      });
      expect([answer.status, (await answer.text()).includes('"topic":"a"')]).toEqual([201, true]);
    };
    await publish();
    for (let i = 0; i < 300; i += 1) {
      const socket = connect(port(i % 2 === 0 ? "mqtt" : "http"), "127.0.0.1");
      socket.on("error", () => undefined);
      sockets.push(socket);
    }
    await expect.poll(() => sockets.some(({ closed }) => closed)).toBe(true);
    // The publisher's own connection is kept alive from before: it is in.
    for (let i = 0; i < 80; i += 1) await publish();
    expect(node.exitCode).toBe(null);
  } finally {
    for (const socket of sockets) socket.destroy();
    node.kill("SIGTERM");
    expect(await ended).toBe(0);
    await rm(directory, { recursive: true, force: true });
  }
});
