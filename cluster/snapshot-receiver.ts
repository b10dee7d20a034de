/**
 * Gets the snapshot that a leader offers: asks for it piece by piece, goes on after a broken link where it stopped, checks every file
 * and puts the whole in place at once. Only then is the core told of the offer.
 */
import { crc32 } from "node:zlib";
import type { Calls } from "./calls.js";
import { ClusterError, isSnapshotDamage } from "./errors.js";
import { fieldsOf, isCount, parseMeta } from "./log/snapshot-meta.js";
import type { SnapshotFile, SnapshotSink, SnapshotSource, SnapshotStore } from "./log/snapshot-store.js";
import { pause } from "./pause.js";
import { SNAPSHOT_METHODS } from "./snapshot-sender.js";
import type { CallParams } from "./transport/transport.js";
import type { LogIndex, NodeId, PeerMessage, SnapshotMeta } from "./types.js";

export interface SnapshotReceiverOptions {
  readonly calls: Calls;
  readonly snapshots: SnapshotStore;
  /** Resolves when this node takes no snapshot of its own, and has installed what it was sent before. */
  readonly idle: () => Promise<void>;
  /** The offer's snapshot, or a newer one, is on disk: the core may be told. */
  readonly onReady: (offer: PeerMessage) => void;
  readonly after: (delayMs: number, task: () => void) => () => void;
  readonly onWarning: (facts: object, text: string) => void;
}

const PIECE_TIMEOUT_MS = 1_500;
/** A piece that does not come after so many questions (a new leader offers its own snapshot meanwhile). */
const ATTEMPTS_MAX = 8;
const PAUSE_MS = 200;
/** Pieces asked for ahead: the disk of one side works while the network carries for the other. */
const AHEAD = 3;

interface Listing {
  readonly meta: SnapshotMeta;
  readonly files: readonly SnapshotFile[];
  /** What one answer brings, but for the last of a file: the sender's choice. */
  readonly pieceBytes: number;
}

export class SnapshotReceiver {
  readonly #options: SnapshotReceiverOptions;
  #running: Promise<void> = Promise.resolve();
  #from: NodeId | null = null;
  #offer: PeerMessage | null = null;
  #isStopping = false;

  constructor(options: SnapshotReceiverOptions) {
    this.#options = options;
  }

  get isReceiving(): boolean {
    return this.#from !== null;
  }

