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

export class DiskWatch {
  readonly #path: string;
  readonly #logger: Logger;
  readonly #freeBytesMin: number;
  readonly #freeBytesEnough: number;
  #full = false;
  #cancel: Cancel = () => undefined;

  /** On a small disk the bounds shrink to a tenth and an eighth of the whole. */
  constructor(path: string, logger: Logger, bounds = { min: FREE_BYTES_MIN, enough: FREE_BYTES_ENOUGH }) {
    this.#path = path;
    this.#logger = logger;
    this.#freeBytesMin = bounds.min;
    this.#freeBytesEnough = bounds.enough;
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
    const stats = await statfs(this.#path).catch(() => null);
    if (stats === null) return;
    const freeBytes = stats.bavail * stats.bsize;
    const totalBytes = stats.blocks * stats.bsize;
    const min = Math.min(this.#freeBytesMin, totalBytes / 10);
    const enough = Math.min(this.#freeBytesEnough, totalBytes / 8);
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
