/**
 * Opens the directory of segments at a mark: cuts away what came after it, checks that what is before it is there, makes lost
 * indexes again, and counts what every topic has. What was dropped on purpose is told from what is missing by the list of
 * trims.
 */
import { FatalError } from "../errors.js";
import { partAbove } from "./block-reader.js";
import { type Disk, type DiskFile, readWhole, writeAside } from "./disk.js";
import type { StoreMark } from "./message-store.js";
import { SealedIndex } from "./sealed-index.js";
import type { SealedSegment, SegmentCatalog, SegmentHandle } from "./segment-catalog.js";
import {
  corrupt,
  decodeSegmentHeader,
  parseStoreFileName,
  SEGMENT_HEADER_BYTES,
  type StoreFileKind,
  storeFileName,
} from "./segment-format.js";
import { GrowingIndex } from "./segment-index.js";
import { scanSegment } from "./segment-walk.js";
import { newActiveSegment } from "./segment-writer.js";
import { encodeSidecar } from "./sidecar.js";
import type { TopicTable } from "./topic-table.js";
import { decodeTrims, encodeTrims, isDropped, NO_TRIMS, type Trims } from "./trims.js";

/** What was trimmed, and the number (0 for none) and size of the file that says so. */
export interface KeptTrims {
  readonly trims: Trims;
  readonly number: number;
  readonly bytes: number;
}

export class Recovery {
  readonly #catalog: SegmentCatalog;
  readonly #disk: Disk;
  readonly #mark: StoreMark;
  readonly #names: Record<StoreFileKind, Set<number>> = { seg: new Set(), idx: new Set(), trims: new Set() };

  constructor(catalog: SegmentCatalog, mark: StoreMark) {
    this.#catalog = catalog;
    this.#disk = catalog.disk;
    this.#mark = mark;
  }

  /** Fills the catalog. Throws `FatalError` `store_corrupt` or `store_version`. */
  async segments(): Promise<KeptTrims> {
    for (const name of await this.#disk.list(this.#catalog.directory)) {
      const parsed = parseStoreFileName(name);
      if (parsed !== null) this.#names[parsed.kind].add(parsed.number);
      else if (name.endsWith(".tmp")) await this.#disk.remove(`${this.#catalog.directory}/${name}`);
    }
    const kept = await this.#trims();
    await this.#cutAway(kept.trims);
    const { segment } = this.#mark;
    let previous: SealedSegment | null = null;
    for (let number = kept.trims.droppedThrough + 1; number < segment; number += 1) {
      if (isDropped(kept.trims, number)) continue;
      const sealed = await this.#sealed(number);
      this.#checkOrder(number, sealed.basePosition, previous);
      this.#catalog.sealed.push(sealed);
      previous = sealed;
    }
    if (segment > 0 && !isDropped(kept.trims, segment)) await this.#active(previous);
    return kept;
  }

  /** Counts what the catalog's segments hold above the floors of the table. */
  async count(table: TopicTable): Promise<void> {
    const { active, sealed } = this.#catalog;
    for (const segment of active === null ? sealed : [...sealed, active]) {
      await this.#catalog.use(segment, (handle) => countSegment(handle, table));
    }
  }

