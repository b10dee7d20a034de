/** Placeholder. */
import { limits } from "./limits.js";
import type { LogLevel } from "./runtime/logger.js";

/** Everything `jangada serve` can be told. Frozen; parsed once. */
export interface ServeConfig {
  readonly nodeId: string;
  readonly dataDir: string;
  readonly host: string;
  readonly mqttPort: number;
  readonly httpPort: number;
  readonly allowAnonymous: boolean;
  readonly autoCreate: boolean;
  /** "fsync": a commit is on disk before it is acknowledged; "os": it is in the page cache (lost on power failure). */
  readonly durability: "fsync" | "os";
  readonly logLevel: LogLevel;
  readonly payloadBytesMax: number;
  readonly connectionsMax: number;
  readonly topicsMax: number;
  readonly retentionAgeMs: number;
  readonly retentionBytes: number;
  readonly logSegmentBytes: number;
  readonly messageSegmentBytes: number;
  readonly snapshotLogBytes: number;
  /** Origins that browsers may call from (CORS); "*" for any. Empty: none. */
  readonly corsOrigins: readonly string[];
}

/** The configuration of `jangada serve` without flags, variables or file. */
export function defaultConfig(): ServeConfig {
  return {
    nodeId: "1",
    dataDir: "data",
    host: "127.0.0.1",
    mqttPort: 1883,
    httpPort: 8080,
    allowAnonymous: false,
    autoCreate: true,
    durability: "fsync",
    logLevel: "info",
    payloadBytesMax: limits.payloadBytesMax,
    connectionsMax: limits.connectionsMax,
    topicsMax: limits.topicsMax,
    retentionAgeMs: limits.retentionAgeMs,
    retentionBytes: limits.retentionBytes,
    logSegmentBytes: limits.logSegmentBytes,
    messageSegmentBytes: limits.messageSegmentBytes,
    snapshotLogBytes: limits.snapshotLogBytes,
    corsOrigins: [],
  };
}
