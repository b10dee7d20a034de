/**
 * Gives this node's newest snapshot to peers that ask for it, piece by piece and not faster than the node can spare, and tells the
 * core of every offer that came to nothing (engine rule 4). A snapshot that is being read stays, whatever comes after it.
 */
import type { CallAnswer, Calls } from "./calls.js";
import { ClusterError, isSnapshotDamage } from "./errors.js";
import { plainMeta } from "./log/snapshot-meta.js";
import type { HeldSnapshot, SnapshotSource, SnapshotStore } from "./log/snapshot-store.js";
import { pause } from "./pause.js";
import type { CallParams } from "./transport/transport.js";
import type { LogIndex, NodeId } from "./types.js";

export const SNAPSHOT_METHODS = {
  open: "snapshot-open",
  read: "snapshot-read",
  close: "snapshot-close",
} as const;

/** One piece: large enough to be cheap, small enough to be no pause. */
export const SNAPSHOT_PIECE_BYTES = 256 * 1024;

export interface SnapshotSenderOptions {
  readonly calls: Calls;
  readonly snapshots: SnapshotStore;
  /** All transfers together: what is left of disk, network and processor belongs to publishers. */
  readonly bytesPerSecondMax: number;
  readonly after: (delayMs: number, task: () => void) => () => void;
  readonly monotonicMs: () => number;
  readonly onFailed: (peer: NodeId) => void;
  readonly onInstalled: (peer: NodeId) => void;
  /** The newest snapshot of this node is not what its manifest says. */
  readonly onDamaged: (error: ClusterError) => void;
}

/** An offer that nobody comes for, and a transfer that stands still, have failed. */
const OFFER_MS = 1_000;
const IDLE_MS = 3_000;
/** From the last piece until the peer has installed it and says so. */
const INSTALL_MS = 60_000;

interface Transfer {
  held: HeldSnapshot | null;
  index: LogIndex;
  state: "offered" | "reading" | "installing";
  sinceMs: number;
}

const PATIENCE_MS = { offered: OFFER_MS, reading: IDLE_MS, installing: INSTALL_MS } as const;

export class SnapshotSender {
  readonly #options: SnapshotSenderOptions;
  readonly #transfers = new Map<NodeId, Transfer>();
  /** When the next piece may go. */
  #freeAtMs = 0;
  #isExamining = false;

