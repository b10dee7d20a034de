/**
 * Writes recent messages to the active segment, behind the append: one disk call at a time, many appends in one write. There is no
 * timer: what is gathered goes out when there is enough of it or when somebody asks for a sync, and until then it is in memory
 * and in the Raft log. Whatever else must not meet a write (sealing, retention) takes its turn in the same queue.
 */
import { assertInvariant, type FatalError } from "../errors.js";
import { bodyBytes } from "../state-machine/effects.js";
import { decodeGroupHeader, type Scratch, scratch } from "./block.js";
import { diskError, writeAside } from "./disk.js";
import { GroupEncoder } from "./group-encoder.js";
import type { StoreMark } from "./message-store.js";
import type { RecentMessages } from "./recent-messages.js";
import { type ActiveSegment, type SegmentCatalog, SegmentHandle } from "./segment-catalog.js";
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES, storeFileName } from "./segment-format.js";
import { GrowingIndex } from "./segment-index.js";
import { indexGroup } from "./segment-walk.js";
import { encodeSidecar } from "./sidecar.js";
import type { TopicTable } from "./topic-table.js";

const KIB = 1024;
/** A write goes out when this much is gathered, and takes up to the second figure with it: the disk is best in between. */
const WRITE_BYTES_MIN = 256 * KIB;
const WRITE_BYTES_MAX = 1024 * KIB;
/** A group is about a reader's page: a wildcard reader decodes whole groups. */
const GROUP_BYTES_MAX = 256 * KIB;
/** What an unwritten message counts beside its payload. */
const MESSAGE_BYTES = 24;

export interface WriterOptions {
  readonly catalog: SegmentCatalog;
  readonly table: TopicTable;
  readonly recent: RecentMessages;
  readonly segmentBytes: number;
  readonly mark: StoreMark;
}

export class SegmentWriter {
  readonly #catalog: SegmentCatalog;
  readonly #table: TopicTable;
  readonly #recent: RecentMessages;
  readonly #segmentBytes: number;
  readonly #encoder: GroupEncoder;
  #buffer: Scratch = scratch(Buffer.allocUnsafeSlow(512 * KIB));
  #queue: Promise<unknown> = Promise.resolve();
  #writeQueued = false;
  #failure: FatalError | null = null;
  #unwrittenBytes = 0;
  /** Where the syncs that are asked for and not done yet end, the first of them first. */
  readonly #syncTargets: number[] = [];
  #writtenThrough: number;
  #mark: StoreMark;
  /** The last segment that was written to and its bytes: it may be dropped, its number is not used again. */
  #end: { readonly segment: number; readonly bytes: number };

  constructor(options: WriterOptions) {
    this.#catalog = options.catalog;
    this.#table = options.table;
    this.#recent = options.recent;
    this.#segmentBytes = options.segmentBytes;
    this.#mark = options.mark;
    this.#end = options.mark;
    this.#writtenThrough = options.recent.lastPosition;
    const groupBytesMax = Math.min(GROUP_BYTES_MAX, Math.ceil(options.segmentBytes / 4));
    this.#encoder = new GroupEncoder((position) => this.#recent.at(position), groupBytesMax);
  }

  /** Everything up to here can be read from the disk. */
  get writtenThrough(): number {
    return this.#writtenThrough;
  }

  /** Bytes appended and not yet written. */
  get unwrittenBytes(): number {
    return this.#unwrittenBytes;
  }

