/**
 * The one table of settings: flags, environment variables, file keys, checks, defaults, `--help` and docs/configuration.md
 * all come from its rows.
 */
import { limits } from "../limits.js";
import {
  bytes,
  count,
  duration,
  httpUrl,
  type Kind,
  listenAddress,
  nodeNumber,
  oneOf,
  optional,
  origins,
  path,
  seconds,
  toggle,
  topicFilters,
} from "./kinds.js";
import { founders, peerAddress } from "./peer-kinds.js";
import type { ServeConfig, SettingKey } from "./serve-config.js";

/** Session Expiry Interval and Keep Alive as MQTT 5.0 has them (3.1.2.11.2, 3.1.2.10). */
const SESSION_NEVER_EXPIRES = 0xffff_ffff;
const KEEP_ALIVE_SECONDS_MAX = 65_535;

/** One row. The flag is `--` + name, the variable `JANGADA_` + name in capitals, the file key the name itself. */
export interface Setting<Value> {
  readonly name: string;
  readonly kind: Kind<Value>;
  readonly defaultValue: Value;
  /** One sentence, lower case, no full stop. */
  readonly help: string;
}

/** A row for every field of the configuration. */
export type Settings = { readonly [Key in SettingKey]: Setting<ServeConfig[Key]> };

/** A segment holds any batch at least twice over (limits.ts), and a header. */
const SEGMENT_BYTES_MIN = 2 * limits.batchBytesMax + 1024 * 1024;
/** A segment is the step of retention and of compaction: past this the steps are too coarse to be meant. */
const SEGMENT_BYTES_MAX = 1024 ** 3;
const SNAPSHOT_LOG_BYTES_MIN = 1024 * 1024;
const RETENTION_AGE_MS_MIN = 1_000;
const CONNECTIONS_MAX = 1_000_000;
const TOPICS_MAX = 10_000_000;
const PORT_MAX = 65_535;

/** Who and where: the node, its directory, its doors. */
const identity = {
  nodeId: {
    name: "node-id",
    kind: nodeNumber(),
    defaultValue: "1",
    help: "this node's number, its own in the cluster",
  },
  singleNode: {
    name: "single-node",
    kind: toggle(),
    defaultValue: true,
    help: "run a group of this node alone; so unless --initial-cluster or --join is given",
  },
  dataDir: {
    name: "data-dir",
    kind: path(),
    defaultValue: "data",
    help: "where the log, the messages and the state are kept; made when missing, one node at a time",
  },
  host: {
    name: "host",
    kind: listenAddress(),
    defaultValue: "127.0.0.1",
    help: "address that MQTT and HTTP listen on; other than loopback needs --allow-anonymous",
  },
  mqttPort: {
    name: "mqtt-port",
    kind: count(0, PORT_MAX, "PORT"),
    defaultValue: 1883,
    help: "MQTT port; 0 picks a free one",
  },
  httpPort: {
    name: "http-port",
    kind: count(0, PORT_MAX, "PORT"),
    defaultValue: 8080,
    help: "HTTP port; 0 picks a free one",
  },
  allowAnonymous: {
    name: "allow-anonymous",
    kind: toggle(),
    defaultValue: false,
    help: "let everybody who can reach a non-loopback address publish, subscribe and delete",
  },
  corsOrigins: {
    name: "cors-origins",
    kind: origins(),
    defaultValue: [],
    help: "web origins that browsers may call from, separated by commas; * for any",
  },
} satisfies Partial<Settings>;

/** With whom: the cluster that it founds or joins, and where its peers find it. */
const cluster = {
  initialCluster: {
    name: "initial-cluster",
    kind: founders(),
    defaultValue: [],
    help: "the nodes that found a cluster together, with their peer addresses; the same text on each of them",
  },
  joinUrl: {
    name: "join",
    kind: optional(httpUrl()),
    defaultValue: null,
    help: "join the cluster of the node at this HTTP address, as a voter when it has caught up",
  },
  isLearner: {
    name: "learner",
    kind: toggle(),
    defaultValue: false,
    help: "with --join: take publishes and serve streams, never vote",
  },
  peerHost: {
    name: "peer-host",
    kind: optional(listenAddress()),
    defaultValue: null,
    help: "address that other nodes are listened for; else the one they dial, 0.0.0.0 where that is a name",
  },
  peerPort: {
    name: "peer-port",
    kind: optional(count(0, PORT_MAX, "PORT")),
    defaultValue: null,
    help: "port that other nodes are listened for, else the one in --initial-cluster; 0 picks a free one",
  },
  peerAdvertise: {
    name: "peer-advertise",
    kind: optional(peerAddress()),
    defaultValue: null,
    help: "what other nodes dial, where it is not the address listened on",
  },
  clusterSecretFile: {
    name: "cluster-secret-file",
    kind: optional(path("PATH")),
    defaultValue: null,
    help: "file with the secret that all nodes of the cluster share; needed where a peer address is not loopback",
  },
} satisfies Partial<Settings>;

