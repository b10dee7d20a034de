/**
 * Port: whole-state snapshots on this node. A snapshot is a small set of named files, written aside, synced,
 * checksummed in a manifest and renamed into place, so that it is there complete or not at all.
 * Implementations: file-snapshot-store.ts (disk), memory-snapshot-store.ts (twin).
 */
import type { SnapshotMeta } from "../types.js";

/** Receives the files of one snapshot while it is taken. Names are plain (`[a-z0-9.-]+`), one level. */
export interface SnapshotSink {
  /** Appends to file `name` (created at the first call). Resolves when the bytes may be reused. */
  write(name: string, bytes: Uint8Array): Promise<void>;
  /**
   * Takes the first `bytes` bytes of an existing append-only file as file `name`, sharing its blocks where the disk can
   * (a hard link). The caller promises that those bytes never change. Gives from which byte on they are new: those before were in the
   * snapshot before this one.
   */
  link(name: string, sourcePath: string, bytes: number): Promise<number>;
}

/** One file of a finished snapshot. `crc` is the CRC-32 of its `bytes` bytes. */
export interface SnapshotFile {
  readonly name: string;
  readonly bytes: number;
  readonly crc: number;
}

/** A finished snapshot, for reading. */
export interface SnapshotSource {
  readonly meta: SnapshotMeta;
  readonly files: readonly SnapshotFile[];
  /** Up to `length` bytes of file `name` from `offset`; shorter only at the file's end. Throws `snapshot_corrupt` when the file is short. */
  read(name: string, offset: number, length: number): Promise<Uint8Array>;
  /** Reads every file and compares checksums. Throws `snapshot_corrupt`. */
  verify(): Promise<void>;
  /** Gives file `name` a second name, sharing its blocks; false where the disk cannot. Nobody may change its bytes after. */
  linkTo(name: string, path: string): Promise<boolean>;
}

/** The newest snapshot of some moment, which stays readable until it is let go of, whatever comes after it. */
export interface HeldSnapshot {
  readonly source: SnapshotSource;
  /** Once. */
  release(): void;
}

export interface SnapshotStore {
  /**
   * Reads the newest manifest, then removes what an interrupted `create` left behind. Called once, before anything else. Throws
   * `snapshot_corrupt` when the manifest is damaged, `log_version` when it is of a newer format; nothing is removed then.
   */
  open(): Promise<void>;

  /** The newest snapshot, or `null`. */
  latest(): SnapshotSource | null;

  /** The newest snapshot, kept while it is read by others; `null` when there is none. */
  hold(): HeldSnapshot | null;

  /** The newest snapshot was found damaged: the next one takes no checksum over from it. */
  distrust(): void;

  /**
   * Writes a snapshot: `fill` hands over its files; when it resolves they are synced, listed with checksums in a manifest and
   * renamed into place; older snapshots are then removed. When `fill` rejects nothing changes.
   */
  create(meta: SnapshotMeta, fill: (sink: SnapshotSink) => Promise<unknown>): Promise<SnapshotSource>;
}
