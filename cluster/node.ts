/**
 * The Ready loop: one round after the other, each persists, sends, applies and advances, in the order the core demands
 * (Raft thesis, section 10.2). Named crash points stand where a crash must be harmless. Nothing is applied, and so nothing
 * acknowledged, before it is on disk.
 */
import { assertInvariant, ClusterError } from "./errors.js";
import type { LogStore, RecoveredLog } from "./log/log-store.js";
import type { SnapshotStore } from "./log/snapshot-store.js";
import { Membership } from "./membership.js";
import { type CoreReady, type CoreStatus, RaftCore } from "./raft-core.js";
import type { CommittedEntry, StateMachine } from "./state-machine.js";
import type { Transport } from "./transport/transport.js";
import {
  EMPTY_CONF_STATE,
  type Entry,
  EntryKind,
  type GroupId,
  type HardState,
  type LogIndex,
  type NodeId,
  type PeerMessage,
} from "./types.js";

/** Where a test or a fault campaign may stop the process. Between any two of them a crash must lose nothing acknowledged. */
export const CRASH_POINTS = [
  "round-begun",
  "persisted",
  "sent",
  "applied",
  "snapshot-pinned",
  "snapshot-written",
  "compacted",
] as const;
export type CrashPoint = (typeof CRASH_POINTS)[number];

/** A clock that can tick; the caller's. */
export interface Ticker {
  every(periodMs: number, task: () => void): () => void;
  monotonicMs(): number;
}

export interface RaftNodeOptions {
  readonly id: NodeId;
  /** The voters of a group that begins here and now; ignored once the log holds a membership. */
  readonly initialVoters: readonly NodeId[];
  readonly log: LogStore;
  readonly snapshots: SnapshotStore;
  readonly machine: StateMachine;
  readonly transport: Transport;
  readonly group: GroupId;
  readonly ticker: Ticker;
  readonly random: () => number;
  readonly limits: {
    readonly tickMs: number;
    readonly electionTicks: number;
    readonly heartbeatTicks: number;
    readonly messageBytesMax: number;
    readonly applyBytesMax: number;
    readonly uncommittedBytesMax: number;
    readonly inflightMessagesMax: number;
    /** The log may grow by this many bytes before a snapshot is taken and the log compacted. */
    readonly snapshotLogBytes: number;
  };
  readonly onWarning: (facts: object, text: string) => void;
  /** The loop ended because of an error: the node must stop. Called at most once. */
  readonly onFailed: (error: Error) => void;
  /** One durable append took this long. */
  readonly onAppended?: (seconds: number) => void;
  readonly onSnapshot?: (index: LogIndex) => void;
  readonly crashPoint?: (point: CrashPoint) => void;
}

export class RaftNode {
  readonly #options: RaftNodeOptions;
  readonly #membership = new Membership();
  #core: RaftCore | null = null;
  #hardState: HardState = { term: 0, vote: "", commit: 0 };
  #loop: Promise<void> = Promise.resolve();
  #wake: (() => void) | null = null;
  #stopping = false;
  #hasFailed = false;
  #stopTicks: () => void = () => undefined;
  #snapshotAtBytes = 0;
  #snapshotting: Promise<void> = Promise.resolve();
  #snapshotIsRunning = false;
  #compactTo: LogIndex = 0;
  #heldOffers: PeerMessage[] = [];

  constructor(options: RaftNodeOptions) {
    this.#options = options;
  }

