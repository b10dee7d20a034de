/** What is left of a node whose start failed: nothing. The next start, in the same process too, finds everything free. */
import { mkdtemp, rm } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defaultConfig, type ServeConfig } from "../../src/config.js";
import { startNode } from "../../src/node.js";
import { silentLogger } from "../../src/runtime/logger.js";
import { turnOfLoop } from "../support/memory-group.js";

const listeners = (): number =>
  process.getActiveResourcesInfo().filter((kind) => kind === "TCPServerWrap").length;

let dataDir: string;
let before: number;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "jangada-start-"));
  before = listeners();
});

afterEach(() => rm(dataDir, { recursive: true, force: true }));

const configOf = (overrides: Partial<ServeConfig>): ServeConfig => ({
  ...defaultConfig(),
  mqttPort: 0,
  httpPort: 0,
  peerHost: "127.0.0.1",
  peerPort: 0,
  ...overrides,
  dataDir,
});

describe("a start that fails", () => {
  test("because the peer port is taken leaves the directory to the next one", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    const config = configOf({ peerPort: port });
    await expect(startNode(config, { logger: silentLogger })).rejects.toMatchObject({
      code: "peer_port_taken",
    });
    await new Promise((resolve) => other.close(resolve));
    const node = await startNode(config, { logger: silentLogger });
    expect(node.peer).toBe(`127.0.0.1:${port}`);
    await node.stop();
    expect(listeners()).toBe(before);
  });

  test("because the cluster refuses it does not go on listening for peers", async () => {
    const cluster = createHttpServer((_request, response) => {
      response.writeHead(409, { "content-type": "application/problem+json" });
      response.end(JSON.stringify({ code: "member_exists", detail: "no" }));
    });
    await new Promise<void>((resolve) => cluster.listen(0, "127.0.0.1", resolve));
    const { port } = cluster.address() as AddressInfo;
    const config = configOf({ nodeId: "7", joinUrl: `http://127.0.0.1:${port}`, singleNode: false });
    await expect(startNode(config, { logger: silentLogger })).rejects.toMatchObject({ code: "join_refused" });
    cluster.closeAllConnections();
    await new Promise((resolve) => cluster.close(resolve));
    // The system's own part of closing takes a few turns of the loop.
    for (let turn = 0; turn < 100 && listeners() > before; turn += 1) await turnOfLoop();
    expect(listeners()).toBe(before);
  });
});