  /** A leader offers a snapshot. */
  offered(offer: PeerMessage): void {
    if (this.#isStopping) return;
    this.#offer = offer;
    if (this.#from === null) this.#begin(offer);
  }

  #begin(offer: PeerMessage): void {
    this.#from = offer.from;
    this.#running = this.#receive(offer)
      .catch((error: unknown) => this.#failed(offer, error))
      .finally(() => {
        this.#from = null;
        // Another leader offered its own meanwhile.
        const next = this.#offer;
        if (next !== null && next.from !== offer.from && !this.#isStopping) this.#begin(next);
      });
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
  }

  async #receive(offer: PeerMessage): Promise<void> {
    const { calls, snapshots, idle, onReady } = this.#options;
    const { from } = offer;
    const timeoutMs = PIECE_TIMEOUT_MS;
    // One that is being installed may turn out to be enough.
    await idle();
    // The same leader may offer a newer one meanwhile: only that is good enough for it then.
    for (let received: SnapshotSource | null = null; !(await this.#isHere(from, received)); ) {
      const { params } = await calls.call(from, SNAPSHOT_METHODS.open, {}, { timeoutMs });
      const listing = listingOf(params);
      if (listing.meta.index < this.#wanted(from)) {
        throw new ClusterError("call_failed", "the peer has only an older one");
      }
      received = await snapshots.create(listing.meta, (sink) => this.#fetchAll(from, listing, sink));
    }
    await calls
      .call(from, SNAPSHOT_METHODS.close, { isComplete: true }, { timeoutMs })
      .catch(() => undefined);
    const newest = snapshots.latest();
    // What was put in place may be newer than what was offered: it is of the same history.
    if (newest === null || this.#isStopping) return;
    onReady({ ...(this.#offer ?? offer), snapshot: newest.meta });
    void this.#tellInstalled(from);
  }

  /** The core says so too, once: were that lost, the leader would wait for it and send nothing. */
  async #tellInstalled(from: NodeId): Promise<void> {
    const { calls, idle } = this.#options;
    await idle();
    const params = { isComplete: true, isInstalled: true };
    let isTold = false;
    for (let attempt = 1; attempt <= ATTEMPTS_MAX && !isTold && !this.#isStopping; attempt += 1) {
      isTold = await calls.call(from, SNAPSHOT_METHODS.close, params, { timeoutMs: PIECE_TIMEOUT_MS }).then(
        () => true,
        () => false,
      );
    }
  }

  /**
   * Whether the newest on disk is good enough for that leader. One that was not `received` just now, checked as it came, may have been damaged since:
   * the state must not become that.
   */
  async #isHere(from: NodeId, received: SnapshotSource | null): Promise<boolean> {
    const { snapshots, onWarning } = this.#options;
    const newest = snapshots.latest();
    if (newest === null || newest.meta.index < this.#wanted(from)) return false;
    if (newest === received) return true;
    try {
      await newest.verify();
      return true;
    } catch (error) {
      if (!isSnapshotDamage(error)) throw error;
      onWarning({ reason: error.message }, "a snapshot on this disk is damaged: another is fetched");
      snapshots.distrust();
      return false;
    }
  }

  /** What that leader offered last; nothing when another one has offered since. */
  #wanted(from: NodeId): LogIndex {
    return this.#offer?.from === from ? (this.#offer.snapshot?.index ?? 0) : 0;
  }

  #failed(offer: PeerMessage, error: unknown): void {
    const { calls, onWarning } = this.#options;
    if (this.#isStopping) return;
    onWarning(
      { from: offer.from, reason: error instanceof Error ? error.message : String(error) },
      "a snapshot could not be received",
    );
    const params = { isComplete: false, isDamaged: isSnapshotDamage(error) };
    void calls
      .call(offer.from, SNAPSHOT_METHODS.close, params, { timeoutMs: PIECE_TIMEOUT_MS })
      .catch(() => undefined);
  }

  async #fetchAll(from: NodeId, { meta, files, pieceBytes }: Listing, sink: SnapshotSink): Promise<void> {
    for (const file of files) {
      await sink.write(file.name, new Uint8Array(0));
      let crc = 0;
      const ahead: Promise<Uint8Array>[] = [];
      let asked = 0;
      let offset = 0;
      while (offset < file.bytes) {
        while (ahead.length < AHEAD && asked < file.bytes) {
          const piece = this.#piece(from, meta, file.name, asked);
          piece.catch(() => undefined);
          ahead.push(piece);
          asked += pieceBytes;
        }
        const bytes = await ahead.shift();
        if (bytes === undefined || bytes.byteLength === 0)
          throw new ClusterError("snapshot_corrupt", `${file.name} ended early`);
        crc = crc32(bytes, crc);
        offset += bytes.byteLength;
        await sink.write(file.name, bytes);
      }
      if (crc !== file.crc || offset !== file.bytes) {
        throw new ClusterError("snapshot_corrupt", `${file.name} of the snapshot arrived damaged`);
      }
    }
  }

  /** One piece, asked for again and again while the same leader offers. */
  async #piece(from: NodeId, meta: SnapshotMeta, name: string, offset: number): Promise<Uint8Array> {
    const { calls, after } = this.#options;
    const options = { timeoutMs: PIECE_TIMEOUT_MS, isBulk: true };
    for (let attempt = 1; ; attempt += 1) {
      try {
        const params = { index: meta.index, name, offset };
        return (await calls.call(from, SNAPSHOT_METHODS.read, params, options)).bytes;
      } catch (error) {
        const isOver = attempt >= ATTEMPTS_MAX || this.#isStopping || this.#offer?.from !== from;
        const isPassing = error instanceof ClusterError && error.code === "call_timeout";
        if (isOver || !isPassing) throw error;
        await pause(after, PAUSE_MS);
      }
    }
  }
}

/** What a peer said that its snapshot is made of. Throws `snapshot_corrupt`. */
function listingOf({ meta, files, pieceBytes }: CallParams): Listing {
  const parsed = parseMeta(meta);
  const list: readonly unknown[] = Array.isArray(files) ? files : [];
  const known = list
    .map(fieldsOf)
    .flatMap(({ name, bytes, crc }) =>
      typeof name === "string" && isCount(bytes) && isCount(crc) ? [{ name, bytes, crc }] : [],
    );
  const isWhole = Array.isArray(files) && known.length === list.length;
  if (parsed === null || !isWhole || !isCount(pieceBytes) || pieceBytes === 0) {
    throw new ClusterError("snapshot_corrupt", "a peer's list of its snapshot's files is malformed");
  }
  return { meta: parsed, files: known, pieceBytes };
}
