/**
 * Takes snapshots beside the running loop, when the log has grown and after every change of membership, and says how far the log may
 * be let go of: never past the newest snapshot, nor past what a member that is nearly there still needs.
 */
import type { ClusterError } from "./errors.js";
import type { LogStore } from "./log/log-store.js";
import type { SnapshotStore } from "./log/snapshot-store.js";
import type { Membership } from "./membership.js";
import type { StateMachine } from "./state-machine.js";
import type { LogIndex, SnapshotMeta } from "./types.js";

export interface SnapshotKeeperOptions {
  readonly log: LogStore;
  readonly snapshots: SnapshotStore;
  readonly machine: StateMachine;
  readonly membership: Membership;
  /** The log may grow by this many bytes before a snapshot is taken. */
  readonly snapshotLogBytes: number;
  /** The lowest entry that a member or a transfer under way still needs from this log, `null` when nobody does. */
  readonly neededFrom: () => LogIndex | null;
  /** A single voter needs no log behind its snapshot. */
  readonly isAlone: () => boolean;
  /** A snapshot is being received: there is one writer of snapshots at a time. */
  readonly isReceiving: () => boolean;
  readonly onTaken: (meta: SnapshotMeta) => void;
  readonly onWarning: (facts: object, text: string) => void;
  /** What a snapshot would be made of is damaged, too: nobody can begin from this node. */
  readonly onBeyondRepair: (error: unknown) => void;
  readonly crashPoint: (point: "snapshot-pinned" | "snapshot-written" | "compacted") => void;
}

/** A laggard may hold back this many times what is between two snapshots, or as much as a snapshot is; past it, it will get one. */
const HELD_BACK_FACTOR = 8;
/** After a snapshot that failed so many rounds go by before the next attempt: ten seconds of heartbeats. */
const REST_ROUNDS = 256;

export class SnapshotKeeper {
  readonly #options: SnapshotKeeperOptions;
  #running: Promise<void> = Promise.resolve();
  #isRunning = false;
  #isStopping = false;
  #takeAtBytes: number;
  /** Payload bytes appended to the log in this life. */
  #appendedBytes = 0;
  /** A snapshot that covers this entry is wanted whatever the log's size. */
  #wantedIndex: LogIndex = 0;
  /** The newest one is damaged. */
  #isRenewing = false;
  /** Rounds that go by before the next attempt. */
  #restRounds = 0;
  /** Snapshots that the log can be cut to, oldest first, and how much was logged after each. */
  #cuts: { readonly index: LogIndex; readonly atBytes: number }[] = [];

  constructor(options: SnapshotKeeperOptions) {
    this.#options = options;
    this.#takeAtBytes = options.log.bytes() + options.snapshotLogBytes;
    // One that a peer sent may be there and not be installed: the log must not be cut beyond what is applied.
    const newest = options.snapshots.latest()?.meta.index ?? 0;
    if (newest > 0 && newest <= options.machine.durableIndex) this.#cuts.push({ index: newest, atBytes: 0 });
  }

  /** So many payload bytes were appended to the log. */
  appended(bytes: number): void {
    this.#appendedBytes += bytes;
  }

  /** Resolves when no snapshot is being taken. */
  idle(): Promise<void> {
    return this.#running;
  }

  /** Somebody needs a snapshot that covers entry `index`: after a change of membership a newcomer does (engine rule 4). */
  want(index: LogIndex): void {
    this.#wantedIndex = Math.max(this.#wantedIndex, index);
  }

