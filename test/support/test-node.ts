/**
 * A whole node in this process for tests: real sockets on free ports of 127.0.0.1, a directory of its own.
 * `startNode` is the production wiring; nothing here is a stand-in.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultConfig, type ServeConfig } from "../../src/config.js";
import { type RunningNode, startNode } from "../../src/node.js";
import { silentLogger } from "../../src/runtime/logger.js";

export interface TestNode {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  readonly mqttPort: number;
  readonly httpPort: number;
  readonly dataDir: string;
  readonly node: RunningNode;
  /** Stops the node and keeps its directory. */
  stop(): Promise<void>;
  /** Stops the node and removes its directory. */
  close(): Promise<void>;
}

/** Starts a node; `overrides` change the default configuration (ports are free ones unless given). */
export async function startTestNode(overrides: Partial<ServeConfig> = {}): Promise<TestNode> {
  const dataDir = overrides.dataDir ?? (await mkdtemp(join(tmpdir(), "jangada-test-")));
  const config: ServeConfig = { ...defaultConfig(), mqttPort: 0, httpPort: 0, ...overrides, dataDir };
  const node = await startNode(config, { logger: silentLogger });
  const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(":") + 1));
  const stop = (): Promise<void> => node.stop();
  return {
    url: `http://${node.http}`,
    mqttPort: portOf(node.mqtt),
    httpPort: portOf(node.http),
    dataDir,
    node,
    stop,
    async close() {
      await stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
