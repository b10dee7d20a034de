/** Wires one node together: lock, open, connect, listen; closes in reverse order. Nothing is decided here. */
import { setTimeout as wait } from "node:timers/promises";
import { FileSnapshotStore } from "../cluster/log/file-snapshot-store.js";
import { SegmentLog } from "../cluster/log/segment-log.js";
import { RaftNode } from "../cluster/node.js";
import { MemoryNetwork } from "../cluster/transport/memory-transport.js";
import type { Broker, Readiness } from "./broker.js";
import type { ClusterControl } from "./cluster-control.js";
import { Submitter } from "./commands/submit.js";
import type { ServeConfig } from "./config.js";
import type { ClientView, Edge } from "./edges/edge.js";
import { createHttpEdge } from "./edges/http/server.js";
import { createMqttEdge } from "./edges/mqtt/server.js";
import { SocketBudget } from "./edges/socket-budget.js";
import { type ErrorCode, JangadaError } from "./errors.js";
import { limits } from "./limits.js";
import { type DataDirectory, openDataDirectory } from "./replica/data-directory.js";
import { DiskWatch } from "./replica/disk-watch.js";
import { EventIds } from "./replica/event-id.js";
import { registerGauges } from "./replica/gauges.js";
import { Housekeeping } from "./replica/housekeeping.js";
import { LocalBroker } from "./replica/local-broker.js";
import { Replica } from "./replica/replica.js";
import { systemClock } from "./runtime/clock.js";
import type { Logger } from "./runtime/logger.js";
import { createMetrics, type Metrics } from "./runtime/metrics.js";
import { openFilesMax, socketsWithin } from "./runtime/open-files.js";
import { systemRandom } from "./runtime/random.js";
import { LmdbStateStore } from "./store/lmdb-state-store.js";
import { SegmentStore } from "./store/segment-store.js";
import { TopicBrokers } from "./topics/registry.js";

/** The one Raft group of today; directories, frames and event ids carry its number. */
const GROUP = 0;

/** Raft's clock: a tick, an election after so many without a leader, a heartbeat every so many. */
const RAFT_TICKS = { tickMs: 100, electionTicks: 10, heartbeatTicks: 1 } as const;

/** How often the start and the stop look whether what they wait for is there. */
const START_POLL_MS = 2;

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

/** Builds and starts a node. Rejects with `FatalError` or `ClusterError`: port taken, directory locked, log corrupt, disk full. */
export async function startNode(
  config: ServeConfig,
  options: { readonly logger: Logger },
): Promise<RunningNode> {
  const directory = await openDataDirectory(config.dataDir, config.nodeId, GROUP);
  try {
    return await startInDirectory(config, options.logger, directory);
  } catch (error) {
    await directory.unlock();
    throw error;
  }
}

/** Everything behind the edges. */
interface Core {
  readonly replica: Replica;
  readonly store: SegmentStore;
  readonly raft: RaftNode;
  readonly log: SegmentLog;
  readonly submitter: Submitter;
  readonly brokers: TopicBrokers;
  readonly disk: DiskWatch;
  readonly housekeeping: Housekeeping;
  readonly broker: LocalBroker;
}

/** What the parts tell each other while they are being built, and what ends the node. */
class Lifecycle {
  readonly failed: Promise<Error>;
  readonly fail: (error: Error) => void;
  /** "starting" until the stream has its identity, then "serving" until stop or failure. */
  phase: "starting" | "serving" | "stopping" = "starting";

  constructor() {
    let resolveFailed: (error: Error) => void = () => undefined;
    this.failed = new Promise((resolve) => {
      resolveFailed = resolve;
    });
    this.fail = (error) => {
      this.phase = "stopping";
      resolveFailed(error);
    };
  }

  readiness(): Readiness {
    if (this.phase === "serving") return { ready: true };
    return {
      ready: false,
      reason: this.phase === "starting" ? "the node is starting" : "the node is stopping",
    };
  }
}

