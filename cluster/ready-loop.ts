/**
 * The Ready loop: one round after the other, each persists, sends, applies and advances, in the order the core demands
 * (Raft thesis, section 10.2). A leader's appends and heartbeats leave before its own write: followers write at the same time. Named
 * crash points stand where a crash must be harmless. Nothing is applied, and so nothing acknowledged, before it is on disk.
 */
import type { CoreReady } from "./core-types.js";
import { assertInvariant } from "./errors.js";
import type { LogStore } from "./log/log-store.js";
import type { SnapshotStore } from "./log/snapshot-store.js";
import type { Membership } from "./membership.js";
import type { RaftCore } from "./raft-core.js";
import type { SnapshotKeeper } from "./snapshot-keeper.js";
import type { CommittedEntry, StateMachine } from "./state-machine.js";
import {
  type Entry,
  EntryKind,
  type HardState,
  type LogIndex,
  type MembershipChange,
  type NodeId,
  type PeerMessage,
} from "./types.js";

/** Where a test or a fault campaign may stop the process. Between any two of them a crash must lose nothing acknowledged. */
export const CRASH_POINTS = [
  "round-begun",
  "sent-early",
  "persisted",
  "sent",
  "applied",
  "snapshot-pinned",
  "snapshot-written",
  "compacted",
] as const;
export type CrashPoint = (typeof CRASH_POINTS)[number];

export interface ReadyLoopOptions {
  readonly core: RaftCore;
  readonly log: LogStore;
  readonly snapshots: SnapshotStore;
  readonly machine: StateMachine;
  readonly membership: Membership;
  readonly keeper: SnapshotKeeper;
  readonly hardState: HardState;
  /** The entry that the membership is as of: the next one is the first to be met. */
  readonly from: LogIndex;
  readonly send: (message: PeerMessage) => void;
  /** Called before each round takes its Ready: what has gathered goes in. */
  readonly gather: () => void;
  readonly onRead: (context: string, index: LogIndex) => void;
  /** Everything up to `index` is applied. */
  readonly onApplied: (index: LogIndex) => void;
  /** The membership is another from entry `index` on; `null` when a snapshot brought it. */
  readonly onMembership: (index: LogIndex, change: MembershipChange | null) => void;
  /** One durable append took this long. */
  readonly onAppended: (milliseconds: number) => void;
  readonly monotonicMs: () => number;
  readonly crashPoint: (point: CrashPoint) => void;
}

/** etcd's numbers of what may leave before the leader's own write (engine rule 6): MsgApp, MsgHeartbeat. */
const MSG_APPEND = 3;
const MSG_HEARTBEAT = 8;
const NO_COMMAND = new Uint8Array(0);

export class ReadyLoop {
  readonly #options: ReadyLoopOptions;
  /** What the machine held when the loop began: applied before, not to be applied again. */
  readonly #appliedBefore: LogIndex;
  #hardState: HardState;
  /** Where, behind the commit index that is on disk, changes of membership are or may be; in order. */
  #changesBehind: readonly LogIndex[];
  /** The last entry that came out of the core. */
  #applied: LogIndex;
  #wake: (() => void) | null = null;
  #isStopping = false;
  #offers: PeerMessage[] = [];
  /** Whoever waits until the core has been told of every offer, and what came of it is installed. */
  #awaitSettled: (() => void)[] = [];
  #isSettled = true;

  constructor(options: ReadyLoopOptions) {
    this.#options = options;
    this.#hardState = options.hardState;
    const { commit } = options.hardState;
    this.#changesBehind = options.log.lastIndex() > commit ? [commit + 1] : [];
    this.#applied = options.from;
    this.#appliedBefore = options.machine.durableIndex;
  }

  get hardState(): HardState {
    return this.#hardState;
  }

