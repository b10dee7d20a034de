/**
 * The adapter: the only file that imports the consensus engine (etcd's Raft core in its TypeScript port). It speaks the
 * words of types.ts outside and the engine's inside, checks that terms and indexes stay safe integers, and mends what
 * the port measures wrongly. It does no I/O, reads no clock, and takes its chance from the caller.
 */
import engineChanges from "@coaty/consensus.raft/ported/confchange/confchange.js";
import type engineLogger from "@coaty/consensus.raft/ported/logger.js";
import engineNode from "@coaty/consensus.raft/ported/node.js";
import engineRaft from "@coaty/consensus.raft/ported/raft.js";
import pb from "@coaty/consensus.raft/ported/raftpb/raft.pb.js";
import engineRawNode from "@coaty/consensus.raft/ported/rawnode.js";
import engineStorage from "@coaty/consensus.raft/ported/storage.js";
import engineTracker from "@coaty/consensus.raft/ported/tracker/state.js";
import engineUtil from "@coaty/consensus.raft/ported/util.js";
import { changeOf } from "./change-data.js";
import type { CoreOptions, CoreReady, CoreStatus, MemberProgress } from "./core-types.js";
import { limitSize, payloadSize } from "./entry-sizes.js";
import { assertInvariant, ClusterError } from "./errors.js";
import type { LogStore } from "./log/log-store.js";
import {
  type ConfState,
  type Entry,
  EntryKind,
  type HardState,
  type LogIndex,
  type MembershipChange,
  type NodeId,
  PEER_MESSAGE_KINDS,
  type PeerMessage,
  type SnapshotMeta,
} from "./types.js";

type EngineEntry = InstanceType<typeof pb.Entry>;
type EngineReady = InstanceType<typeof engineNode.Ready>;
type EngineRaft = InstanceType<typeof engineRaft.Raft>;
type EngineMessage = InstanceType<typeof pb.Message>;

/** Where the engine's only random call goes while a core is being constructed (it cannot be handed in). */
let chanceOfNewCore: () => number = () => 0;
const chanceOfCore = new WeakMap<EngineRaft, () => number>();

/** The port measures an entry by its JSON, ten times too much for bytes: exact sizes instead. Calls go through the exports object. */
engineUtil.payloadSize = payloadSize;
engineUtil.limitSize = limitSize;
engineRaft.Raft.prototype.resetRandomizedElectionTimeout = function resetFromSeed(this: EngineRaft): void {
  const chance = chanceOfCore.get(this) ?? chanceOfNewCore;
  this.randomizedElectionTimeout = this.electionTimeout + Math.floor(chance() * this.electionTimeout);
};

const NO_PROGRESS: ReadonlyMap<NodeId, MemberProgress> = new Map();
const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();
const NO_BYTES = new Uint8Array(0);

function safe(value: number, what: string): number {
  assertInvariant(Number.isSafeInteger(value) && value >= 0, `${what} is not a safe integer: ${value}`);
  return value;
}

function toEngineEntry({ term, index, kind, data }: Entry): EngineEntry {
  if (kind === EntryKind.Command) {
    const type = pb.EntryType.EntryNormal;
    return new pb.Entry({ term, index, type, data: data.byteLength === 0 ? null : data });
  }
  const change = new pb.ConfChangeV2(JSON.parse(DECODER.decode(data)));
  return new pb.Entry({ term, index, type: pb.EntryType.EntryConfChangeV2, data: change });
}

function fromEngineEntry(entry: EngineEntry): Entry {
  const term = safe(entry.term, "term");
  const index = safe(entry.index, "index");
  if (entry.type === pb.EntryType.EntryNormal) {
    return { term, index, kind: EntryKind.Command, data: entry.data ?? NO_BYTES };
  }
  // The engine's own auto-leave entries carry no data.
  const change = new pb.ConfChangeV2(entry.data ?? {});
  return { term, index, kind: EntryKind.ConfChange, data: ENCODER.encode(JSON.stringify(change)) };
}

const CHANGE_TYPES = {
  "add-learner": pb.ConfChangeType.ConfChangeAddLearnerNode,
  promote: pb.ConfChangeType.ConfChangeAddNode,
  remove: pb.ConfChangeType.ConfChangeRemoveNode,
  update: pb.ConfChangeType.ConfChangeUpdateNode,
} as const satisfies Record<MembershipChange["kind"], number>;