  /** The newest list of trims, less the segments that will be written again, under the same numbers. */
  async #trims(): Promise<KeptTrims> {
    const number = Math.max(0, ...this.#names.trims);
    if (number === 0) return { trims: NO_TRIMS, number, bytes: 0 };
    const path = this.#catalog.path(number, "trims");
    const file = await readWhole(this.#disk, path);
    const trims = decodeTrims(file, path);
    const { segment } = this.#mark;
    const isAhead = trims.droppedThrough > segment || [...trims.dropped].some((dropped) => dropped > segment);
    if (!isAhead) return { trims, number, bytes: file.length };
    const cut: Trims = {
      floors: trims.floors,
      droppedThrough: Math.min(trims.droppedThrough, segment),
      dropped: new Set([...trims.dropped].filter((dropped) => dropped <= segment)),
    };
    const name = storeFileName(number + 1, "trims");
    const bytes = encodeTrims(cut);
    await writeAside(this.#disk, this.#catalog.directory, name, bytes);
    this.#names.trims.add(number + 1);
    return { trims: cut, number: number + 1, bytes: bytes.length };
  }

  async #cutAway(trims: Trims): Promise<void> {
    const { segment } = this.#mark;
    await this.#removeSegments((number) => number > segment || isDropped(trims, number));
    const newest = Math.max(0, ...this.#names.trims);
    for (const number of this.#names.trims) {
      if (number !== newest) await this.#disk.remove(this.#catalog.path(number, "trims"));
    }
    await this.#disk.syncDirectory(this.#catalog.directory);
  }

  async #removeSegments(goes: (number: number) => boolean): Promise<void> {
    for (const kind of ["idx", "seg"] as const) {
      for (const number of [...this.#names[kind]].filter(goes)) {
        await this.#disk.remove(this.#catalog.path(number, kind));
        this.#names[kind].delete(number);
      }
    }
  }

  #checkOrder(number: number, basePosition: number, previous: SealedSegment | null): void {
    if (previous === null) return;
    const follows =
      previous.number === number - 1
        ? basePosition === previous.lastPosition
        : basePosition >= previous.lastPosition;
    if (!follows)
      throw corrupt(this.#catalog.path(number, "seg"), "it does not go on where the one before it ends");
  }

  /** Opens a segment that must be there, for `work`; closes it when that fails. */
  async #opened<T>(
    number: number,
    mode: "read" | "change",
    work: (file: DiskFile, basePosition: number) => Promise<T>,
  ): Promise<T> {
    const path = this.#catalog.path(number, "seg");
    if (!this.#names.seg.has(number)) throw corrupt(path, "the segment is missing");
    const file = await this.#disk.open(path, mode);
    try {
      const head = Buffer.alloc(SEGMENT_HEADER_BYTES);
      const got = await file.read(head, 0);
      return await work(file, decodeSegmentHeader(head.subarray(0, got), path, number).basePosition);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async #sealed(number: number): Promise<SealedSegment> {
    return this.#opened(number, "read", async (file, basePosition) => {
      const bytes = await file.size();
      const index = await this.#soundIndex(number);
      const header = index?.header;
      const fits =
        header?.number === number && header.segmentBytes === bytes && header.basePosition === basePosition;
      const sealed: SealedSegment =
        index !== null && header !== undefined && fits
          ? sealedSegment(header, bytes, index.fileBytes)
          : await this.#rebuilt(number, file, bytes, basePosition);
      await file.close();
      return sealed;
    });
  }

  /** The index of a segment, closed again; `null` when it is missing or any of its rows is damaged: readers would meet those for ever. */
  async #soundIndex(number: number): Promise<SealedIndex | null> {
    const index = await SealedIndex.open(this.#disk, this.#catalog.path(number, "idx"));
    try {
      await index?.verify();
      return index;
    } catch (error) {
      if (error instanceof FatalError && error.code === "store_corrupt") return null;
      throw error;
    } finally {
      await index?.close();
    }
  }

  /** Reads the whole segment and writes its index again. */
  async #rebuilt(
    number: number,
    file: DiskFile,
    bytes: number,
    basePosition: number,
  ): Promise<SealedSegment> {
    const index = new GrowingIndex();
    const path = this.#catalog.path(number, "seg");
    const lastPosition = await scanSegment(file, path, bytes, basePosition, index);
    // It may have come as a file from another node and was never synced here.
    await file.sync();
    const sidecar = await encodeSidecar(index, { number, bytes, basePosition, lastPosition });
    await writeAside(this.#disk, this.#catalog.directory, storeFileName(number, "idx"), sidecar);
    return sealedSegment({ number, basePosition, lastPosition }, bytes, sidecar.length);
  }

  /** Cuts the mark's segment back to the mark, checks all of it, and makes it the active one. */
  async #active(previous: SealedSegment | null): Promise<void> {
    const { segment: number, bytes, position } = this.#mark;
    const path = this.#catalog.path(number, "seg");
    await this.#opened(number, "change", async (file, basePosition) => {
      this.#checkOrder(number, basePosition, previous);
      const size = await file.size();
      if (size < bytes || bytes < SEGMENT_HEADER_BYTES) {
        throw corrupt(path, `the segment has ${size} bytes where ${bytes} were made durable`);
      }
      const index = new GrowingIndex();
      const active = newActiveSegment(number, basePosition, path, file, index);
      active.lastPosition = await scanSegment(file, path, bytes, basePosition, index);
      active.bytes = bytes;
      if (active.lastPosition !== position) {
        throw corrupt(path, `it ends at position ${active.lastPosition} where ${position} was made durable`);
      }
      if (size > bytes) await file.truncate(bytes);
      this.#catalog.active = active;
    });
  }
}

function sealedSegment(
  facts: { readonly number: number; readonly basePosition: number; readonly lastPosition: number },
  bytes: number,
  indexBytes: number,
): SealedSegment {
  const { number, basePosition, lastPosition } = facts;
  return { kind: "sealed", number, basePosition, lastPosition, bytes, indexBytes, witness: null };
}

async function countSegment(handle: SegmentHandle, table: TopicTable): Promise<void> {
  const { index } = handle;
  let isPreloaded = false;
  for (const topicId of index.topicIds()) {
    const state = table.found(topicId);
    const summary = index.summary(topicId);
    if (state === undefined || summary === undefined) continue;
    state.lastPosition = Math.max(state.lastPosition, summary.lastPosition);
    if (summary.lastPosition <= state.floor) continue;
    if (summary.firstPosition > state.floor) {
      table.countBlock(state, summary, summary.firstTimestampMs);
      continue;
    }
    if (!isPreloaded) await index.preload();
    isPreloaded = true;
    for (const block of await index.blocks(topicId, state.floor, Number.POSITIVE_INFINITY)) {
      table.countBlock(state, await partAbove(handle, block, state.floor), block.newestTimestampMs);
    }
  }
  index.unload();
}
