/**
 * The index of a sealed segment, read from its sidecar: topics and groups in memory, the rows of blocks fetched when a reader
 * wants them.
 */
import type { BlockEntry } from "./block.js";
import type { Disk, DiskFile } from "./disk.js";
import { corrupt } from "./segment-format.js";
import { lowerBound, type SegmentIndex, type TopicSummary } from "./segment-index.js";
import {
  decodeRow,
  decodeSidecarHeader,
  GROUP_BYTES,
  isSoundSidecar,
  ROW_BYTES,
  rowsOffset,
  SIDECAR_HEADER_BYTES,
  type SidecarHeader,
  sidecarBytes,
  TOPIC_BYTES,
} from "./sidecar.js";

/** Rows of a topic are fetched this many at a time. */
const ROWS_PER_READ = 512;

interface Topic extends TopicSummary {
  readonly firstRow: number;
  readonly rows: number;
}

export class SealedIndex implements SegmentIndex {
  readonly header: SidecarHeader;
  readonly #file: DiskFile;
  readonly #path: string;
  readonly #view: DataView;
  #rows: DataView | null = null;

  private constructor(file: DiskFile, path: string, header: SidecarHeader, table: Buffer) {
    this.#file = file;
    this.#path = path;
    this.header = header;
    this.#view = new DataView(table.buffer, table.byteOffset, table.byteLength);
  }

  /** Opens a sidecar; `null` when it is missing, cut short or does not check: it is then made again. */
  static async open(disk: Disk, path: string): Promise<SealedIndex | null> {
    let file: DiskFile;
    try {
      file = await disk.open(path, "read");
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
      throw error;
    }
    const index = await SealedIndex.#load(file, path).catch(async (error: unknown) => {
      await file.close();
      throw error;
    });
    if (index === null) await file.close();
    return index;
  }

  static async #load(file: DiskFile, path: string): Promise<SealedIndex | null> {
    const head = Buffer.alloc(SIDECAR_HEADER_BYTES);
    await file.read(head, 0);
    const header = decodeSidecarHeader(head);
    if (header === null || (await file.size()) !== sidecarBytes(header)) return null;
    const table = Buffer.allocUnsafeSlow(rowsOffset(header));
    await file.read(table, 0);
    return isSoundSidecar(table) ? new SealedIndex(file, path, header, table) : null;
  }

  /** Bytes in memory. */
  get bytes(): number {
    return this.#view.byteLength;
  }

  /** Bytes on disk. */
  get fileBytes(): number {
    return sidecarBytes(this.header);
  }

  get topicCount(): number {
    return this.header.topics;
  }

  get groupCount(): number {
    return this.header.groups;
  }

  *topicIds(): Iterable<number> {
    for (let i = 0; i < this.header.topics; i += 1) yield this.#topicId(i);
  }

  summary(topicId: number): TopicSummary | undefined {
    return this.#topic(topicId);
  }

  async blocks(topicId: number, after: number, messagesMax: number): Promise<readonly BlockEntry[]> {
    const topic = this.#topic(topicId);
    const found: BlockEntry[] = [];
    if (topic === undefined || topic.lastPosition <= after) return found;
    let row = topic.firstPosition > after ? 0 : await this.#firstRowAbove(topic, after);
    let messages = 0;
    while (row < topic.rows && messages < messagesMax) {
      const count = Math.min(ROWS_PER_READ, topic.rows - row);
      const rows = await this.#read(topic.firstRow + row, count);
      for (let i = 0; i < count && messages < messagesMax; i += 1) {
        const entry = this.#entry(rows, i, topicId);
        if (entry.lastPosition <= after) continue;
        found.push(entry);
        messages += entry.messages;
      }
      row += count;
    }
    return found;
  }

  groupAt(position: number): number {
    if (position > this.header.lastPosition) return this.groupCount;
    const delta = position - this.header.basePosition;
    return Math.max(0, lowerBound(this.groupCount, (i) => this.#group(i, 0) > delta) - 1);
  }

  groupOffset(group: number): number {
    return this.#group(group, 4);
  }

  async preload(): Promise<void> {
    this.#rows ??= await this.#read(0, this.header.blocks);
  }

  unload(): void {
    this.#rows = null;
  }

  /** Reads every row. Rejects with `FatalError` `store_corrupt`. */
  async verify(): Promise<void> {
    const { blocks } = this.header;
    for (let row = 0; row < blocks; row += ROWS_PER_READ) {
      const count = Math.min(ROWS_PER_READ, blocks - row);
      const rows = await this.#read(row, count);
      for (let i = 0; i < count; i += 1) this.#entry(rows, i, null);
    }
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  /** Of a long list, a row at or a little before the first that reaches above `after`: halved on disk, a row at a time. */
  async #firstRowAbove(topic: Topic, after: number): Promise<number> {
    let low = 0;
    let high = topic.rows;
    while (high - low > ROWS_PER_READ) {
      const middle = (low + high) >>> 1;
      const row = await this.#read(topic.firstRow + middle, 1);
      if (this.#entry(row, 0, null).lastPosition > after) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  async #read(row: number, count: number): Promise<DataView> {
    if (row + count > this.header.blocks) throw this.#damaged();
    const loaded = this.#rows;
    if (loaded !== null)
      return new DataView(loaded.buffer, loaded.byteOffset + row * ROW_BYTES, count * ROW_BYTES);
    const bytes = Buffer.allocUnsafeSlow(count * ROW_BYTES);
    const got = await this.#file.read(bytes, rowsOffset(this.header) + row * ROW_BYTES);
    if (got !== bytes.length) throw this.#damaged();
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  #entry(rows: DataView, row: number, topicId: number | null): BlockEntry {
    const entry = decodeRow(rows, row * ROW_BYTES, this.header.basePosition);
    if (entry === null || (topicId !== null && entry.topicId !== topicId)) throw this.#damaged();
    return entry;
  }

  #damaged(): Error {
    return corrupt(
      this.#path,
      "the index is damaged (it is made again when it is removed and the node started)",
    );
  }

  #topicId(place: number): number {
    return this.#view.getUint32(SIDECAR_HEADER_BYTES + place * TOPIC_BYTES, true);
  }

  #topic(topicId: number): Topic | undefined {
    const place = lowerBound(this.header.topics, (i) => this.#topicId(i) >= topicId);
    if (place >= this.header.topics || this.#topicId(place) !== topicId) return undefined;
    const at = SIDECAR_HEADER_BYTES + place * TOPIC_BYTES;
    const view = this.#view;
    return {
      messages: view.getUint32(at + 4, true),
      firstRow: view.getUint32(at + 8, true),
      rows: view.getUint32(at + 12, true),
      firstPosition: this.header.basePosition + view.getUint32(at + 16, true),
      lastPosition: this.header.basePosition + view.getUint32(at + 20, true),
      bytes: view.getUint32(at + 24, true),
      firstTimestampMs: view.getFloat64(at + 32, true),
      newestTimestampMs: view.getFloat64(at + 40, true),
    };
  }

  #group(group: number, field: 0 | 4): number {
    const at = SIDECAR_HEADER_BYTES + this.header.topics * TOPIC_BYTES + group * GROUP_BYTES;
    return this.#view.getUint32(at + field, true);
  }
}