function toEngineChange(change: MembershipChange): InstanceType<typeof pb.ConfChangeV2> {
  const single = new pb.ConfChangeSingle({ type: CHANGE_TYPES[change.kind], nodeId: change.id });
  return new pb.ConfChangeV2({ changes: [single], context: JSON.stringify(change) });
}

type EngineConfState = InstanceType<typeof pb.ConfState>;

/** The votes of a membership, of ours or the engine's; a roster is none of the engine's business. */
function fromEngineConfState(
  state: EngineConfState | ConfState,
): NonNullable<ConstructorParameters<typeof pb.ConfState>[0]> & ConfState {
  return {
    voters: [...state.voters],
    learners: [...state.learners],
    votersOutgoing: [...state.votersOutgoing],
    learnersNext: [...state.learnersNext],
    autoLeave: state.autoLeave,
  };
}

function toEngineConfState(state: ConfState): EngineConfState {
  return new pb.ConfState(fromEngineConfState(state));
}

function toEngineSnapshot({ index, term, confState }: SnapshotMeta): InstanceType<typeof pb.Snapshot> {
  const metadata = new pb.SnapshotMetadata({ index, term, confState: toEngineConfState(confState) });
  return new pb.Snapshot({ metadata });
}

function fromEngineSnapshot(snapshot: InstanceType<typeof pb.Snapshot>): SnapshotMeta | null {
  if (snapshot.isEmptySnap()) return null;
  const { index, term, confState } = snapshot.metadata;
  return { index: safe(index, "index"), term: safe(term, "term"), confState: fromEngineConfState(confState) };
}

/**
 * Instances are rebuilt on both sides: the engine asks them questions, plain objects have no answers. Not by its constructor, which
 * copies every entry once more.
 */
function toEngineMessage({ kind, entries, snapshot, context, ...numbers }: PeerMessage): EngineMessage {
  const made = Object.assign(new pb.Message(), numbers);
  made.type = kind;
  made.entries = entries.map(toEngineEntry);
  if (snapshot !== null) made.snapshot = toEngineSnapshot(snapshot);
  made.context = context === "" ? null : context;
  return made;
}

function fromEngineMessage(message: EngineMessage): PeerMessage {
  assertInvariant(PEER_MESSAGE_KINDS.has(message.type), `a message of kind ${message.type} is for no peer`);
  return {
    kind: message.type,
    to: message.to,
    from: message.from,
    term: safe(message.term, "term"),
    logTerm: safe(message.logTerm, "log term"),
    index: safe(message.index, "index"),
    entries: message.entries.map(fromEngineEntry),
    commit: safe(message.commit, "commit"),
    snapshot: fromEngineSnapshot(message.snapshot),
    reject: message.reject,
    rejectHint: safe(message.rejectHint, "reject hint"),
    context: message.context ?? "",
  };
}

type EngineError = Error | null;

/** The engine's view of our log. Its in-memory storage is for tests only. */
class LogStorage {
  readonly #log: LogStore;
  readonly #initial: { readonly hardState: HardState; readonly confState: ConfState };
  /** The newest snapshot that may be sent to a follower. */
  snapshot: SnapshotMeta | null = null;

  constructor(log: LogStore, hardState: HardState, confState: ConfState) {
    this.#log = log;
    this.#initial = { hardState, confState };
  }

  InitialState(): [InstanceType<typeof pb.HardState>, InstanceType<typeof pb.ConfState>, EngineError] {
    const { hardState, confState } = this.#initial;
    return [new pb.HardState({ ...hardState }), toEngineConfState(confState), null];
  }