  /** Rounds until everything up to `index`, known to be committed, is applied, or an entry says that this node is to stop. */
  async replay(index: LogIndex): Promise<void> {
    const { core } = this.#options;
    while (!this.#isStopping && core.status().applied < index) await this.#round(core.ready());
  }

  /** Goes on until `stop`. Rejects with what broke. */
  async run(): Promise<void> {
    const { core, keeper, gather } = this.#options;
    try {
      while (!this.#isStopping) {
        const offer = this.#offers.shift();
        // Never while a Ready is pending (engine rule 2).
        if (offer !== undefined) core.step(offer);
        gather();
        const isDue = core.hasReady();
        if (isDue) await this.#round(core.ready());
        if (this.#offers.length === 0) this.#settle();
        if (isDue) {
          keeper.takeWhenDue();
          await keeper.compactWhenDue();
        } else await this.#sleep();
      }
    } finally {
      this.#settle();
    }
  }

  /** A snapshot whose bytes are here is to be told to the core. */
  offer(message: PeerMessage): void {
    this.#isSettled = this.#isStopping;
    this.#offers.push(message);
    this.kick();
  }

  /** Resolves when no snapshot waits to be installed or is being installed: only then may another take its place. */
  async settled(): Promise<void> {
    if (!this.#isSettled) await new Promise<void>((resolve) => this.#awaitSettled.push(resolve));
  }

  /** Something happened: there may be work. Also a snapshot was taken: the log may be cut. */
  kick(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }

  /** The round that is under way is finished, no other begun. */
  stop(): void {
    this.#isStopping = true;
    this.kick();
  }

  #settle(): void {
    this.#isSettled = true;
    for (const resolve of this.#awaitSettled.splice(0)) resolve();
  }

  #sleep(): Promise<void> {
    const { core } = this.#options;
    return new Promise<void>((resolve) => {
      // Something may have come while the log was looked at.
      if (core.hasReady() || this.#offers.length > 0 || this.#isStopping) resolve();
      else this.#wake = resolve;
    });
  }

  async #round(ready: CoreReady): Promise<void> {
    const { core, send, crashPoint, onRead } = this.#options;
    crashPoint("round-begun");
    const late = this.#sendEarly(ready);
    crashPoint("sent-early");
    await this.#persist(ready);
    crashPoint("persisted");
    for (const message of late) send(message);
    crashPoint("sent");
    if (ready.snapshot !== null) await this.#install(ready.snapshot.index);
    this.#apply(ready.committed);
    crashPoint("applied");
    core.advance();
    for (const { context, index } of ready.reads) onRead(context, index);
  }

  /**
   * Sends what does not depend on this node's own disk: a leader's appends and heartbeats, where term and vote are as they are on disk
   * and the commit they tell of is durable here. Gives the rest, in order.
   */
  #sendEarly(ready: CoreReady): readonly PeerMessage[] {
    const { send, log } = this.#options;
    if (this.#promises(ready.hardState ?? this.#hardState)) return ready.messages;
    const durable = log.lastIndex();
    const late: PeerMessage[] = [];
    const lateFor = new Set<NodeId>();
    for (const message of ready.messages) {
      const isLeaders = message.kind === MSG_APPEND || message.kind === MSG_HEARTBEAT;
      if (isLeaders && message.commit <= durable && !lateFor.has(message.to)) send(message);
      else {
        late.push(message);
        lateFor.add(message.to);
      }
    }
    return late;
  }

  /**
   * What has to be on disk before anybody hears of it: term and vote; and a commit that changes the membership. Who was taken out stops
   * when it hears of that, and who forgot it would go on counting with it.
   */
  #promises({ term, vote, commit }: HardState): boolean {
    const { term: termBefore, vote: voteBefore } = this.#hardState;
    return (
      term !== termBefore ||
      vote !== voteBefore ||
      commit >= (this.#changesBehind[0] ?? Number.POSITIVE_INFINITY)
    );
  }

  /** The commit index alone is not worth a disk write: it is found again by the next leader. It rides along with the next one. */
  async #persist(ready: CoreReady): Promise<void> {
    const promises = ready.hardState !== null && this.#promises(ready.hardState);
    if (ready.hardState !== null) this.#hardState = ready.hardState;
    if (ready.entries.length === 0 && ready.snapshot === null && !promises) return;
    const { monotonicMs, onAppended, log, keeper } = this.#options;
    const begunMs = monotonicMs();
    await log.append({
      entries: ready.entries,
      hardState: this.#hardState,
      // The core's copy of the metadata knows votes, and no roster.
      ...(ready.snapshot === null ? {} : { snapshot: this.#received(ready.snapshot.index).meta }),
    });
    let bytes = 0;
    for (const { data } of ready.entries) bytes += data.byteLength;
    this.#noteAppended(ready.entries);
    keeper.appended(bytes);
    onAppended(monotonicMs() - begunMs);
  }

  /** The present commit is on disk, and these entries behind it. */
  #noteAppended(entries: readonly Entry[]): void {
    const { commit } = this.#hardState;
    const replacedFrom = entries[0]?.index ?? Number.POSITIVE_INFINITY;
    const changes = this.#changesBehind.filter((index) => index < replacedFrom);
    for (const { kind, index } of entries) if (kind !== EntryKind.Command) changes.push(index);
    this.#changesBehind = changes.filter((index) => index > commit);
  }

  #received(index: LogIndex): NonNullable<ReturnType<SnapshotStore["latest"]>> {
    const newest = this.#options.snapshots.latest();
    assertInvariant(
      newest !== null && newest.meta.index === index,
      "a snapshot was accepted before its bytes were here",
    );
    return newest;
  }

  async #install(index: LogIndex): Promise<void> {
    const { core, machine, membership, keeper, onMembership, onApplied } = this.#options;
    const newest = this.#received(index);
    await machine.restore(newest);
    membership.reset(newest.meta.index, newest.meta.confState);
    this.#applied = index;
    core.offerSnapshot(newest.meta);
    keeper.installed();
    onMembership(index, null);
    onApplied(index);
  }

  #apply(committed: readonly Entry[]): void {
    if (committed.length === 0) return;
    const wasStopping = this.#isStopping;
    const batch: CommittedEntry[] = [];
    for (const entry of committed) {
      assertInvariant(entry.index === this.#applied + 1, `entry ${entry.index} comes after ${this.#applied}`);
      this.#applied = entry.index;
      const isCommand = entry.kind === EntryKind.Command;
      if (!isCommand) this.#changeMembership(entry);
      if (entry.index > this.#appliedBefore) {
        batch.push({ index: entry.index, term: entry.term, data: isCommand ? entry.data : NO_COMMAND });
      }
      // It took this node out: what comes after is the others'.
      if (this.#isStopping && !wasStopping) break;
    }
    if (batch.length > 0) this.#options.machine.apply(batch);
    this.#options.onApplied(this.#applied);
  }

  #changeMembership(entry: Entry): void {
    const { core, membership, keeper, onMembership } = this.#options;
    const { confState, change } = core.applyConfChange(entry);
    membership.changed(entry.index, confState, change);
    keeper.want(entry.index);
    onMembership(entry.index, change);
  }
}
