/**
 * Refuses writes before the disk is full: a log that cannot append has to stop the node, a publisher that is refused only
 * waits. Writes are taken again when there is clearly room.
 */
import { statfs } from "node:fs/promises";
import type { Cancel, Clock } from "../runtime/clock.js";
import type { Logger } from "../runtime/logger.js";

/** Free bytes below which writes are refused: a prepared log segment, a checkpoint and a snapshot's state still fit. */
const FREE_BYTES_MIN = 192 * 1024 * 1024;
/** Free bytes above which they are taken again. */
const FREE_BYTES_ENOUGH = 256 * 1024 * 1024;
const PERIOD_MS = 500;

/** Room on a disk, in bytes. */
export interface DiskSpace {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** What the system says of the disk that a path is on; `null` when it does not say. */
async function diskSpace(path: string): Promise<DiskSpace | null> {
  const stats = await statfs(path).catch(() => null);
  return stats === null
    ? null
    : { freeBytes: stats.bavail * stats.bsize, totalBytes: stats.blocks * stats.bsize };
}

export class DiskWatch {
  readonly #path: string;
  readonly #logger: Logger;
  readonly #measure: (path: string) => Promise<DiskSpace | null>;
  #full = false;
  #cancel: Cancel = () => undefined;

  constructor(path: string, logger: Logger, measure = diskSpace) {
    this.#path = path;
    this.#logger = logger;
    this.#measure = measure;
  }

  /** Whether writes are to be refused. */
  get full(): boolean {
    return this.#full;
  }

  /** Looks once, then every half second. */
  async start(clock: Clock): Promise<void> {
    await this.#look();
    this.#cancel = clock.every(PERIOD_MS, () => void this.#look());
  }

  stop(): void {
    this.#cancel();
  }

  async #look(): Promise<void> {
    const space = await this.#measure(this.#path);
    if (space === null) return;
    const { freeBytes, totalBytes } = space;
    // On a small disk the bounds shrink with it.
    const min = Math.min(FREE_BYTES_MIN, totalBytes / 10);
    const enough = Math.min(FREE_BYTES_ENOUGH, totalBytes / 8);
    if (!this.#full && freeBytes < min) {
      this.#full = true;
      this.#logger.error(
        { code: "disk_full", freeBytes, path: this.#path },
        "the disk is almost full: writes are refused",
      );
    } else if (this.#full && freeBytes > enough) {
      this.#full = false;
      this.#logger.info({ freeBytes, path: this.#path }, "there is room on the disk again: writes are taken");
    }
  }
}