  constructor(options: SnapshotSenderOptions) {
    this.#options = options;
    const { calls } = options;
    calls.handle(SNAPSHOT_METHODS.open, async (from) => this.#open(from));
    calls.handle(SNAPSHOT_METHODS.read, async (from, params) => this.#read(from, params));
    calls.handle(SNAPSHOT_METHODS.close, async (from, params) => this.#close(from, params));
  }

  /** The core offered a peer the snapshot at `index`. */
  offered(peer: NodeId, index: LogIndex): void {
    if (this.#transfers.get(peer)?.state === "reading") return;
    this.#set(peer, { held: null, index, state: "offered", sinceMs: this.#options.monotonicMs() });
  }

  /**
   * The peer cannot be reached: an offer on its way to it is lost, and a peer that was installing may have crashed over it. One that
   * was still there costs no more than another offer. A transfer under way is the peer's to go on with.
   */
  unreachable(peer: NodeId): void {
    const state = this.#transfers.get(peer)?.state;
    if (state === undefined || state === "reading") return;
    this.#forget(peer);
    this.#options.onFailed(peer);
  }

  /** The lowest entry that a peer will need after the snapshot it is getting; `null` when none gets one. */
  neededFrom(): LogIndex | null {
    const indexes = [...this.#transfers.values()].map(({ index }) => index + 1);
    return indexes.length === 0 ? null : Math.min(...indexes);
  }

  /** The peers that are getting one; those that the core does not wait for any more are done with. */
  settle(awaits: (peer: NodeId) => boolean): void {
    const nowMs = this.#options.monotonicMs();
    for (const [peer, transfer] of this.#transfers) {
      const isLate = nowMs - transfer.sinceMs > PATIENCE_MS[transfer.state];
      const isDone = transfer.state !== "reading" && !awaits(peer);
      if (!isLate && !isDone) continue;
      this.#forget(peer);
      if (isLate && awaits(peer)) this.#options.onFailed(peer);
    }
  }

  stop(): void {
    for (const peer of [...this.#transfers.keys()]) this.#forget(peer);
  }

  #set(peer: NodeId, transfer: Transfer): void {
    this.#forget(peer);
    this.#transfers.set(peer, transfer);
  }

  #forget(peer: NodeId): void {
    this.#transfers.get(peer)?.held?.release();
    this.#transfers.delete(peer);
  }

  #open(from: NodeId): Partial<CallAnswer> {
    const held = this.#options.snapshots.hold();
    if (held === null) throw new ClusterError("call_failed", "this node has no snapshot");
    const { meta, files } = held.source;
    this.#set(from, { held, index: meta.index, state: "reading", sinceMs: this.#options.monotonicMs() });
    return {
      params: {
        meta: plainMeta(meta),
        files: files.map(({ name, bytes, crc }) => ({ name, bytes, crc })),
        pieceBytes: SNAPSHOT_PIECE_BYTES,
      },
    };
  }

  async #read(from: NodeId, params: CallParams): Promise<Partial<CallAnswer>> {
    const transfer = this.#transfers.get(from);
    const { index, name, offset } = params;
    if (transfer?.held === undefined || transfer.held === null || transfer.index !== index) {
      throw new ClusterError("call_failed", "that snapshot is not being read any more: begin again");
    }
    const file = transfer.held.source.files.find((known) => known.name === name);
    if (file === undefined || typeof offset !== "number" || !Number.isSafeInteger(offset) || offset < 0) {
      throw new ClusterError("call_failed", "the snapshot has no such piece");
    }
    transfer.sinceMs = this.#options.monotonicMs();
    await this.#turn(Math.min(SNAPSHOT_PIECE_BYTES, file.bytes - offset));
    transfer.sinceMs = this.#options.monotonicMs();
    return { bytes: await this.#piece(transfer.held.source, file.name, offset) };
  }

  async #piece(source: SnapshotSource, name: string, offset: number): Promise<Uint8Array> {
    try {
      return await source.read(name, offset, SNAPSHOT_PIECE_BYTES);
    } catch (error) {
      this.#judge(error, source.meta.index);
      throw error;
    }
  }

  /** Of a snapshot that a newer one has replaced nobody needs to know. A disk that fails otherwise says so to whoever needs it next. */
  #judge(error: unknown, index: LogIndex): void {
    if (isSnapshotDamage(error) && this.#options.snapshots.latest()?.meta.index === index)
      this.#options.onDamaged(error);
  }

  /** Waits until a piece of so many bytes may go. */
  async #turn(bytes: number): Promise<void> {
    const { monotonicMs, after, bytesPerSecondMax } = this.#options;
    const nowMs = monotonicMs();
    const atMs = Math.max(nowMs, this.#freeAtMs);
    this.#freeAtMs = atMs + (Math.max(0, bytes) * 1_000) / bytesPerSecondMax;
    if (atMs > nowMs) await pause(after, atMs - nowMs);
  }

  /** A peer got it damaged, which may be the network's doing, or the peer's: this looks whether it is here that it is damaged. */
  async #examine(index: LogIndex): Promise<void> {
    const held = this.#isExamining ? null : this.#options.snapshots.hold();
    if (held === null) return;
    this.#isExamining = true;
    try {
      if (held.source.meta.index === index) await held.source.verify();
    } catch (error) {
      this.#judge(error, index);
    } finally {
      this.#isExamining = false;
      held.release();
    }
  }

  #close(from: NodeId, { isComplete, isInstalled, isDamaged }: CallParams): Partial<CallAnswer> {
    const transfer = this.#transfers.get(from);
    if (transfer === undefined) return {};
    if (isInstalled === true) {
      if (transfer.state !== "installing") return {};
      this.#forget(from);
      this.#options.onInstalled(from);
    } else if (isComplete === true) {
      this.#set(from, { ...transfer, held: null, state: "installing", sinceMs: this.#options.monotonicMs() });
    } else {
      this.#forget(from);
      this.#options.onFailed(from);
      if (isDamaged === true) void this.#examine(transfer.index);
    }
    return {};
  }
}
