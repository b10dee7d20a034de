/**
 * The segments there are: the sealed ones oldest first, and the one being written. Opens sealed ones for readers and keeps the most
 * recently used open, within a ceiling on descriptors and on index bytes in memory.
 */
import { JangadaError } from "../errors.js";
import type { Disk, DiskFile } from "./disk.js";
import { SealedIndex } from "./sealed-index.js";
import { corrupt, storeFileName } from "./segment-format.js";
import { type GrowingIndex, lowerBound, type SegmentIndex } from "./segment-index.js";

/** A segment that gets no more messages. */
export interface SealedSegment {
  readonly kind: "sealed";
  readonly number: number;
  /** The position before its first message. */
  readonly basePosition: number;
  readonly lastPosition: number;
  readonly bytes: number;
  readonly indexBytes: number;
  /** A topic that was seen to have visible messages here, through this position: while it has, the segment is needed. */
  witness: { readonly topicId: number; readonly lastPosition: number } | null;
}

/** The segment that is being written. `bytes` and `lastPosition` cover what is written and in the index. */
export interface ActiveSegment {
  readonly kind: "active";
  readonly number: number;
  readonly basePosition: number;
  lastPosition: number;
  bytes: number;
  readonly index: GrowingIndex;
  readonly handle: SegmentHandle;
}

export type Segment = SealedSegment | ActiveSegment;

/** Open segments kept, and the bytes of their indexes: a table of 100,000 topics takes about 5 MiB. */
const OPEN_SEGMENTS_MAX = 48;
const OPEN_INDEX_BYTES_MAX = 64 * 1024 * 1024;

/** A segment's file and index, open for as long as somebody reads from it. */
export class SegmentHandle {
  readonly path: string;
  readonly file: DiskFile;
  readonly index: SegmentIndex;
  /** Bytes of memory that its index takes. */
  readonly indexBytes: number;
  readonly #close: () => Promise<unknown>;
  #users = 0;
  #retired = false;
  #closed: Promise<unknown> | null = null;

  constructor(
    path: string,
    file: DiskFile,
    index: SegmentIndex,
    indexBytes: number,
    close: () => Promise<unknown>,
  ) {
    this.path = path;
    this.file = file;
    this.index = index;
    this.indexBytes = indexBytes;
    this.#close = close;
  }

  async use<T>(work: (handle: SegmentHandle) => Promise<T>): Promise<T> {
    this.#users += 1;
    try {
      return await work(this);
    } finally {
      this.#users -= 1;
      this.#closeWhenUnused();
    }
  }

  get usable(): boolean {
    return this.#closed === null;
  }

  /** Closes it once nobody reads any more. */
  retire(): void {
    this.#retired = true;
    this.#closeWhenUnused();
  }

  /** Resolves when a retired handle is closed, if nobody reads from it. */
  async closed(): Promise<void> {
    await this.#closed;
  }

  #closeWhenUnused(): void {
    if (!this.#retired || this.#users > 0 || this.#closed !== null) return;
    // A descriptor that was only read from, or synced before: closing it can lose nothing.
    this.#closed = this.#close().catch(() => undefined);
  }
}

export class SegmentCatalog {
  readonly directory: string;
  readonly disk: Disk;
  /** Grows whenever a segment is dropped. */
  version = 0;
  /** Oldest first. */
  sealed: SealedSegment[] = [];
  active: ActiveSegment | null = null;
  /** By segment number, the least recently used first. */
  readonly #open = new Map<number, Promise<SegmentHandle>>();
  #openIndexBytes = 0;
  #isClosed = false;

  constructor(directory: string, disk: Disk) {
    this.directory = directory;
    this.disk = disk;
  }

  path(number: number, kind: "seg" | "idx" | "trims"): string {
    return `${this.directory}/${storeFileName(number, kind)}`;
  }

  /** The oldest segment that reaches above `position`. Throws `JangadaError` `not_ready` once the catalog is closed. */
  firstAbove(position: number): Segment | null {
    // A reader that went on would take messages for dropped.
    if (this.#isClosed)
      throw new JangadaError("not_ready", "the messages are being replaced or closed; try again");
    const place = lowerBound(this.sealed.length, (i) => (this.sealed[i]?.lastPosition ?? 0) > position);
    const sealed = this.sealed[place];
    if (sealed !== undefined) return sealed;
    return this.active !== null && this.active.lastPosition > position ? this.active : null;
  }

  /** Bytes of all segments and their indexes. */
  bytes(): number {
    let bytes = this.active?.bytes ?? 0;
    for (const segment of this.sealed) bytes += segment.bytes + segment.indexBytes;
    return bytes;
  }

  /** Opens the segment for `work`, which may read from it until it is done even if the segment is dropped meanwhile. */
  async use<T>(segment: Segment, work: (handle: SegmentHandle) => Promise<T>): Promise<T> {
    if (segment.kind === "active") return segment.handle.use(work);
    for (;;) {
      const opened = this.#open.get(segment.number) ?? this.#openSealed(segment);
      this.#open.delete(segment.number);
      this.#open.set(segment.number, opened);
      const handle = await opened;
      // It may have been let go of while this reader waited for its turn.
      if (!handle.usable) continue;
      const result = handle.use(work);
      this.#evict();
      return result;
    }
  }

  /** Takes sealed segments out; their files are still there, for whoever reads from them. */
  drop(numbers: ReadonlySet<number>): void {
    this.sealed = this.sealed.filter((segment) => !numbers.has(segment.number));
    this.version += 1;
    for (const number of numbers) {
      const opened = this.#open.get(number);
      if (opened !== undefined) this.#retire(number, opened);
    }
  }

  /** Lets go of every file once nobody reads from it, and of the segments. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const handles = [...this.#open.values()];
    for (const [number, opened] of this.#open) this.#retire(number, opened);
    this.active?.handle.retire();
    await this.active?.handle.closed();
    for (const opened of handles) await (await opened.catch(() => null))?.closed();
    this.active = null;
    this.sealed = [];
  }

  #openSealed(segment: SealedSegment): Promise<SegmentHandle> {
    const opened = this.#openFiles(segment.number);
    opened.catch(() => this.#open.delete(segment.number));
    return opened;
  }

  async #openFiles(number: number): Promise<SegmentHandle> {
    const index = await SealedIndex.open(this.disk, this.path(number, "idx"));
    if (index === null) throw corrupt(this.path(number, "idx"), "the index is missing or does not check");
    const path = this.path(number, "seg");
    const file = await this.disk.open(path, "read").catch(async (error: unknown) => {
      await index.close();
      throw error;
    });
    this.#openIndexBytes += index.bytes;
    return new SegmentHandle(path, file, index, index.bytes, () =>
      Promise.all([file.close(), index.close()]),
    );
  }

  #evict(): void {
    for (const [number, opened] of this.#open) {
      if (this.#open.size <= OPEN_SEGMENTS_MAX && this.#openIndexBytes <= OPEN_INDEX_BYTES_MAX) return;
      if (this.#open.size === 1) return;
      this.#retire(number, opened);
    }
  }

  #retire(number: number, opened: Promise<SegmentHandle>): void {
    this.#open.delete(number);
    const retire = (handle: SegmentHandle): void => {
      this.#openIndexBytes -= handle.indexBytes;
      handle.retire();
    };
    opened.then(retire, () => undefined);
  }
}