  /**
   * Opens the log and the snapshots, brings the state machine back, begins the loop. Resolves when everything that was known to
   * be committed is applied. Rejects with `log_corrupt`, `log_version`, `snapshot_corrupt`, `disk_failed`.
   */
  async start(): Promise<void> {
    const { log, snapshots, machine, limits, ticker } = this.#options;
    let recovered = await log.open();
    await snapshots.open();
    if (recovered.snapshot === null) recovered = await this.#bootstrap(recovered);
    await this.#recoverMachine(recovered);
    const base = recovered.snapshot;
    assertInvariant(base !== null, "a log without a base after bootstrap");
    this.#membership.reset(base.index, base.confState);
    const applied = machine.durableIndex;
    if (applied > log.lastIndex()) {
      throw new ClusterError(
        "log_corrupt",
        `the state holds entry ${applied} but the log ends at ${log.lastIndex()}: the log lost its end (restore a backup, or remove this node's data and let it rejoin)`,
      );
    }
    this.#adoptSnapshotMembership(base.index, applied);
    this.#hardState = { ...recovered.hardState, commit: Math.max(recovered.hardState.commit, applied) };
    this.#core = this.#createCore(applied);
    const newest = snapshots.latest();
    if (newest !== null) this.#core.offerSnapshot(newest.meta);
    this.#snapshotAtBytes = log.bytes() + limits.snapshotLogBytes;
    const target = this.#hardState.commit;
    while (this.#core.status().applied < target) await this.#round(this.#core.ready());
    this.#listen(this.#core);
    const { voters, learners } = this.#membership.current;
    this.#options.transport.setPeers(new Map([...voters, ...learners].map((id) => [id, ""])));
    await this.#options.transport.start();
    if (this.#membership.isOnlyVoter(this.#options.id)) this.#core.campaign();
    this.#stopTicks = ticker.every(limits.tickMs, () => this.#guard(() => this.#core?.tick()));
    this.#loop = this.#run();
  }

  /** Appends a command to the log if this node leads; it comes back through `StateMachine.apply`. False: try again later or elsewhere. */
  propose(payloads: readonly Uint8Array[]): boolean {
    if (this.#core === null || this.#stopping) return false;
    const core = this.#core;
    let taken = false;
    this.#guard(() => {
      taken = core.propose(payloads);
    });
    return taken;
  }

  status(): CoreStatus & { readonly voters: readonly NodeId[]; readonly learners: readonly NodeId[] } {
    const { voters, learners } = this.#membership.current;
    const core = this.#core?.status();
    if (core !== undefined) return { ...core, voters, learners };
    const { term, commit } = this.#hardState;
    return { role: "follower", leaderId: "", term, commit, applied: 0, match: new Map(), voters, learners };
  }

  /** Lets the round that is under way finish, then closes nothing: the stores belong to the caller. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#stopTicks();
    this.#kick();
    await this.#options.transport.stop();
    await this.#loop;
    await this.#snapshotting;
  }

  /** A new group begins from a snapshot at index 1, so that every later member starts from the same base (engine rule 4). */
  async #bootstrap(recovered: RecoveredLog): Promise<RecoveredLog> {
    const { log, machine, initialVoters } = this.#options;
    if (machine.durableIndex > 0) {
      throw new ClusterError(
        "log_corrupt",
        `the state holds entry ${machine.durableIndex} but there is no log: the log directory was lost (restore a backup, or remove this node's data and let it rejoin)`,
      );
    }
    const confState = { ...EMPTY_CONF_STATE, voters: [...initialVoters].sort() };
    const snapshot = { index: 1, term: 1, confState };
    const hardState = { term: 1, vote: "", commit: 1 };
    await log.append({ entries: [], hardState, snapshot });
    return { ...recovered, hardState, snapshot, firstIndex: 2, lastIndex: 1 };
  }

