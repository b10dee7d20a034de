/**
 * Memory twin of the snapshot store. What a crash would leave lives in an image that a new store can be opened on.
 */
import { crc32 } from "node:zlib";
import { assertInvariant, ClusterError } from "../errors.js";
import type { SnapshotMeta } from "../types.js";
import { isFileName } from "./snapshot-manifest.js";
import { plainMeta } from "./snapshot-meta.js";
import type {
  HeldSnapshot,
  SnapshotFile,
  SnapshotSink,
  SnapshotSource,
  SnapshotStore,
} from "./snapshot-store.js";

/** What is durable. */
export interface MemorySnapshotImage {
  latest: MemorySnapshot | null;
}

/** A finished snapshot. The bytes may be changed by a test that plays a failing disk. */
export class MemorySnapshot implements SnapshotSource {
  readonly meta: SnapshotMeta;
  readonly files: readonly SnapshotFile[];
  readonly contents: Map<string, Uint8Array>;

  constructor(meta: SnapshotMeta, contents: Map<string, Uint8Array>) {
    this.meta = plainMeta(meta);
    this.contents = contents;
    this.files = [...contents]
      .map(([name, bytes]) => ({ name, bytes: bytes.byteLength, crc: crc32(bytes) }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async read(name: string, offset: number, length: number): Promise<Uint8Array> {
    const known = this.files.find((file) => file.name === name);
    assertInvariant(known !== undefined, `the snapshot has no file ${name}`);
    const end = Math.min(known.bytes, offset + length);
    const bytes = this.contents.get(name)?.slice(offset, Math.max(offset, end)) ?? new Uint8Array(0);
    if (offset + bytes.byteLength < end) throw new ClusterError("snapshot_corrupt", `${name} is short`);
    return bytes;
  }

  async linkTo(): Promise<boolean> {
    return false;
  }

  async verify(): Promise<void> {
    for (const { name, bytes, crc } of this.files) {
      const contents = this.contents.get(name);
      if (contents?.byteLength !== bytes || crc32(contents) !== crc) {
        throw new ClusterError("snapshot_corrupt", `${name} is damaged`);
      }
    }
  }
}

export class MemorySnapshotStore implements SnapshotStore {
  readonly #image: MemorySnapshotImage;
  readonly #readSource: (path: string) => Uint8Array;
  #creating = false;

  /** `readSource` gives the bytes of a file that is linked into a snapshot. */
  constructor(
    image: MemorySnapshotImage = { latest: null },
    readSource: (path: string) => Uint8Array = noSource,
  ) {
    this.#image = image;
    this.#readSource = readSource;
  }

  async open(): Promise<void> {}

  latest(): SnapshotSource | null {
    return this.#image.latest;
  }

  hold(): HeldSnapshot | null {
    const { latest } = this.#image;
    return latest === null ? null : { source: latest, release: () => undefined };
  }

  /** Every snapshot here is made from nothing. */
  distrust(): void {}

  async create(meta: SnapshotMeta, fill: (sink: SnapshotSink) => Promise<unknown>): Promise<SnapshotSource> {
    assertInvariant(!this.#creating, "two snapshots are being taken at once");
    this.#creating = true;
    try {
      const contents = new Map<string, Uint8Array>();
      await fill(this.#sink(contents));
      const snapshot = new MemorySnapshot(meta, contents);
      this.#image.latest = snapshot;
      return snapshot;
    } finally {
      this.#creating = false;
    }
  }

  #sink(contents: Map<string, Uint8Array>): SnapshotSink {
    const linked = new Set<string>();
    return {
      write: async (name, bytes) => {
        assertInvariant(isFileName(name), `"${name}" is not a name for a file of a snapshot`);
        assertInvariant(!linked.has(name), `file ${name} of the snapshot is a link`);
        contents.set(name, Buffer.concat([contents.get(name) ?? new Uint8Array(0), bytes]));
      },
      link: async (name, sourcePath, bytes) => {
        assertInvariant(isFileName(name), `"${name}" is not a name for a file of a snapshot`);
        assertInvariant(!contents.has(name), `file ${name} is in the snapshot twice`);
        const source = this.#readSource(sourcePath);
        if (source.byteLength < bytes) {
          throw new ClusterError("snapshot_corrupt", `a file of a snapshot is shorter than ${bytes} bytes`);
        }
        linked.add(name);
        contents.set(name, source.slice(0, bytes));
        return 0;
      },
    };
  }
}

function noSource(path: string): Uint8Array {
  throw new ClusterError("disk_failed", `there is no file ${path} in memory`);
}
