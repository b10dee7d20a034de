/** What `jangada serve` runs with, as a value: made once from flags, variables, file and defaults, then frozen. */
import type { LogLevel } from "../runtime/logger.js";

/** A founding voter and where its peers dial it (`host:port`). */
export interface Founder {
  readonly id: string;
  readonly peer: string;
}

/** Everything `jangada serve` can be told. Frozen; parsed once. Each field is one row of settings.ts. */
export interface ServeConfig {
  /** A positive whole number in decimal digits. */
  readonly nodeId: string;
  /** One voter, this node: so unless `initialCluster` or `joinUrl` says otherwise. */
  readonly singleNode: boolean;
  /** The founding voters by number; empty when this node founds alone or joins. Frozen. */
  readonly initialCluster: readonly Founder[];
  /** A member's HTTP address: this node asks there to be let in. */
  readonly joinUrl: string | null;
  /** With `joinUrl`: never votes. */
  readonly isLearner: boolean;
  /** What `peerSettings` (peer-address.ts) makes the peer listener of. */
  readonly peerHost: string | null;
  readonly peerPort: number | null;
  readonly peerAdvertise: string | null;
  /** Read by secret-file.ts. */
  readonly clusterSecretFile: string | null;
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
  /** `host:port` that MQTT clients elsewhere are told of (Server Reference, MQTT 5.0, 4.13.1); `null`: where the node listens. */
  readonly mqttAdvertise: string | null;
  /** The longest that a session outlives its connection; 0xFFFFFFFF for ever. */
  readonly sessionExpirySecondsMax: number;
  /** The longest keep-alive that a client may have; 5.0 clients are told (Server Keep Alive, 3.2.2.3.14). */
  readonly keepAliveSecondsMax: number;
  /** What sessions that are behind may hold back from retention, beyond `retentionBytes`. */
  readonly sessionBacklogBytes: number;
  /** Nobody may subscribe to these topic filters, as they are written. */
  readonly denySubscribe: readonly string[];
  /** How often `$SYS` topics are published; 0 for never. */
  readonly sysIntervalMs: number;
  readonly topicsMax: number;
  readonly retentionAgeMs: number;
  readonly retentionBytes: number;
  readonly logSegmentBytes: number;
  readonly messageSegmentBytes: number;
  readonly snapshotLogBytes: number;
  /** Origins that browsers may call from (CORS); "*" for any. Empty: none. */
  readonly corsOrigins: readonly string[];
}

/** A field of the configuration. */
export type SettingKey = keyof ServeConfig;
