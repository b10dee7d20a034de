/**
 * Files for the segments to come, allocated ahead of need: writing over space that the file has is what makes an append cheap.
 * A segment that compaction lets go of is kept as a spare (at most two); without one, a file is filled with zeros in the background;
 * when even that is not ready, a small file is made on the spot rather than let an append wait for a large one.
 *
 * Spares have names of their own and mean nothing to recovery: a crash at any point costs at most the work.
 */
import { join } from "node:path";
import { type Disk, zeroFill } from "./disk.js";
import { roundUp } from "./record.js";
import type { SpareFile } from "./segment-file.js";

const SPARES_MAX = 2;
/** Size of a segment that is made on the spot: 4 MiB take a few milliseconds. */
const EXTENT_BYTES = 4 * 1024 * 1024;
/** The first segment of a new log: a start should not wait, and most logs of a test stay smaller. */
const FIRST_EXTENT_BYTES = 1024 * 1024;
const PAGE_BYTES = 4096;
/** Between two MiB of a spare that is filled in the background: appends have the disk for most of the time. */
const REST_MS = 10;

/** True for a name of this pool, finished or not. */
export function isSpareName(name: string): boolean {
  return /^spare-\d+\.(?:free|tmp)$/.test(name);
}

export class SegmentPool {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #segmentBytes: number;
  #spares: SpareFile[] = [];
  #serial = 0;
  #filling: Promise<void> | null = null;
  /** A segment had to be made on the spot: the spare is filled without rests. */
  #isLate = false;
  #stopped = false;

  constructor(disk: Disk, directory: string, segmentBytes: number) {
    this.#disk = disk;
    this.#directory = directory;
    this.#segmentBytes = segmentBytes;
  }

  /** Takes over the spares that an earlier run left; removes the unfinished, the wrong-sized and the surplus. */
  async adopt(names: readonly string[]): Promise<void> {
    for (const name of names) {
      const path = join(this.#directory, name);
      this.#serial = Math.max(this.#serial, Number(/\d+/.exec(name)?.[0] ?? 0));
      const usable = name.endsWith(".free") && this.#spares.length < SPARES_MAX;
      if (usable && (await this.#sizeOf(path)) === this.#segmentBytes) {
        this.#spares.push({ path, capacity: this.#segmentBytes, recycled: true });
      } else {
        await this.#disk.unlink(path);
      }
    }
  }

  /** A file for a segment of at least `bytes` bytes. `first`: for a log that has no segment yet. */
  async take(bytes: number, first: boolean): Promise<SpareFile> {
    const spare = this.#spares[0];
    if (spare !== undefined && spare.capacity >= bytes) {
      this.#spares.shift();
      return spare;
    }
    this.#isLate = !first;
    const extent = Math.min(this.#segmentBytes, first ? FIRST_EXTENT_BYTES : EXTENT_BYTES);
    const capacity = bytes <= extent ? extent : roundUp(Math.max(bytes, extent), PAGE_BYTES);
    return { path: await this.#fill(capacity, false), capacity, recycled: false };
  }

  /** Begins to prepare a spare when there is none. A failure is no harm: the next segment is then made on the spot. */
  prepareSoon(): void {
    if (this.#spares.length > 0 || this.#filling !== null || this.#stopped) return;
    this.#filling = this.#prepare().finally(() => {
      this.#filling = null;
    });
  }

  /** Keeps the file of a segment that is not needed any more, or removes it. Durable when it resolves. */
  async recycle(path: string, capacity: number): Promise<void> {
    if (capacity === this.#segmentBytes && this.#spares.length < SPARES_MAX) {
      const spare = this.#nextPath("free");
      await this.#disk.rename(path, spare);
      this.#spares.push({ path: spare, capacity, recycled: true });
    } else {
      await this.#disk.unlink(path);
    }
    await this.#disk.syncDirectory(this.#directory);
  }

  /** Resolves when nothing is being prepared any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#filling;
  }

  async #prepare(): Promise<void> {
    try {
      const filled = await this.#fill(this.#segmentBytes, true);
      if (this.#stopped) return await this.#disk.unlink(filled);
      const path = this.#nextPath("free");
      await this.#disk.rename(filled, path);
      this.#spares.push({ path, capacity: this.#segmentBytes, recycled: false });
      this.#isLate = false;
    } catch {
      // Told when the next segment cannot be made either; until then nothing is lost.
    }
  }

  /** A new file of zeros, synced. `gently`: MiB by MiB, and not to the end when the pool is stopped. */
  async #fill(capacity: number, gently: boolean): Promise<string> {
    const path = this.#nextPath("tmp");
    const file = await this.#disk.open(path, "create");
    try {
      await zeroFill(file, 0, capacity, async () => {
        if (gently) await file.sync();
        if (gently && !this.#isLate && !this.#stopped) await this.#disk.idle(REST_MS);
        return !(gently && this.#stopped);
      });
      await file.sync();
    } catch (error) {
      await file.close().catch(() => undefined);
      await this.#disk.unlink(path).catch(() => undefined);
      throw error;
    }
    await file.close();
    return path;
  }

  async #sizeOf(path: string): Promise<number> {
    const file = await this.#disk.open(path, "read");
    try {
      return await file.size();
    } finally {
      await file.close();
    }
  }

  #nextPath(kind: "free" | "tmp"): string {
    this.#serial += 1;
    return join(this.#directory, `spare-${this.#serial}.${kind}`);
  }
}
