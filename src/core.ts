/**
 * Wires everything behind the edges together: stores, state machine, Raft and its peers, the proposer, the topic brokers. Nothing is
 * decided here.
 */
import { setTimeout as wait } from "node:timers/promises";
import { ClusterError } from "../cluster/errors.js";
import { FileSnapshotStore } from "../cluster/log/file-snapshot-store.js";
import { SegmentLog } from "../cluster/log/segment-log.js";
import { RaftNode } from "../cluster/node.js";
import type { RefusalCode } from "../cluster/transport/handshake.js";
import type { Transport } from "../cluster/transport/transport.js";
import type { LogClock } from "./commands/log-clock.js";
import { Submitter } from "./commands/submit.js";
import type { ServeConfig } from "./config.js";
import type { Lifecycle } from "./lifecycle.js";
import { limits } from "./limits.js";
import {
  createHousekeeping,
  createLogClock,
  createPresence,
  createTimekeeper,
  type Group,
} from "./log-time.js";
import { createPeerSide, type PeerSide } from "./peers.js";
import type { DataDirectory } from "./replica/data-directory.js";
import { DiskWatch } from "./replica/disk-watch.js";
import { EventIds } from "./replica/event-id.js";
import { GroupControl } from "./replica/group-control.js";
import type { Housekeeping } from "./replica/housekeeping.js";
import { LocalBroker } from "./replica/local-broker.js";
import type { Presence } from "./replica/presence.js";
import { Replica } from "./replica/replica.js";
import { SessionEvents } from "./replica/session-events.js";
import type { Timekeeper } from "./replica/timekeeper.js";
import { topicsOf } from "./replica/topic-directory.js";
import { systemClock } from "./runtime/clock.js";
import type { Logger } from "./runtime/logger.js";
import type { Metrics } from "./runtime/metrics.js";
import { systemRandom } from "./runtime/random.js";
import { LmdbStateStore } from "./store/lmdb-state-store.js";
import { SegmentStore } from "./store/segment-store.js";
import { TopicBrokers } from "./topics/registry.js";

/** The one Raft group of today; directories, frames and event ids carry its number. */
export const GROUP = 0;

/** Raft's clock: an election after half a second to a second without a leader, a heartbeat every tick. */
const RAFT_TICKS = { tickMs: 50, electionTicks: 10, heartbeatTicks: 1 } as const;

/** How often the start looks whether what it waits for is there, and how often it says that it still waits. */
const START_POLL_MS = 2;
const START_NOTICE_MS = 5_000;

/** Everything behind the edges. */
export interface Core {
  readonly replica: Replica;
  readonly store: SegmentStore;
  readonly raft: RaftNode;
  readonly log: SegmentLog;
  readonly submitter: Submitter;
  readonly brokers: TopicBrokers;
  readonly disk: DiskWatch;
  readonly housekeeping: Housekeeping;
  readonly broker: LocalBroker;
  readonly cluster: GroupControl;
  readonly presence: Presence;
  /** Its wall is the log's time. */
  readonly clock: LogClock;
  readonly timekeeper: Timekeeper;
  /** `host:port` for peers, or `null`. */
  readonly peer: string | null;
}

/** What all parts are built from. */
export interface CoreParts {
  readonly config: ServeConfig;
  readonly logger: Logger;
  readonly directory: DataDirectory;
  readonly metrics: Metrics;
  readonly lifecycle: Lifecycle;
}

/**
 * Opens the stores, starts Raft and waits until this node has what its group has committed. When that fails everything that was opened
 * is closed again.
 */
