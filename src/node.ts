/** Wires one node together: lock, open, connect, listen; closes in reverse order. Nothing is decided here. */
import { setTimeout as wait } from "node:timers/promises";
import type { ServeConfig } from "./config.js";
import { type Core, closingSteps, everyStep, GROUP, startCore } from "./core.js";
import type { ConnectedClient, Edge } from "./edges/edge.js";
import { createHttpEdge } from "./edges/http/server.js";
import { createMqttEdge } from "./edges/mqtt/server.js";
import { SocketBudget } from "./edges/socket-budget.js";
import { Lifecycle } from "./lifecycle.js";
import { limits } from "./limits.js";
import { type DataDirectory, openDataDirectory } from "./replica/data-directory.js";
import { registerGauges } from "./replica/gauges.js";
import { systemClock } from "./runtime/clock.js";
import type { Logger } from "./runtime/logger.js";
import { createMetrics } from "./runtime/metrics.js";
import { openFilesMax, socketsWithin } from "./runtime/open-files.js";
import { systemRandom } from "./runtime/random.js";
import { version } from "./runtime/version.js";
import { NO_ENHANCED_AUTHENTICATION } from "./security/enhanced-auth.js";

/** How often the stop looks whether what it waits for is there. */
const STOP_POLL_MS = 2;
/** How long what was sent before the stop may take to be committed and delivered, while more may be coming. */
const STOP_PATIENCE_MS = 1_000;

export interface RunningNode {
  readonly nodeId: string;
  /** `host:port` */
  readonly mqtt: string;
  readonly http: string;
  /** Where it listens for its peers; `null` when it does not. */
  readonly peer: string | null;
  /** Resolves when the node has to stop by itself: its disk failed, or it found its own rules broken. */
  readonly failed: Promise<Error>;
  /** Stops accepting, answers what is being committed, closes connections and stores. */
  stop(): Promise<void>;
}

export interface StartOptions {
  readonly logger: Logger;
  /** Resolves when the node is told to stop while it may still be starting. */
  readonly stopAsked?: Promise<unknown>;
}

/**
 * Builds and starts a node. Rejects with `FatalError` or `ClusterError`: port taken, directory locked, log corrupt, disk full; with
 * `StoppedEarly` when it is told to stop before it serves.
 */
export async function startNode(config: ServeConfig, options: StartOptions): Promise<RunningNode> {
  const directory = await openDataDirectory(config.dataDir, config.nodeId, GROUP, systemClock.nowMs());
  try {
    return await startInDirectory(config, options, directory);
  } catch (error) {
    await directory.unlock();
    throw error;
  }
}

async function startInDirectory(
  config: ServeConfig,
  { logger, stopAsked }: StartOptions,
  directory: DataDirectory,
): Promise<RunningNode> {
  const lifecycle = new Lifecycle(systemClock);
  void stopAsked?.then(() => lifecycle.stopAsked());
  const metrics = createMetrics();
  const core = await startCore({ config, logger, directory, metrics, lifecycle });
  const edges: Edge[] = [];
  const clients = (): readonly ConnectedClient[] => edges.flatMap((edge) => edge.clients());
  const kick = (id: string): boolean => edges.some((edge) => edge.kick(id));
  const shared = {
    broker: core.broker,
    cluster: core.cluster,
    logger,
    clock: systemClock,
    host: config.host,
    payloadBytesMax: config.payloadBytesMax,
    connectionsMax: config.connectionsMax,
    autoCreate: config.autoCreate,
    sockets: socketBudget(config, logger),
  };
  const mqtt = createMqttEdge({
    ...shared,
    port: config.mqttPort,
    metrics: metrics.edge("mqtt"),
    random: systemRandom,
    sessionExpirySecondsMax: config.sessionExpirySecondsMax,
    keepAliveSecondsMax: config.keepAliveSecondsMax,
    denySubscribe: config.denySubscribe,
    enhancedAuthentication: NO_ENHANCED_AUTHENTICATION,
    sys: { intervalMs: config.sysIntervalMs, version: version() },
  });
  const http = createHttpEdge({
    ...shared,
    port: config.httpPort,
    metrics: metrics.edge("http"),
    expose: metrics.expose,
    corsOrigins: config.corsOrigins,
    clients,
    kick,
    serveMqtt: (stream, address) => mqtt.attach(stream, address),
  });
  edges.push(mqtt, http);
  registerGauges(metrics, { ...core, clients, logBytes: () => core.log.bytes() });
  const stop = once(() => stopNode(core, edges, directory, lifecycle));
  try {
    const [mqttAddress, httpAddress] = [await mqtt.start(), await http.start()];
    void core.presence.announce(reachable(config, mqttAddress));
    const addresses = { mqtt: mqttAddress, http: httpAddress, peer: core.peer };
    return { nodeId: config.nodeId, ...addresses, failed: lifecycle.failed, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Where clients elsewhere may be sent; "" when nobody said and the node listens everywhere. */
function reachable({ mqttAdvertise, host }: ServeConfig, listening: string): string {
  if (mqttAdvertise !== null) return mqttAdvertise;
  return host === "0.0.0.0" || host === "::" ? "" : listening;
}

/** Says so when the system allows fewer sockets than the configuration: a warning only where somebody asked for that many. */
function socketBudget(config: ServeConfig, logger: Logger): SocketBudget {
  const filesMax = openFilesMax();
  const socketsMax = socketsWithin(filesMax, config);
  if (socketsMax < config.connectionsMax) {
    const isDefault = config.connectionsMax === limits.connectionsMax;
    logger[isDefault ? "info" : "warn"](
      { filesMax, socketsMax },
      "fewer connections than --max-connections: the limit of open files (ulimit -n) leaves room for socketsMax",
    );
  }
  return new SocketBudget(socketsMax);
}

/** In reverse order of starting. Rejects with the first error of what could not be closed. */
async function stopNode(
  core: Core,
  edges: readonly Edge[],
  directory: DataDirectory,
  lifecycle: Lifecycle,
): Promise<void> {
  const hasFailed = lifecycle.phase === "stopping";
  if (!hasFailed) lifecycle.phase = "leaving";
  for (const edge of edges) edge.stopAccepting();
  if (!hasFailed) await core.raft.handOver();
  if (!hasFailed) await committed(core, STOP_PATIENCE_MS);
  core.brokers.flushNow();
  // While commands are still taken: what clients have begun, and that they are gone.
  for (const edge of edges) await edge.stop();
  lifecycle.phase = "stopping";
  if (!hasFailed) await committed(core, limits.shutdownMs / 3);
  const errors = await everyStep([...closingSteps(core, hasFailed), () => directory.unlock()]);
  if (errors.length > 0) throw errors[0];
}

/** Until nothing waits for commit; a busy node always has something, so not for ever. */
async function committed({ submitter }: Core, patienceMs: number): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + patienceMs;
  while (submitter.pendingCommands > 0 && systemClock.monotonicMs() < deadlineMs) await wait(STOP_POLL_MS);
}

function once<Result>(task: () => Promise<Result>): () => Promise<Result> {
  let running: Promise<Result> | null = null;
  return () => {
    running ??= task();
    return running;
  };
}
