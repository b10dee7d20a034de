/** The gauges of a node: read from the parts when somebody asks for GET /metrics. */
import type { RaftNode } from "../../cluster/node.js";
import type { LogClock } from "../commands/log-clock.js";
import type { Submitter } from "../commands/submit.js";
import type { ConnectedClient } from "../edges/edge.js";
import type { Metrics } from "../runtime/metrics.js";
import type { MessageStore } from "../store/message-store.js";
import type { TopicBrokers } from "../topics/registry.js";
import type { Replica } from "./replica.js";
import { registerSessionGauges } from "./session-gauges.js";

export interface GaugeSources {
  readonly raft: RaftNode;
  readonly logBytes: () => number;
  readonly replica: Replica;
  readonly store: MessageStore;
  readonly brokers: TopicBrokers;
  readonly submitter: Submitter;
  readonly clients: () => readonly ConnectedClient[];
  readonly clock: Pick<LogClock, "wallOffsetMs">;
}

/** Adds every gauge to `metrics`. */
export function registerGauges(metrics: Metrics, sources: GaugeSources): void {
  const { raft, replica, store, brokers, submitter, logBytes, clock } = sources;
  metrics.gauge("raft_term", "Current term", () => raft.status().term);
  metrics.gauge("raft_is_leader", "1 while this node leads", () => (raft.status().role === "leader" ? 1 : 0));
  metrics.gauge("raft_has_leader", "1 while a leader is known", () =>
    raft.status().leaderId === "" ? 0 : 1,
  );
  metrics.gauge("raft_voters", "Voting members", () => raft.status().voters.length);
  metrics.gauge("raft_learners", "Members without a vote", () => raft.status().learners.length);
  metrics.gauges("raft_peer_alive", "1 while something is heard from a peer", "peer", () =>
    raft.peers().map(({ id, isAlive }) => [id, isAlive ? 1 : 0] as const),
  );
  metrics.gauge("raft_commit_index", "Highest committed entry", () => raft.status().commit);
  metrics.gauge("raft_applied_index", "Highest applied entry", () => replica.appliedIndex);
  metrics.gauge(
    "raft_durable_index",
    "Highest entry whose effect is durable without the log",
    () => replica.durableIndex,
  );
  metrics.gauge("raft_log_bytes", "Bytes of the Raft log", logBytes);
  metrics.gauge(
    "commands_pending",
    "Commands submitted on this node and not yet applied",
    () => submitter.pendingCommands,
  );
  metrics.gauge(
    "wall_clock_offset_seconds",
    "By how much this node's wall clock is ahead of the log's time",
    () => clock.wallOffsetMs / 1000,
  );
  metrics.gauge("store_bytes", "Bytes of the message segments", () => store.bytes());
  metrics.gauge("topics", "Topics", () => replica.machine.topicCount);
  metrics.gauge("retained_messages", "Retained messages", () => replica.machine.retainedCount);
  registerSessionGauges(metrics, () => replica.machine);
  metrics.gauge("topic_brokers", "Topic brokers at work", () => brokers.stats().brokers);
  metrics.gauge("subscriptions", "Running subscriptions", () => brokers.stats().subscriptions);
  metrics.gauge(
    "subscriptions_behind",
    "Subscriptions that read from memory or the store",
    () => brokers.stats().behind,
  );
  metrics.gauge(
    "queued_messages",
    "Messages waiting for the next flush",
    () => brokers.stats().queuedMessages,
  );
  metrics.gauge("queued_bytes", "Bytes waiting for the next flush", () => brokers.stats().queuedBytes);
  metrics.gauges("connections", "Connected clients, by edge", "edge", () => {
    const counts = new Map<string, number>([
      ["mqtt", 0],
      ["sse", 0],
    ]);
    for (const { edge } of sources.clients()) counts.set(edge, (counts.get(edge) ?? 0) + 1);
    return counts;
  });
}