  /** Messages were added to the recent ones. */
  appended(messages: number, bytes: number): void {
    this.#unwrittenBytes += bytes + messages * MESSAGE_BYTES;
    if (this.#unwrittenBytes < WRITE_BYTES_MIN || this.#writeQueued || this.#failure !== null) return;
    this.#writeQueued = true;
    const write = this.#turn("writing messages", async () => {
      this.#writeQueued = false;
      while (this.#unwrittenBytes >= WRITE_BYTES_MIN && this.#writtenThrough < this.#writableThrough) {
        await this.#writeSome();
      }
    });
    // The failure is kept: the next sync gives it.
    write.catch(() => undefined);
  }

  /**
   * Writes what was appended before the call, makes it durable and gives the mark, which is exactly there: no write goes past it before,
   * because the caller's state ends with it too.
   */
  sync(): Promise<StoreMark> {
    const target = this.#recent.lastPosition;
    this.#syncTargets.push(target);
    const sync = this.#turn("syncing messages", async () => {
      await this.#writeThrough(target);
      this.#syncTargets.shift();
      if (this.#mark.position === this.#writtenThrough) return this.#mark;
      const mark = { ...this.#end, position: this.#writtenThrough };
      await this.#catalog.active?.handle.file.sync();
      this.#mark = mark;
      return mark;
    });
    // What was held back meanwhile.
    sync.then(
      () => this.appended(0, 0),
      () => undefined,
    );
    return sync;
  }

  /** Runs `work` with everything appended before the call written, and with no write until it is done. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const target = this.#recent.lastPosition;
    return this.#turn("letting go of messages", async () => {
      await this.#writeThrough(target);
      return work();
    });
  }

  /** Finishes the active segment and writes its index; the next write begins another. To be called within `exclusive`. */
  async seal(): Promise<void> {
    const active = this.#catalog.active;
    if (active === null) return;
    await active.handle.file.sync();
    const index = await encodeSidecar(active.index, active);
    await writeAside(this.#catalog.disk, this.#catalog.directory, storeFileName(active.number, "idx"), index);
    this.#catalog.sealed.push({
      kind: "sealed",
      number: active.number,
      basePosition: active.basePosition,
      lastPosition: active.lastPosition,
      bytes: active.bytes,
      indexBytes: index.length,
      witness: null,
    });
    this.#catalog.active = null;
    active.handle.retire();
  }

  /** Waits for what is under way. */
  async idle(): Promise<void> {
    await this.#queue;
  }

  /** Runs `work` after what is queued. The first error of the disk is final: whatever comes after gets it too. */
  #turn<T>(doing: string, work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(async () => {
      if (this.#failure !== null) throw this.#failure;
      try {
        return await work();
      } catch (error) {
        this.#failure = diskError(error, doing);
        throw this.#failure;
      }
    });
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  async #writeThrough(position: number): Promise<void> {
    while (this.#writtenThrough < position) await this.#writeSome();
  }

  /** A sync that waits for its turn must not find more written than it was asked for. */
  get #writableThrough(): number {
    return this.#syncTargets[0] ?? this.#recent.lastPosition;
  }

  /** One write: as many groups as are there, as fit into the segment, and as make a good write. */
  async #writeSome(): Promise<void> {
    const last = this.#writableThrough;
    if (this.#writtenThrough === last) return;
    this.#encoder.plan(this.#writtenThrough + 1, last);
    const active = await this.#segmentWithRoom(this.#encoder.roomBytes);
    let used = 0;
    for (;;) {
      this.#reserve(used, this.#encoder.roomBytes);
      used = this.#encoder.encode(this.#buffer, used);
      if (this.#encoder.lastPosition === last || used >= WRITE_BYTES_MAX) break;
      const through = this.#encoder.lastPosition;
      this.#encoder.plan(through + 1, last);
      if (active.bytes + used + this.#encoder.roomBytes > this.#segmentBytes) break;
    }
    await active.handle.file.write(this.#buffer.bytes.subarray(0, used), active.bytes);
    this.#publish(active, used);
  }

  /** Makes what was written visible to readers of the disk, and lets go of it in memory. */
  #publish(active: ActiveSegment, used: number): void {
    const from = this.#writtenThrough;
    for (let at = 0; at < used; ) {
      const head = decodeGroupHeader(this.#buffer, at);
      assertInvariant(head !== null, "a group that was just encoded can be decoded");
      indexGroup(this.#buffer, at, active.bytes + at, head, active.index);
      active.lastPosition = head.lastPosition;
      at += head.bytes;
    }
    active.bytes += used;
    this.#end = { segment: active.number, bytes: active.bytes };
    this.#writtenThrough = active.lastPosition;
    for (let position = from + 1; position <= this.#writtenThrough; position += 1) {
      this.#unwrittenBytes -= bodyBytes(this.#recent.at(position)) + MESSAGE_BYTES;
    }
    this.#table.countThrough(this.#recent, this.#writtenThrough);
    this.#recent.evict(this.#writtenThrough);
  }

  /** The active segment if a group of `bytes` still fits into it, else a new one. A segment takes at least one group. */
  async #segmentWithRoom(bytes: number): Promise<ActiveSegment> {
    const active = this.#catalog.active;
    if (active !== null) {
      const isEmpty = active.lastPosition === active.basePosition;
      if (isEmpty || active.bytes + bytes <= this.#segmentBytes) return active;
      await this.seal();
    }
    const number = this.#end.segment + 1;
    const { directory, disk } = this.#catalog;
    const path = this.#catalog.path(number, "seg");
    const file = await disk.open(path, "create");
    await file.write(encodeSegmentHeader({ number, basePosition: this.#writtenThrough }), 0);
    await disk.syncDirectory(directory);
    const created = newActiveSegment(number, this.#writtenThrough, path, file);
    this.#catalog.active = created;
    return created;
  }

  #reserve(used: number, bytes: number): void {
    if (used + bytes <= this.#buffer.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(used + bytes, this.#buffer.bytes.length * 2));
    this.#buffer.bytes.copy(grown, 0, 0, used);
    this.#buffer = scratch(grown);
  }
}

/** A segment that is ready to be written behind its header. */
export function newActiveSegment(
  number: number,
  basePosition: number,
  path: string,
  file: ActiveSegment["handle"]["file"],
  index = new GrowingIndex(),
): ActiveSegment {
  return {
    kind: "active",
    number,
    basePosition,
    lastPosition: basePosition,
    bytes: SEGMENT_HEADER_BYTES,
    index,
    handle: new SegmentHandle(path, file, index, 0, () => file.close()),
  };
}