  /** The log must reach back to what the state machine holds; where it does not, the newest snapshot fills the gap. */
  async #recoverMachine(recovered: RecoveredLog): Promise<void> {
    const { machine, snapshots } = this.#options;
    const needed = recovered.firstIndex - 1;
    if (machine.durableIndex >= needed || needed <= 1) return;
    const newest = snapshots.latest();
    if (newest === null || newest.meta.index < needed) {
      throw new ClusterError(
        "log_corrupt",
        `the state ends at entry ${machine.durableIndex}, the log begins after ${needed}, and no snapshot covers what is between`,
      );
    }
    await newest.verify();
    await machine.restore(newest);
    assertInvariant(
      machine.durableIndex === newest.meta.index,
      "a restored state stands elsewhere than its snapshot",
    );
  }

  /** Where the newest snapshot stands between the log's base and what is applied, its membership is the later one. */
  #adoptSnapshotMembership(base: LogIndex, applied: LogIndex): void {
    const newest = this.#options.snapshots.latest();
    if (newest !== null && newest.meta.index > base && newest.meta.index <= applied) {
      this.#membership.reset(newest.meta.index, newest.meta.confState);
    }
  }

  #createCore(applied: LogIndex): RaftCore {
    const { id, log, random, limits, onWarning } = this.#options;
    return new RaftCore({
      id,
      log,
      hardState: this.#hardState,
      confState: this.#membership.current,
      applied,
      random,
      onWarning: (text) => onWarning({}, text),
      ...limits,
    });
  }

  /** A snapshot's offer waits until no Ready is pending (engine rule 2); everything else is stepped as it comes. */
  #listen(core: RaftCore): void {
    const { transport, group } = this.#options;
    transport.onFrame((_from, frame) => {
      if (frame.kind !== "raft" || frame.group !== group) return;
      const { message } = frame;
      if (message.snapshot !== null) this.#guard(() => this.#heldOffers.push(message));
      else this.#guard(() => core.step(message));
    });
    transport.onUnreachable((peer) => this.#guard(() => core.reportUnreachable(peer)));
  }

  /** What the core finds broken outside a round stops the node too, and not whoever brought the frame or the tick. */
  #guard(call: () => void): void {
    if (this.#stopping) return;
    try {
      call();
    } catch (error) {
      this.#fail(error);
    }
    this.#kick();
  }

  #fail(error: unknown): void {
    this.#stopping = true;
    this.#stopTicks();
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#options.onFailed(error instanceof Error ? error : new Error(String(error)));
  }

  #kick(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }

  async #run(): Promise<void> {
    const core = this.#core;
    assertInvariant(core !== null, "the loop runs without a core");
    try {
      while (!this.#stopping) {
        const offer = this.#heldOffers.shift();
        if (offer !== undefined) core.step(offer);
        if (core.hasReady()) await this.#round(core.ready());
        else if (this.#compactTo > 0) await this.#compact();
        else
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  async #round(ready: CoreReady): Promise<void> {
    this.#crashPoint("round-begun");
    await this.#persist(ready);
    this.#crashPoint("persisted");
    for (const message of ready.messages)
      this.#options.transport.send(message.to, { kind: "raft", group: this.#options.group, message });
    this.#crashPoint("sent");
    if (ready.snapshot !== null) await this.#install(ready.snapshot.index);
    this.#apply(ready.committed);
    this.#crashPoint("applied");
    this.#core?.advance();
    this.#snapshotWhenDue();
  }

  /** The commit index alone is not worth a disk write: it is found again by the next leader. It rides along with the next one. */
  async #persist(ready: CoreReady): Promise<void> {
    const before = this.#hardState;
    if (ready.hardState !== null) this.#hardState = ready.hardState;
    const { term, vote } = this.#hardState;
    const promises = term !== before.term || vote !== before.vote;
    if (ready.entries.length === 0 && ready.snapshot === null && !promises) return;
    const { ticker, onAppended, log } = this.#options;
    const begun = ticker.monotonicMs();
    await log.append({
      entries: ready.entries,
      hardState: this.#hardState,
      ...(ready.snapshot === null ? {} : { snapshot: ready.snapshot }),
    });
    onAppended?.((ticker.monotonicMs() - begun) / 1000);
  }

  async #install(index: LogIndex): Promise<void> {
    const { snapshots, machine } = this.#options;
    const newest = snapshots.latest();
    assertInvariant(
      newest !== null && newest.meta.index === index,
      "a snapshot was accepted before its bytes were here",
    );
    await machine.restore(newest);
    this.#membership.reset(newest.meta.index, newest.meta.confState);
  }

  #apply(committed: readonly Entry[]): void {
    if (committed.length === 0) return;
    const batch: CommittedEntry[] = [];
    for (const entry of committed) {
      const isCommand = entry.kind === EntryKind.Command;
      batch.push({ index: entry.index, term: entry.term, data: isCommand ? entry.data : NO_COMMAND });
      if (isCommand || this.#core === null) continue;
      this.#membership.changed(entry.index, this.#core.applyConfChange(entry));
    }
    this.#options.machine.apply(batch);
  }

  #snapshotWhenDue(): void {
    const { log, limits } = this.#options;
    if (this.#snapshotIsRunning || this.#stopping || log.bytes() < this.#snapshotAtBytes) return;
    this.#snapshotIsRunning = true;
    this.#snapshotting = this.#takeSnapshot()
      .catch((error: unknown) => {
        this.#options.onWarning(
          { error },
          "a snapshot could not be taken; the log keeps growing until one can",
        );
      })
      .finally(() => {
        this.#snapshotIsRunning = false;
        this.#snapshotAtBytes = log.bytes() + limits.snapshotLogBytes;
      });
  }

  async #takeSnapshot(): Promise<void> {
    const { machine, snapshots, log, onSnapshot } = this.#options;
    const pinned = await machine.pin();
    try {
      this.#crashPoint("snapshot-pinned");
      const { index } = pinned;
      const meta = { index, term: log.term(index), confState: this.#membership.asOf(index) };
      await snapshots.create(meta, (sink) => pinned.write(sink));
      this.#crashPoint("snapshot-written");
      this.#core?.offerSnapshot(meta);
      this.#compactTo = index;
      onSnapshot?.(index);
      this.#kick();
    } finally {
      pinned.release();
    }
  }

  async #compact(): Promise<void> {
    const { log } = this.#options;
    const index = this.#compactTo;
    this.#compactTo = 0;
    await log.compact({ index, term: log.term(index), confState: this.#membership.asOf(index) });
    this.#membership.forgetBefore(index);
    this.#snapshotAtBytes = log.bytes() + this.#options.limits.snapshotLogBytes;
    this.#crashPoint("compacted");
  }

  #crashPoint(point: CrashPoint): void {
    this.#options.crashPoint?.(point);
  }
}

const NO_COMMAND = new Uint8Array(0);
