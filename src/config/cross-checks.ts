/** What no value can be judged by alone: settings that contradict or need one another. The messages say what to add or to change. */
import { ConfigError } from "../errors.js";
import { isLoopback } from "./doors.js";
import { isLoopbackPeer, isWildcard, peerSettings } from "./peer-address.js";
import type { ServeConfig, SettingKey } from "./serve-config.js";
import { SETTINGS } from "./settings.js";
import { formatBytes } from "./units.js";

/** Where a setting was written (`flag --mqtt-port`); `undefined` when it has its default. */
export type PlaceOf = (key: SettingKey) => string | undefined;

/** Complains about the settings as a whole, in the name of one of them. */
class Judge {
  readonly config: ServeConfig;
  readonly #placeOf: PlaceOf;

  constructor(config: ServeConfig, placeOf: PlaceOf) {
    this.config = config;
    this.#placeOf = placeOf;
  }

  isGiven(key: SettingKey): boolean {
    return this.#placeOf(key) !== undefined;
  }

  place(key: SettingKey): string {
    return this.#placeOf(key) ?? `setting ${SETTINGS[key].name} (its default)`;
  }

  refuse(isWrong: boolean, key: SettingKey, reason: string): void {
    if (isWrong) throw new ConfigError(`${this.place(key)}: ${reason}`);
  }
}

/** Throws `ConfigError` with one line for the first contradiction. */
export function checkTogether(config: ServeConfig, placeOf: PlaceOf): void {
  const judge = new Judge(config, placeOf);
  checkDoors(judge);
  checkSizes(judge);
  checkBeginning(judge);
  checkPeers(judge);
}

function checkDoors(judge: Judge): void {
  const { host, allowAnonymous, mqttPort, httpPort } = judge.config;
  judge.refuse(
    !isLoopback(host) && !allowAnonymous,
    "host",
    `${host} can be reached from other machines and there is no authentication; ` +
      "add --allow-anonymous to let everybody in, or listen on 127.0.0.1",
  );
  judge.refuse(
    mqttPort !== 0 && mqttPort === httpPort,
    "httpPort",
    `${httpPort} is the MQTT port too (${judge.place("mqttPort")})`,
  );
}

function checkSizes(judge: Judge): void {
  const { messageSegmentBytes, retentionBytes } = judge.config;
  const above = 2 * messageSegmentBytes;
  judge.refuse(
    retentionBytes <= above,
    "retentionBytes",
    `must be more than two message segments (${formatBytes(above)}), not ${formatBytes(retentionBytes)}; ` +
      "raise it, or lower --message-segment-bytes",
  );
}

/** How the node comes to its cluster: alone, as a founder, or by joining. */
function checkBeginning(judge: Judge): void {
  const { singleNode, initialCluster, joinUrl, isLearner, nodeId, peerPort } = judge.config;
  const founds = initialCluster.length > 0;
  const joins = joinUrl !== null;
  judge.refuse(
    joins && founds,
    "joinUrl",
    `a node founds a cluster or joins one; leave out --join or --initial-cluster (${judge.place("initialCluster")})`,
  );
  judge.refuse(
    singleNode && (joins || founds),
    "singleNode",
    `a single node has no others; leave it out, or leave out ${judge.place(joins ? "joinUrl" : "initialCluster")}`,
  );
  judge.refuse(
    !singleNode && !joins && !founds,
    "singleNode",
    "which others? name them with --initial-cluster, or a member with --join",
  );
  judge.refuse(
    founds && !initialCluster.some(({ id }) => id === nodeId),
    "initialCluster",
    `must name this node too, which is ${nodeId} (${judge.place("nodeId")}); add ${nodeId}=HOST:PORT or correct --node-id`,
  );
  judge.refuse(isLearner && !joins, "isLearner", "only with --join");
  judge.refuse(
    joins && !judge.isGiven("nodeId"),
    "joinUrl",
    "needs --node-id with a number that this cluster has never used",
  );
  judge.refuse(joins && peerPort === null, "joinUrl", "needs --peer-port, where the others reach this node");
}

/** Where the node is found by its peers, and that strangers are not taken for them. */
function checkPeers(judge: Judge): void {
  const { config } = judge;
  const listening = peerSettings(config);
  for (const key of ["peerHost", "peerAdvertise"] as const) {
    judge.refuse(listening === null && judge.isGiven(key), key, "needs --peer-port or --initial-cluster");
  }
  if (listening === null) return;
  const { host, port, advertise } = listening;
  const portPlace = config.peerPort === null ? "initialCluster" : "peerPort";
  for (const [key, name] of [
    ["mqttPort", "MQTT"],
    ["httpPort", "HTTP"],
  ] as const) {
    const isTaken = port !== 0 && port === config[key];
    judge.refuse(isTaken, portPlace, `${port} is this node's ${name} port too (${judge.place(key)})`);
  }
  const entry = config.initialCluster.find(({ id }) => id === config.nodeId)?.peer;
  judge.refuse(
    entry !== undefined && advertise !== entry,
    "peerAdvertise",
    `the others dial ${String(entry)} (${judge.place("initialCluster")}); correct one of them`,
  );
  judge.refuse(
    isWildcard(host) && advertise === null,
    "peerHost",
    `nobody can dial ${host}; add --peer-advertise HOST:PORT with the address that other nodes reach`,
  );
  const reachable = [...config.initialCluster.map(({ peer }) => peer), advertise ?? ""].find(
    (peer) => peer !== "" && !isLoopbackPeer(peer),
  );
  const open = reachable ?? (isLoopback(host) ? undefined : host);
  judge.refuse(
    open !== undefined && config.clusterSecretFile === null,
    openKey(judge, reachable),
    `${String(open)} can be reached from other machines; add --cluster-secret-file with a secret that all nodes share`,
  );
}

/** The setting that opens the peer listener to other machines. */
function openKey(judge: Judge, reachable: string | undefined): SettingKey {
  if (reachable === undefined) return "peerHost";
  return judge.config.initialCluster.some(({ peer }) => peer === reachable)
    ? "initialCluster"
    : "peerAdvertise";
}
