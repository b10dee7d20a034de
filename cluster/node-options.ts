/** What a member of a group is made with, and how it looks from outside. */
import type { CoreStatus } from "./core-types.js";
import type { LogStore } from "./log/log-store.js";
import type { SnapshotStore } from "./log/snapshot-store.js";
import type { CrashPoint } from "./ready-loop.js";
import type { StateMachine } from "./state-machine.js";
import type { Transport } from "./transport/transport.js";
import type { ConfState, GroupId, LogIndex, NodeId, Roster } from "./types.js";

/** A clock that can tick; the caller's. */
export interface Ticker {
  every(periodMs: number, task: () => void): () => void;
  after(delayMs: number, task: () => void): () => void;
  monotonicMs(): number;
  /** Wall clock, milliseconds since 1970: what peers are told of it. May jump. */
  nowMs(): number;
}

export interface RaftNodeLimits {
  readonly tickMs: number;
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  readonly messageBytesMax: number;
  readonly applyBytesMax: number;
  readonly uncommittedBytesMax: number;
  readonly inflightMessagesMax: number;
  /** The log may grow by this many bytes before a snapshot is taken and the log compacted. */
  readonly snapshotLogBytes: number;
  /** Snapshots that are sent to peers, all together. */
  readonly snapshotBytesPerSecondMax: number;
}

export interface RaftNodeOptions {
  readonly id: NodeId;
  /** Drawn with the data directory. */
  readonly tag: string;
  readonly log: LogStore;
  readonly snapshots: SnapshotStore;
  readonly machine: StateMachine;
  readonly transport: Transport;
  readonly group: GroupId;
  readonly ticker: Ticker;
  readonly random: () => number;
  readonly limits: RaftNodeLimits;
  readonly onWarning: (facts: object, text: string) => void;
  /** The loop ended because of an error, or this node does not belong any more: it must stop. Called at most once. */
  readonly onFailed: (error: Error) => void;
  /** Another node leads, or none ("") does. */
  readonly onLeader?: (leaderId: NodeId | "") => void;
  /** One durable append took this long. */
  readonly onAppended?: (seconds: number) => void;
  readonly onSnapshot?: (index: LogIndex) => void;
  /** A snapshot that a peer sent took the place of this node's state. */
  readonly onInstalled?: (index: LogIndex) => void;
  readonly crashPoint?: (point: CrashPoint) => void;
}

/** What a node is told when it starts; what its log holds of it counts more. */
export interface Origin {
  /** Where peers dial this node, `host:port`; "" for a group of one that has no peer port. */
  readonly peer: string;
  /** The membership of a group that begins here and now; `null` for a node that joins one. */
  readonly founding: ConfState | null;
  /** Members that a node that joins was told of: where its first answers go. */
  readonly contacts: ReadonlyMap<NodeId, string>;
}

export interface NodeView extends CoreStatus {
  readonly voters: readonly NodeId[];
  readonly learners: readonly NodeId[];
  readonly roster: Roster;
}
