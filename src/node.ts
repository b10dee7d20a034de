/** Wires one node together: build, open, connect, listen; close in reverse order. (Being written.) */
import type { ServeConfig } from "./config.js";
import type { Logger } from "./runtime/logger.js";

export interface RunningNode {
  readonly nodeId: string;
  /** `host:port` */
  readonly mqtt: string;
  readonly http: string;
  stop(): Promise<void>;
}

export async function startNode(
  _config: ServeConfig,
  _options: { readonly logger: Logger },
): Promise<RunningNode> {
  throw new Error("being written");
}