/** What it does, what it keeps, where it stops. */
const behaviour = {
  autoCreate: {
    name: "auto-create",
    kind: toggle(),
    defaultValue: true,
    help: "make a topic on its first publish or subscribe",
  },
  durability: {
    name: "durability",
    kind: oneOf(["fsync", "os"]),
    defaultValue: "fsync",
    help: "fsync: on disk before it is acknowledged; os: in the page cache, lost when the power fails",
  },
  logLevel: {
    name: "log-level",
    kind: oneOf(["debug", "info", "warn", "error", "fatal", "silent"]),
    defaultValue: "info",
    help: "the least severe lines that are logged",
  },
  payloadBytesMax: {
    name: "max-payload-bytes",
    kind: bytes(1, limits.batchBytesMax),
    defaultValue: limits.payloadBytesMax,
    help: "the largest payload of one message",
  },
  connectionsMax: {
    name: "max-connections",
    kind: count(1, CONNECTIONS_MAX),
    defaultValue: limits.connectionsMax,
    help: "connections taken at most, by edge",
  },
  mqttAdvertise: {
    name: "mqtt-advertise",
    kind: optional(peerAddress()),
    defaultValue: null,
    help: "where other nodes send their MQTT clients when they stop; else the address listened on, unless that is every one",
  },
  sessionExpirySecondsMax: {
    name: "max-session-expiry",
    kind: seconds(SESSION_NEVER_EXPIRES),
    defaultValue: SESSION_NEVER_EXPIRES,
    help: "the longest that a session outlives its connection; 4294967295 seconds for ever",
  },
  keepAliveSecondsMax: {
    name: "max-keep-alive",
    kind: seconds(KEEP_ALIVE_SECONDS_MAX),
    defaultValue: KEEP_ALIVE_SECONDS_MAX,
    help: "the longest keep-alive that an MQTT client may have; clients of 5.0 that ask for more or for none are told",
  },
  sessionBacklogBytes: {
    name: "session-backlog-bytes",
    kind: bytes(0),
    defaultValue: limits.sessionBacklogBytes,
    help: "what kept sessions that are behind may hold back from retention, beyond --retention-bytes",
  },
  denySubscribe: {
    name: "deny-subscribe",
    kind: topicFilters(),
    defaultValue: [],
    help: "topic filters that nobody may subscribe to over MQTT, as they are written, separated by commas",
  },
  sysIntervalMs: {
    name: "sys-interval",
    kind: duration(0),
    defaultValue: limits.sysIntervalMs,
    help: "how often the $SYS topics are published; 0 for never",
  },
  topicsMax: {
    name: "max-topics",
    kind: count(1, TOPICS_MAX),
    defaultValue: limits.topicsMax,
    help: "topics at most; each costs about half a KiB of memory",
  },
  retentionAgeMs: {
    name: "retention-age",
    kind: duration(RETENTION_AGE_MS_MIN),
    defaultValue: limits.retentionAgeMs,
    help: "how long messages are kept in topics that do not say so themselves",
  },
  retentionBytes: {
    name: "retention-bytes",
    kind: bytes(2 * SEGMENT_BYTES_MIN),
    defaultValue: limits.retentionBytes,
    help: "what all messages together may take on disk; more than two message segments",
  },
  logSegmentBytes: {
    name: "log-segment-bytes",
    kind: bytes(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX),
    defaultValue: limits.logSegmentBytes,
    help: "size of one file of the Raft log",
  },
  messageSegmentBytes: {
    name: "message-segment-bytes",
    kind: bytes(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX),
    defaultValue: limits.messageSegmentBytes,
    help: "size of one file of messages, the step in which the oldest are dropped",
  },
  snapshotLogBytes: {
    name: "snapshot-log-bytes",
    kind: bytes(SNAPSHOT_LOG_BYTES_MIN),
    defaultValue: limits.snapshotLogBytes,
    help: "how much the log grows between two snapshots",
  },
} satisfies Partial<Settings>;

/** Every setting of `jangada serve`, in the order of help and documentation. */
export const SETTINGS: Settings = { ...identity, ...cluster, ...behaviour };

/** Names the file: a flag and a variable, and no key, since a file does not name another. */
export const CONFIG_FILE = {
  name: "config",
  placeholder: "FILE",
  help: "read settings from a YAML or JSON file",
} as const;

/** Variables that the client commands read; `serve` leaves them alone. */
export const CLIENT_VARIABLES: readonly string[] = ["JANGADA_URL", "JANGADA_MQTT_URL"];

const VARIABLE_PREFIX = "JANGADA_";

/** `mqtt-port` is `JANGADA_MQTT_PORT`. */
export function variableOf(name: string): string {
  return VARIABLE_PREFIX + name.toUpperCase().replaceAll("-", "_");
}

/** Whether a variable is meant for Jangada, well written or not. */
export function isOurVariable(variable: string): boolean {
  return variable.startsWith(VARIABLE_PREFIX);
}

/** What one name stands for: a setting, or with `no-` before a switch its opposite. */
export interface NamedSetting {
  readonly key: SettingKey;
  readonly name: string;
  /** The name is `no-` + the setting's. */
  readonly negated: boolean;
  /** Takes no value on the command line. */
  readonly isSwitch: boolean;
}

function namedSettings(): Map<string, NamedSetting> {
  const byName = new Map<string, NamedSetting>();
  for (const key of settingKeys()) {
    const { name, kind } = SETTINGS[key];
    const isSwitch = kind.placeholder === "";
    byName.set(name, { key, name, negated: false, isSwitch });
    if (isSwitch) byName.set(`no-${name}`, { key, name: `no-${name}`, negated: true, isSwitch });
  }
  return byName;
}

/** The fields in the order of the table. */
export function settingKeys(): readonly SettingKey[] {
  return Object.keys(SETTINGS) as SettingKey[];
}

/** Every name that flags, variables and files may use. */
export const NAMED_SETTINGS: ReadonlyMap<string, NamedSetting> = namedSettings();
