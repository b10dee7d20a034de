/**
 * Port and real version: the numbers that GET /metrics gives (prom-client). Names are `jangada_` + what + unit, `_total` for
 * counters. Hot paths hold a bound child, so that counting is one addition.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

/** One bound counter. */
export interface Count {
  inc(by?: number): void;
}

/** One bound histogram. */
export interface Timing {
  observe(value: number): void;
}

export type EdgeName = "mqtt" | "http";

/** Counters of one edge. */
export interface EdgeMetrics {
  readonly messagesIn: Count;
  readonly bytesIn: Count;
  readonly messagesOut: Count;
  readonly bytesOut: Count;
  /** Connections that were opened. */
  readonly connections: Count;
  /** Requests or packets refused, by stable code. */
  refused(code: string): void;
  /** Messages that a subscriber did not get, by reason (every drop the broker makes is counted). */
  dropped(reason: string, messages: number): void;
}

export interface Metrics {
  edge(name: EdgeName): EdgeMetrics;
  /** Seconds from submit to applied, per command. */
  readonly publishSeconds: Timing;
  /** Seconds from commit on this node to hand-over to live subscribers, per flush. */
  readonly deliverySeconds: Timing;
  /** Seconds of one durable append to the Raft log. */
  readonly logAppendSeconds: Timing;
  readonly logAppends: Count;
  readonly snapshots: Count;
  /** Snapshots that peers sent and that were installed. */
  readonly snapshotsInstalled: Count;
  /** Another leader, or none, as this node sees it. */
  readonly leaderChanges: Count;
  /** Messages that retention dropped on this node while a session or a share needed them. */
  readonly sessionMessagesLost: Count;
  /** This node's wall clock was set by more than a second. */
  readonly wallClockJumps: Count;
  /** Adds a gauge that is read when somebody asks. */
  gauge(name: string, help: string, read: () => number): void;
  /** Adds a gauge with one label, read when somebody asks. */
  gauges(name: string, help: string, label: string, read: () => Iterable<readonly [string, number]>): void;
  /** Adds a counter with one label that somebody else counts, read when somebody asks. A value below the last is a new beginning. */
  totals(name: string, help: string, label: string, read: () => Iterable<readonly [string, number]>): void;
  /** The exposition text and its content type. */
  expose(): Promise<{ readonly text: string; readonly contentType: string }>;
}

const LATENCY_BUCKETS = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];

/** Real metrics in a registry of their own (several nodes may live in one process, in tests). */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const counter = (name: string, help: string, labelNames: string[] = []): Counter =>
    new Counter({ name: `jangada_${name}_total`, help, labelNames, registers });
  const timing = (name: string, help: string): Histogram =>
    new Histogram({ name: `jangada_${name}_seconds`, help, buckets: LATENCY_BUCKETS, registers });
  const perEdge = {
    messagesIn: counter("messages_received", "Messages taken from publishers", ["edge"]),
    bytesIn: counter("message_received_bytes", "Payload bytes taken from publishers", ["edge"]),
    messagesOut: counter("messages_delivered", "Messages handed to subscribers' sockets", ["edge"]),
    bytesOut: counter("message_delivered_bytes", "Bytes handed to subscribers' sockets", ["edge"]),
    connections: counter("connections_opened", "Connections opened", ["edge"]),
    refused: counter("refused", "Requests, packets and connections refused, by code", ["edge", "code"]),
    dropped: counter("messages_dropped", "Messages a subscriber did not get, by reason", ["edge", "reason"]),
  };
  return {
    edge: (edge) => ({
      messagesIn: perEdge.messagesIn.labels(edge),
      bytesIn: perEdge.bytesIn.labels(edge),
      messagesOut: perEdge.messagesOut.labels(edge),
      bytesOut: perEdge.bytesOut.labels(edge),
      connections: perEdge.connections.labels(edge),
      refused: (code) => perEdge.refused.labels(edge, code).inc(),
      dropped: (reason, messages) => perEdge.dropped.labels(edge, reason).inc(messages),
    }),
    publishSeconds: timing("publish", "From submit to applied, per command"),
    deliverySeconds: timing("delivery", "From commit to hand-over to live subscribers, per flush"),
    logAppendSeconds: timing("log_append", "One durable append to the Raft log"),
    logAppends: counter("log_appends", "Durable appends to the Raft log"),
    snapshots: counter("snapshots", "Snapshots taken"),
    snapshotsInstalled: counter("snapshots_installed", "Snapshots from peers that were installed"),
    leaderChanges: counter("raft_leader_changes", "Changes of leader, or to none, as this node saw them"),
    sessionMessagesLost: counter(
      "session_messages_lost",
      "Messages that retention dropped here while a session or a share still needed them, at most",
    ),
    wallClockJumps: counter(
      "wall_clock_jumps",
      "How often this node's wall clock was set, by more than a second",
    ),
    ...readersOf(registers),
    expose: async () => ({ text: await registry.metrics(), contentType: registry.contentType }),
  };
}

/** What is read when somebody asks. */
function readersOf(registers: Registry[]): Pick<Metrics, "gauge" | "gauges" | "totals"> {
  return {
    gauge(name, help, read) {
      new Gauge({
        name: `jangada_${name}`,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    },
    gauges(name, help, label, read) {
      new Gauge({
        name: `jangada_${name}`,
        help,
        labelNames: [label],
        registers,
        collect() {
          this.reset();
          for (const [value, number] of read()) this.labels(value).set(number);
        },
      });
    },
    totals(name, help, label, read) {
      new Counter({
        name: `jangada_${name}_total`,
        help,
        labelNames: [label],
        registers,
        collect() {
          this.reset();
          for (const [value, number] of read()) this.labels(value).inc(number);
        },
      });
    },
  };
}