export async function startCore(parts: CoreParts): Promise<Core> {
  const { config, logger, directory, metrics, lifecycle } = parts;
  const store = new SegmentStore({ dir: directory.storeDir, segmentBytes: config.messageSegmentBytes });
  const replica = new Replica({
    stateStore: new LmdbStateStore({ dir: directory.storeDir }),
    messageStore: store,
    onEffect: (effect) => {
      if (effect.kind === "append") brokers.publish(effect.messages);
      else if (effect.kind === "topic-created") brokers.topicCreated(effect.topic);
      else if (effect.kind === "topic-deleted") brokers.topicDeleted(effect.topic);
      else sessions.happened(effect);
    },
    onApplied: (applied) => submitter.applied(applied),
    onRestored: (before) => {
      const { incarnation, sequence } = replica.machine.lastProposalOf(config.nodeId);
      submitter.restored(incarnation, sequence);
      brokers.restored(topicsOf(() => before));
      sessions.restored(before, replica.machine);
    },
    onBroken: lifecycle.fail,
  });
  const sessions = new SessionEvents(config.nodeId, () => directory.incarnation);
  const brokers: TopicBrokers = createTopicBrokers(replica, store, metrics, logger);
  const disk = new DiskWatch(directory.root, logger);
  const { logSegmentBytes: segmentBytes, durability } = config;
  const log = new SegmentLog({ dir: directory.logDir, group: GROUP, segmentBytes, durability });
  const peers: PeerSide = createPeerSide(config, directory, logger, {
    clusterId: () => raft.status().roster.clusterId || (directory.ticket?.clusterId ?? ""),
    refusalOf: (peer) => raft.refusalOf(peer),
    meet: (peer) => raft.meet(peer),
    refused: (peer, code, text) => turnedAway(raft, logger, { peer, code, text }),
  });
  const raft: RaftNode = createRaft(parts, { log, replica, transport: peers.transport }, (leaderId) => {
    lifecycle.leaderIs(leaderId);
    metrics.leaderChanges.inc();
    logger.info({ leaderId, term: raft.status().term }, leaderId === "" ? "no leader" : "leader");
    if (leaderId !== "") submitter.proposeAgain();
  });
  const clock = createLogClock(parts, replica);
  const submitter: Submitter = createSubmitter(parts, raft, disk, clock);
  const group: Group = { raft, replica, submitter, clock };
  const presence = createPresence(parts, group);
  const timekeeper = createTimekeeper(parts, group);
  const housekeeping = createHousekeeping(parts, { replica, store, clock });
  const half = { replica, store, raft, log, submitter, brokers, disk };
  const made = { ...half, housekeeping, presence, clock, timekeeper };
  try {
    await replica.open();
    await disk.start(systemClock);
    await unlessFailed(lifecycle, startRaft(raft, peers, directory));
    await untilServing(parts, made);
    await housekeeping.start();
  } catch (error) {
    lifecycle.phase = "stopping";
    // What closing finds is no news beside why the start failed.
    await everyStep(closingSteps(made, true));
    throw error;
  }
  const cluster = new GroupControl(raft, config.nodeId);
  const broker = createBroker(parts, { ...made, cluster, sessions });
  return { ...made, broker, cluster, peer: peers.address() };
}

/** What closes a core, in reverse order of opening. `hasFailed`: nothing more is made durable, what the log holds is enough. */
export function closingSteps(
  half: Pick<
    Core,
    "presence" | "timekeeper" | "housekeeping" | "disk" | "raft" | "submitter" | "brokers" | "replica" | "log"
  >,
  hasFailed: boolean,
): readonly (() => unknown)[] {
  const { presence, timekeeper, housekeeping, disk, raft, submitter, brokers, replica, log } = half;
  return [
    () => disk.stop(),
    () => presence.stop(),
    () => timekeeper.stop(),
    () => housekeeping.stop(),
    () => raft.stop(),
    () => submitter.abandon("shutting_down"),
    () => brokers.stop(),
    () => (hasFailed ? replica.abort() : replica.close()),
    () => log.close(),
  ];
}

/** Every step, whatever becomes of the others: what cannot be closed keeps nothing else open. Gives the errors. */
export async function everyStep(steps: readonly (() => unknown)[]): Promise<readonly unknown[]> {
  const errors: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      errors.push(error);
    }
  }
  return errors;
}

function createTopicBrokers(
  replica: Replica,
  store: SegmentStore,
  metrics: Metrics,
  logger: Logger,
): TopicBrokers {
  return new TopicBrokers({
    store,
    topics: topicsOf(() => replica.machine),
    clock: systemClock,
    head: () => store.lastPosition,
    metrics,
    onError: (error) => logger.error({ err: error }, "a subscriber failed"),
  });
}

function createSubmitter(
  { config, directory, lifecycle, metrics }: CoreParts,
  raft: RaftNode,
  disk: DiskWatch,
  clock: LogClock,
): Submitter {
  return new Submitter({
    origin: config.nodeId,
    incarnation: () => directory.incarnation,
    propose: (payload) => raft.propose(payload),
    refusal: () => lifecycle.refusal() ?? (disk.full ? "disk_full" : null),
    clock,
    publishSeconds: metrics.publishSeconds,
    limits,
  });
}