async function startInDirectory(
  config: ServeConfig,
  logger: Logger,
  directory: DataDirectory,
): Promise<RunningNode> {
  const lifecycle = new Lifecycle();
  const metrics = createMetrics();
  const core = await startCore(config, logger, directory, metrics, lifecycle);
  const edges: Edge[] = [];
  const clients = (): readonly ClientView[] => edges.flatMap((edge) => edge.clients());
  const kick = (id: string): boolean => edges.some((edge) => edge.kick(id));
  const shared = {
    broker: core.broker,
    cluster: loneCluster(core.broker),
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
  });
  const http = createHttpEdge({
    ...shared,
    port: config.httpPort,
    metrics: metrics.edge("http"),
    expose: metrics.expose,
    corsOrigins: config.corsOrigins,
    clients,
    kick,
  });
  edges.push(mqtt, http);
  registerGauges(metrics, { ...core, clients, logBytes: () => core.log.bytes() });
  const stop = once(() => stopNode(core, edges, directory, lifecycle));
  try {
    const [mqttAddress, httpAddress] = [await mqtt.start(), await http.start()];
    const addresses = { mqtt: mqttAddress, http: httpAddress, peer: null };
    return { nodeId: config.nodeId, ...addresses, failed: lifecycle.failed, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The group of one: there is nobody to wait for, and nobody to add. */
function loneCluster(broker: Broker): ClusterControl {
  const refuse = (): Promise<never> => Promise.reject(new JangadaError("not_ready", "this node is alone"));
  return {
    readBarrier: async () => undefined,
    status: async () => broker.status(),
    addMember: refuse,
    promoteMember: refuse,
    removeMember: refuse,
    transferLeadership: refuse,
  };
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

/** Opens the stores, starts Raft and waits until this node can commit. */
async function startCore(
  config: ServeConfig,
  logger: Logger,
  directory: DataDirectory,
  metrics: Metrics,
  lifecycle: Lifecycle,
): Promise<Core> {
  const store = new SegmentStore({ dir: directory.storeDir, segmentBytes: config.messageSegmentBytes });
  const stateStore = new LmdbStateStore({ dir: directory.storeDir });
  const replica = new Replica({
    stateStore,
    messageStore: store,
    onEffect: (effect) => {
      if (effect.kind === "append") brokers.publish(effect.messages);
      else if (effect.kind === "topic-created") brokers.topicCreated(effect.topic);
      else brokers.topicDeleted(effect.topic);
    },
    onApplied: (applied) => submitter.applied(applied),
    onRestored: () => brokers.restored(),
    onBroken: lifecycle.fail,
  });
  const brokers: TopicBrokers = createTopicBrokers(replica, store, metrics, logger);
  await replica.open();
  const disk = new DiskWatch(directory.root, logger);
  await disk.start(systemClock);
  const log = new SegmentLog({
    dir: directory.logDir,
    group: GROUP,
    segmentBytes: config.logSegmentBytes,
    durability: config.durability,
  });
  const raft = createRaft(config, logger, metrics, { log, directory, replica, fail: lifecycle.fail });
  const submitter: Submitter = new Submitter({
    origin: config.nodeId,
    incarnation: () => Math.max(systemClock.nowMs(), replica.machine.incarnationOf(config.nodeId) + 1),
    propose: (payload) => raft.propose([payload]),
    refusal: () => refusalOf(lifecycle, disk),
    clock: systemClock,
    publishSeconds: metrics.publishSeconds,
    limits,
  });
  await raft.start();
  await untilServing(raft, submitter, replica, lifecycle);
  const housekeeping = new Housekeeping({
    replica,
    store,
    clock: systemClock,
    checkpointPeriodMs: limits.checkpointPeriodMs,
    retentionPeriodMs: limits.retentionPeriodMs,
    retention: { ageMs: config.retentionAgeMs, bytes: config.retentionBytes },
    onFailed: lifecycle.fail,
  });
  await housekeeping.start();
  const broker = createBroker(config, { replica, store, brokers, submitter, raft, lifecycle });
  return { replica, store, raft, log, submitter, brokers, disk, housekeeping, broker };
}

function createTopicBrokers(
  replica: Replica,
  store: SegmentStore,
  metrics: Metrics,
  logger: Logger,
): TopicBrokers {
  return new TopicBrokers({
    store,
    topics: {
      byName: (name) => replica.machine.topicByName(name)?.ref,
      byId: (id) => replica.machine.topicById(id)?.ref,
      all: () => replica.machine.allTopics(),
    },
    clock: systemClock,
    head: () => store.lastPosition,
    metrics,
    onError: (error) => logger.error({ err: error }, "a subscriber failed"),
  });
}

function createRaft(
  config: ServeConfig,
  logger: Logger,
  metrics: Metrics,
  parts: { log: SegmentLog; directory: DataDirectory; replica: Replica; fail: (error: Error) => void },
): RaftNode {
  return new RaftNode({
    id: config.nodeId,
    initialVoters: [config.nodeId],
    log: parts.log,
    snapshots: new FileSnapshotStore({ dir: parts.directory.snapshotDir, group: GROUP }),
    machine: parts.replica,
    transport: new MemoryNetwork().join(config.nodeId),
    group: GROUP,
    ticker: systemClock,
    random: systemRandom.unit,
    limits: {
      ...RAFT_TICKS,
      messageBytesMax: limits.raftMessageBytesMax,
      applyBytesMax: limits.raftApplyBytesMax,
      uncommittedBytesMax: limits.submitBytesMax * 2,
      inflightMessagesMax: limits.raftInflightMessagesMax,
      snapshotLogBytes: config.snapshotLogBytes,
    },
    onWarning: (facts, text) => logger.warn(facts, text),
    onFailed: parts.fail,
    onAppended: (seconds) => {
      metrics.logAppends.inc();
      metrics.logAppendSeconds.observe(seconds);
    },
    onSnapshot: (index) => {
      metrics.snapshots.inc();
      logger.info({ index }, "snapshot taken, log compacted");
    },
  });
}

function refusalOf(lifecycle: Lifecycle, disk: DiskWatch): ErrorCode | null {
  if (lifecycle.phase === "stopping") return "shutting_down";
  return disk.full ? "disk_full" : null;
}

/** Waits until this node leads and has applied what it found in its log, and gives a new stream its identity. */
async function untilServing(
  raft: RaftNode,
  submitter: Submitter,
  replica: Replica,
  lifecycle: Lifecycle,
): Promise<void> {
  const failure = lifecycle.failed.then((error) => {
    throw error;
  });
  const serving = async (): Promise<void> => {
    while (raft.status().role !== "leader" || raft.status().applied < raft.status().commit) {
      await wait(START_POLL_MS);
    }
    while (replica.machine.streamTag === "") {
      await new Promise<void>((resolve) =>
        submitter.submit({ kind: "genesis", streamTag: systemRandom.tag(4) }, () => resolve()),
      );
    }
  };
  await Promise.race([serving(), failure]);
  lifecycle.phase = "serving";
}

function createBroker(
  config: ServeConfig,
  parts: Pick<Core, "replica" | "store" | "brokers" | "submitter" | "raft"> & {
    readonly lifecycle: Lifecycle;
  },
): LocalBroker {
  const { replica, raft, lifecycle } = parts;
  const eventIds = new EventIds(GROUP, replica.machine.streamTag);
  return new LocalBroker({
    ...parts,
    eventIds: () => eventIds,
    readiness: () => lifecycle.readiness(),
    nowMs: systemClock.nowMs,
    historyBytesMax: limits.historyBytesMax,
    topicsMax: config.topicsMax,
    status: () => {
      const { leaderId, term, commit, voters, match } = raft.status();
      const members = voters.map((id) => ({
        id,
        role: id === leaderId ? ("leader" as const) : ("voter" as const),
        peer: null,
        alive: id === config.nodeId,
        matchIndex: match.get(id) ?? 0,
      }));
      return {
        nodeId: config.nodeId,
        leaderId,
        term,
        commitIndex: commit,
        appliedIndex: replica.appliedIndex,
        members,
      };
    },
  });
}

/** In reverse order of starting. After a failure nothing more is made durable: what the log holds is enough. */
async function stopNode(
  core: Core,
  edges: readonly Edge[],
  directory: DataDirectory,
  lifecycle: Lifecycle,
): Promise<void> {
  const hasFailed = lifecycle.phase === "stopping";
  lifecycle.phase = "stopping";
  for (const edge of edges) edge.stopAccepting();
  const deadlineMs = systemClock.monotonicMs() + limits.shutdownMs / 2;
  while (!hasFailed && core.submitter.pendingCommands > 0 && systemClock.monotonicMs() < deadlineMs) {
    await wait(START_POLL_MS);
  }
  core.brokers.flushNow();
  for (const edge of edges) await edge.stop();
  core.disk.stop();
  await core.housekeeping.stop();
  await core.raft.stop();
  core.submitter.abandon("shutting_down");
  core.brokers.stop();
  await (hasFailed ? core.replica.abort() : core.replica.close());
  await core.log.close();
  await directory.unlock();
}

function once<Result>(task: () => Promise<Result>): () => Promise<Result> {
  let running: Promise<Result> | null = null;
  return () => {
    running ??= task();
    return running;
  };
}