  /** The newest snapshot was found damaged: another one, be it of the same state, takes its place. */
  renew({ code, message }: ClusterError): void {
    const { snapshots, onWarning } = this.#options;
    if (this.#isRenewing) return;
    onWarning({ code, reason: message }, "this node's snapshot is damaged: another one is taken");
    this.#isRenewing = true;
    snapshots.distrust();
  }

  /** A snapshot came from a peer and is the newest. */
  installed(): void {
    this.#isRenewing = false;
    this.#cuts = [];
    this.#takeAtBytes = this.#options.log.bytes() + this.#options.snapshotLogBytes;
  }

  /** Begins a snapshot if one is due and none is under way. */
  takeWhenDue(): void {
    const { log, snapshots, snapshotLogBytes } = this.#options;
    const isWanted = this.#isRenewing || (snapshots.latest()?.meta.index ?? 0) < this.#wantedIndex;
    if (this.#isRunning || this.#isStopping || this.#options.isReceiving()) return;
    if (!isWanted && log.bytes() < this.#takeAtBytes) return;
    this.#restRounds -= 1;
    if (this.#restRounds >= 0) return;
    this.#isRunning = true;
    this.#restRounds = 0;
    this.#running = this.#take()
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#isRunning = false;
        this.#takeAtBytes = log.bytes() + snapshotLogBytes;
      });
  }

  /** Cuts the log where that is due. Called by the loop between two rounds. True when it did something. */
  async compactWhenDue(): Promise<boolean> {
    const { log, membership, snapshotLogBytes, crashPoint } = this.#options;
    const index = this.#cutIndex();
    if (index < log.firstIndex()) return false;
    await log.compact({ index, term: log.term(index), confState: membership.asOf(index) });
    membership.forgetBefore(index);
    this.#cuts = this.#cuts.filter((cut) => cut.index > index);
    this.#takeAtBytes = log.bytes() + snapshotLogBytes;
    crashPoint("compacted");
    return true;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
  }

  /** Behind the newest snapshot stays about half of what is between two: members that are a little behind find it here. */
  #cutIndex(): LogIndex {
    const { log, snapshotLogBytes, neededFrom, isAlone } = this.#options;
    const tailBytes = isAlone() ? 0 : snapshotLogBytes / 2;
    const due = this.#cuts.findLast((cut) => this.#appendedBytes - cut.atBytes >= tailBytes);
    if (due === undefined) return 0;
    const needed = neededFrom();
    if (needed === null || needed > due.index || log.bytes() >= this.#heldBackMaxBytes()) return due.index;
    return needed - 1;
  }

  /**
   * Whoever gets a snapshot needs all that was logged meanwhile: cut away, the snapshot was for nothing, and the next one as well. Less
   * than a snapshot it is wherever entries come slower than snapshots travel. It does not cost less to send another one, either.
   */
  #heldBackMaxBytes(): number {
    const { snapshots, snapshotLogBytes } = this.#options;
    const files = snapshots.latest()?.files ?? [];
    const snapshotBytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
    return Math.max(HELD_BACK_FACTOR * snapshotLogBytes, snapshotBytes);
  }

  #failed(error: unknown): void {
    const { onWarning, onBeyondRepair } = this.#options;
    if (this.#isRenewing && isDamage(error)) {
      onBeyondRepair(error);
      return;
    }
    onWarning({ error }, "a snapshot could not be taken; the log keeps growing until one can");
    this.#restRounds = REST_ROUNDS;
  }

  async #take(): Promise<void> {
    const { machine, snapshots, log, membership, onTaken, crashPoint } = this.#options;
    const atBytes = this.#appendedBytes;
    const pinned = await machine.pin();
    try {
      crashPoint("snapshot-pinned");
      const { index } = pinned;
      const newest = snapshots.latest()?.meta.index ?? 0;
      // Nothing new, or overtaken by a snapshot that a peer sent.
      const isNew = index > newest || (index === newest && this.#isRenewing);
      if (!isNew || index < log.firstIndex() - 1) return;
      const meta = { index, term: log.term(index), confState: membership.asOf(index) };
      await snapshots.create(meta, (sink) => pinned.write(sink));
      this.#isRenewing = false;
      crashPoint("snapshot-written");
      this.#cuts.push({ index, atBytes });
      onTaken(meta);
    } finally {
      pinned.release();
    }
  }
}

/** Whether the machine, or a store below it, found that bytes are not what they were. */
function isDamage(error: unknown): boolean {
  return error instanceof Error && "code" in error && /^[a-z]+_corrupt$/.test(String(error.code));
}