  /** The engine passes eight times the size it means (it thinks in bits there). */
  Entries(lo: number, hi: number, maxSize: number): [EngineEntry[], EngineError] {
    try {
      return [this.#log.entries(lo, hi, maxSize / 8).map(toEngineEntry), null];
    } catch (error) {
      return [[], toEngineError(error)];
    }
  }

  Term(index: number): [number, EngineError] {
    try {
      return [this.#log.term(index), null];
    } catch (error) {
      return [0, toEngineError(error)];
    }
  }

  LastIndex(): [number, EngineError] {
    return [this.#log.lastIndex(), null];
  }

  FirstIndex(): [number, EngineError] {
    return [this.#log.firstIndex(), null];
  }

  /** Never "temporarily unavailable": the port's test for that error is wrong, it would throw. */
  Snapshot(): [InstanceType<typeof pb.Snapshot>, EngineError] {
    return [this.snapshot === null ? new pb.Snapshot() : toEngineSnapshot(this.snapshot), null];
  }
}

function toEngineError(error: unknown): Error {
  if (error instanceof ClusterError && error.code === "log_compacted")
    return new engineStorage.ErrCompacted();
  if (error instanceof ClusterError && error.code === "log_unavailable")
    return new engineStorage.ErrUnavailable();
  throw error;
}

/** The engine writes its lines for `printf`. */
function filledIn(format: string, facts: readonly unknown[]): string {
  let next = 0;
  return format.replace(/%[sdvox]/g, (place) => (next < facts.length ? String(facts[next++]) : place));
}

/** The engine's panics stop the node; what it narrates is not worth formatting, what it warns of is passed on. */
function engineLoggerFor(onWarning: (text: string) => void): ReturnType<typeof engineLogger.getLogger> {
  const fail = (format: string, ...facts: unknown[]): never => {
    throw new ClusterError("invariant", `consensus core: ${filledIn(format, facts)}`);
  };
  const warn = (format: string, ...facts: unknown[]): void => onWarning(filledIn(format, facts));
  const quiet = (): void => undefined;
  return { debugf: quiet, infof: quiet, warningf: warn, errorf: warn, fatalf: fail, panicf: fail };
}

/** etcd's RawNode in our own words. Not re-entrant; one Ready at a time is asserted. */
export class RaftCore {
  readonly #node: InstanceType<typeof engineRawNode.RawNode>;
  readonly #storage: LogStorage;
  #pending: EngineReady | null = null;

  constructor(options: CoreOptions) {
    this.#storage = new LogStorage(options.log, options.hardState, options.confState);
    chanceOfNewCore = options.random;
    this.#node = engineRawNode.RawNode.NewRawNode(
      new engineRaft.RaftConfig({
        id: options.id,
        electionTick: options.electionTicks,
        heartbeatTick: options.heartbeatTicks,
        storage: this.#storage,
        applied: options.applied,
        maxSizePerMsg: options.messageBytesMax,
        maxCommittedSizePerReady: options.applyBytesMax,
        maxUncommittedEntriesSize: options.uncommittedBytesMax,
        maxInflightMsgs: options.inflightMessagesMax,
        checkQuorum: true,
        preVote: true,
        readOnlyOption: engineRaft.ReadOnlyOption.ReadOnlySafe,
        disableProposalForwarding: true,
        logger: engineLoggerFor(options.onWarning),
      }),
    );
    chanceOfCore.set(this.#node.raft, options.random);
  }

  /** The clock moved by one tick. */
  tick(): void {
    this.#node.tick();
  }

  /** Starts an election now instead of at the timeout (a group of one need not wait). */
  campaign(): void {
    this.#node.campaign();
  }

  /** Appends one entry per element if this node leads. False: it does not lead, is handing over, or too much is uncommitted. */
  propose(payloads: readonly Uint8Array[]): boolean {
    return this.#append(payloads.map((data) => new pb.Entry({ data })));
  }

  /** A message from a peer. A snapshot frame must wait until no Ready is pending (engine rule 2). */
  step(message: PeerMessage): void {
    assertInvariant(
      message.snapshot === null || this.#pending === null,
      "a snapshot frame was stepped while a Ready was pending",
    );
    this.#node.step(toEngineMessage(message));
  }

  /** The newest snapshot on disk, which a follower far behind is sent. */
  offerSnapshot(meta: SnapshotMeta): void {
    this.#storage.snapshot = meta;
  }

  reportUnreachable(peer: NodeId): void {
    this.#node.reportUnreachable(peer);
  }

  hasReady(): boolean {
    return this.#pending === null && this.#node.hasReady();
  }

  /** Takes the outstanding work. The next one is there after `advance`. */
  ready(): CoreReady {
    assertInvariant(this.#pending === null, "a Ready was taken while another was pending");
    const ready = this.#node.ready();
    this.#pending = ready;
    const hard = ready.hardState;
    return {
      hardState: hard.isEmptyHardState()
        ? null
        : { term: safe(hard.term, "term"), vote: hard.vote, commit: safe(hard.commit, "commit") },
      entries: ready.entries.map(fromEngineEntry),
      snapshot: fromEngineSnapshot(ready.snapshot),
      messages: ready.messages.map(fromEngineMessage),
      committed: ready.committedEntries.map(fromEngineEntry),
      reads: ready.readStates.map((state) => ({ context: String(state.requestCtx), index: state.index })),
    };
  }

  /**
   * Appends a change of membership if this node leads and none is under way; gives its entry's index, else `null`. Throws
   * `invariant` for one that the membership does not allow: the engine would install an empty one.
   */
  proposeChange(change: MembershipChange): LogIndex | null {
    const { raft } = this.#node;
    const leads = raft.state === engineRaft.StateType.StateLeader;
    if (!leads || raft.pendingConfIndex > raft.raftLog.applied) return null;
    const data = toEngineChange(change);
    this.#checkChange(data);
    const index = raft.raftLog.lastIndex() + 1;
    return this.#append([new pb.Entry({ type: pb.EntryType.EntryConfChangeV2, data })]) ? index : null;
  }

  /** A committed membership change was reached: gives the votes that hold from it on, and what it says (`null`: nothing of ours). */
  applyConfChange(entry: Entry): { readonly confState: ConfState; readonly change: MembershipChange | null } {
    const data = new pb.ConfChangeV2(JSON.parse(DECODER.decode(entry.data)));
    this.#checkChange(data);
    // Read anew from the entry: the port clears the context of what it applies.
    return { confState: fromEngineConfState(this.#node.applyConfChange(data)), change: changeOf(entry) };
  }

  /** Asks for a linearizable read; the answer is in a later Ready under `context`, unique and not "". Only on a leader. */
  readIndex(context: string): void {
    this.#node.readIndex(context);
  }

  /** Begins to hand the leadership to `peer`. */
  transferLeader(peer: NodeId): void {
    this.#node.transferLeader(peer);
  }

  /** What became of the snapshot that the peer was offered: it is sent what comes after it, or asked again what it has. */
  reportSnapshot(peer: NodeId, outcome: "installed" | "failed"): void {
    const { SnapshotFinish, SnapshotFailure } = engineNode.SnapshotStatus;
    this.#node.reportSnapshot(peer, outcome === "installed" ? SnapshotFinish : SnapshotFailure);
  }

  #append(entries: EngineEntry[]): boolean {
    const { raft } = this.#node;
    return raft.Step(new pb.Message({ type: pb.MessageType.MsgProp, from: raft.id, entries })) === null;
  }

  #checkChange(data: InstanceType<typeof pb.ConfChangeV2>): void {
    const { raft } = this.#node;
    const [, , error] = new engineChanges.Changer(raft.prs, raft.raftLog.lastIndex()).simple(...data.changes);
    assertInvariant(error === null, `a change of membership that is not possible: ${String(error)}`);
  }

  /** The pending Ready was persisted, sent and applied. */
  advance(): void {
    assertInvariant(this.#pending !== null, "advance without a Ready");
    const ready = this.#pending;
    this.#pending = null;
    this.#node.advance(ready);
  }

  status(): CoreStatus {
    const { raft } = this.#node;
    const leads = raft.state === engineRaft.StateType.StateLeader;
    const follows = raft.state === engineRaft.StateType.StateFollower;
    return {
      role: leads ? "leader" : follows ? "follower" : "candidate",
      leaderId: raft.lead,
      term: raft.term,
      commit: raft.raftLog.committed,
      applied: raft.raftLog.applied,
      progress: leads ? this.#progress() : NO_PROGRESS,
      isTransferring: raft.leadTransferee !== "",
    };
  }

  #progress(): ReadonlyMap<NodeId, MemberProgress> {
    const members = new Map<NodeId, MemberProgress>();
    for (const [id, { match, state }] of this.#node.raft.prs.progress) {
      const awaitsSnapshot = state === engineTracker.ProgressStateType.StateSnapshot;
      members.set(id, { match, awaitsSnapshot });
    }
    return members;
  }
}