function createRaft(
  { config, logger, directory, metrics, lifecycle }: CoreParts,
  parts: { log: SegmentLog; replica: Replica; transport: Transport },
  onLeader: (leaderId: string) => void,
): RaftNode {
  return new RaftNode({
    id: config.nodeId,
    tag: directory.tag,
    log: parts.log,
    snapshots: new FileSnapshotStore({ dir: directory.snapshotDir, group: GROUP }),
    machine: parts.replica,
    transport: parts.transport,
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
      snapshotBytesPerSecondMax: limits.snapshotBytesPerSecondMax,
    },
    onWarning: (facts, text) => logger.warn(facts, text),
    onFailed: lifecycle.fail,
    onLeader,
    onAppended: (seconds) => {
      metrics.logAppends.inc();
      metrics.logAppendSeconds.observe(seconds);
    },
    onSnapshot: (index) => {
      metrics.snapshots.inc();
      logger.info({ index }, "snapshot taken");
    },
    onInstalled: (index) => {
      metrics.snapshotsInstalled.inc();
      logger.info({ index }, "a snapshot from a peer took the place of this node's state");
    },
  });
}

/** A refusal that time does not mend ends the node; the others are told while they last. */
function turnedAway(
  raft: RaftNode,
  logger: Logger,
  { peer, code, text }: { readonly peer: string; readonly code: RefusalCode; readonly text: string },
): void {
  if (code === "member_removed" || code === "member_wiped") raft.expelled(code, text);
  else logger[code === "member_unknown" ? "info" : "warn"]({ peer, code }, text);
}

/** Where the port is chosen by the system, the node has to listen before it can say where it is. */
async function startRaft(raft: RaftNode, peers: PeerSide, directory: DataDirectory): Promise<void> {
  if (peers.mustListenFirst) await raft.listen();
  const origin = await peers.origin();
  await raft.start(origin);
  // Before it can vote: it hears nobody yet.
  await directory.keepHasRun();
  if (!peers.mustListenFirst) await raft.listen();
}

/**
 * Waits until the stream has its identity and everything that was committed before this start is applied here. The identity is given
 * by the first leader, once the founding members have met: a disk that is lost before that has promised nothing. Connections of this node's
 * earlier lives have ended by then.
 */
async function untilServing(
  { logger, lifecycle, directory }: CoreParts,
  {
    raft,
    submitter,
    replica,
    presence,
    timekeeper,
  }: Pick<Core, "raft" | "submitter" | "replica" | "presence" | "timekeeper">,
): Promise<void> {
  const cancelNotices = systemClock.every(START_NOTICE_MS, () => {
    const { leaderId, roster } = raft.status();
    const facts = {
      leaderId,
      unmet: raft.changes.unmet,
      joining: roster.clusterId === "" && directory.ticket !== null,
    };
    logger.warn(
      facts,
      "still starting: waiting for a majority, for founding members that were never met, or for a snapshot",
    );
  });
  const serving = async (): Promise<void> => {
    while (replica.machine.streamTag === "" && lifecycle.phase === "starting") {
      // Refused at once while the disk is full: even then others get their turn.
      if (raft.changes.isFounded) await submitGenesis(submitter);
      await wait(START_POLL_MS);
    }
    await caughtUp(raft, lifecycle);
    // How long the whole group was down, before anything is done by the time.
    await timekeeper.start();
    const refusal = await presence.announce("");
    if (refusal !== null)
      logger.warn({ code: refusal }, "clients of this node's last life still count as connected");
    presence.start();
  };
  try {
    await unlessFailed(lifecycle, serving());
  } finally {
    cancelNotices();
  }
  if (lifecycle.phase === "starting") lifecycle.phase = "serving";
}

/** What `work` gives; rejects as soon as the node has to stop, or is told to. */
function unlessFailed<Result>({ failed }: Lifecycle, work: Promise<Result>): Promise<Result> {
  const failure = failed.then((error) => {
    throw error;
  });
  return Promise.race([work, failure]);
}

function submitGenesis(submitter: Submitter): Promise<void> {
  const command = { kind: "genesis", streamTag: systemRandom.tag(4) } as const;
  return new Promise((resolve) => submitter.submit(command, () => resolve()));
}

async function caughtUp(raft: RaftNode, lifecycle: Lifecycle): Promise<void> {
  while (lifecycle.phase === "starting") {
    try {
      await raft.barrier();
      return;
    } catch (error) {
      if (error instanceof ClusterError && error.code === "shutdown") throw error;
    }
  }
}

function createBroker(
  { config, lifecycle }: CoreParts,
  parts: Pick<Core, "replica" | "store" | "brokers" | "submitter" | "cluster" | "presence" | "clock"> & {
    readonly sessions: SessionEvents;
  },
): LocalBroker {
  const eventIds = new EventIds(GROUP, parts.replica.machine.streamTag);
  return new LocalBroker({
    ...parts,
    eventIds: () => eventIds,
    readiness: () => lifecycle.readiness(),
    nowMs: () => parts.clock.nowMs(),
    historyBytesMax: limits.historyBytesMax,
    topicsMax: config.topicsMax,
    status: () => parts.cluster.localStatus(),
  });
}
