/**
 * A file of a simulated disk: its bytes as every process sees them, and of each change that is not on the platter yet what stood
 * there before, so that a power loss can take any part of it back. A change that a failed sync left behind stays in the cache
 * and is called clean there, as Linux does: no later sync writes it, only writing it again.
 */
import type { Chance } from "./chance.js";

/** What a disk writes whole or not at all. */
const SECTOR_BYTES = 512;
const CAPACITY_MIN = 256;

interface Change {
  readonly at: number;
  readonly bytes: number;
  /** Shorter than `bytes` where the file was. */
  readonly before: Buffer;
  /** The file was cut at `at`; otherwise it was written there. */
  readonly isCut: boolean;
  /** A sync of it failed. */
  isLost: boolean;
}

export class SimFile {
  readonly id: number;
  #bytes: Buffer = Buffer.alloc(0);
  #size = 0;
  #durableSize = 0;
  #changes: Change[] = [];

  constructor(id: number) {
    this.id = id;
  }

  get size(): number {
    return this.#size;
  }

  /** Fills `target` from `at`; gives how much there was. */
  read(target: Uint8Array, at: number): number {
    const end = Math.min(this.#size, at + target.byteLength);
    if (end <= at) return 0;
    target.set(this.#bytes.subarray(at, end));
    return end - at;
  }

  /** In the cache, and at some time on the disk. */
  write(parts: readonly Uint8Array[], at: number): number {
    let bytes = 0;
    for (const part of parts) bytes += part.byteLength;
    this.#changes.push({ at, bytes, before: this.#copy(at, bytes), isCut: false, isLost: false });
    this.#put(parts, at, bytes);
    return bytes;
  }

  /** On the disk at once. */
  writeDurably(parts: readonly Uint8Array[], at: number): number {
    let bytes = 0;
    for (const part of parts) bytes += part.byteLength;
    if (this.#changes.length > 0) this.#changes = without(this.#changes, at, at + bytes);
    this.#put(parts, at, bytes);
    this.#durableSize = Math.max(this.#durableSize, at + bytes);
    return bytes;
  }

  truncate(at: number): void {
    if (at >= this.#size) return;
    const bytes = this.#size - at;
    this.#changes.push({ at, bytes, before: this.#copy(at, bytes), isCut: true, isLost: false });
    this.#bytes.fill(0, at, this.#size);
    this.#size = at;
  }

  sync(): void {
    let left: Change[] = [];
    for (const change of this.#changes) {
      if (change.isLost) left.push(change);
      else
        left = without(left, change.at, change.isCut ? Number.POSITIVE_INFINITY : change.at + change.bytes);
    }
    this.#changes = left;
    this.#durableSize = this.#size;
  }

  /** Nothing that was written since the last sync will be on the disk, and nobody is told again. */
  failSync(): void {
    for (const change of this.#changes) change.isLost ||= !change.isCut;
  }

  /** What was not synced stays, goes, or stays in part. */
  losePower(chance: Chance): void {
    let size = this.#durableSize;
    let mayUncut = true;
    for (const change of this.#changes.reverse()) {
      const fate = change.isLost ? 0 : chance.unit();
      if (change.isCut) {
        if (fate > 0.4) mayUncut = false;
        else if (mayUncut) this.#put([change.before], change.at, change.before.byteLength);
        continue;
      }
      const kept =
        fate > 0.6 ? change.bytes : fate > 0.3 ? this.#tear(change, chance) : this.#undo(change, 0);
      if (kept > 0) {
        mayUncut = false;
        size = Math.max(size, change.at + kept);
      }
    }
    this.#changes = [];
    if (!mayUncut) size = Math.min(size, this.#size);
    this.#bytes.fill(0, size, Math.max(size, this.#size));
    this.#size = size;
    this.#durableSize = size;
  }

  /** Bit `bit` of the byte at `at` is another one now, on the disk itself. */
  flip(at: number, bit: number): void {
    this.#bytes[at] = (this.#bytes[at] ?? 0) ^ (1 << bit);
  }

  /** The file ends at `size`, on the disk itself. */
  shorten(size: number): void {
    this.#changes = [];
    this.#bytes.fill(0, size, this.#size);
    this.#size = size;
    this.#durableSize = size;
  }

  /** From `at` to `end` there are zeros, on the disk itself. */
  clear(at: number, end: number): void {
    this.#changes = without(this.#changes, at, end);
    this.#bytes.fill(0, at, end);
  }

  #copy(at: number, bytes: number): Buffer {
    return Buffer.from(this.#bytes.subarray(at, Math.max(at, Math.min(this.#size, at + bytes))));
  }

  #put(parts: readonly Uint8Array[], at: number, bytes: number): void {
    const end = at + bytes;
    if (end > this.#bytes.byteLength) {
      const grown = Buffer.alloc(Math.max(end, CAPACITY_MIN, this.#bytes.byteLength * 2));
      this.#bytes.copy(grown, 0, 0, this.#size);
      this.#bytes = grown;
    }
    let place = at;
    for (const part of parts) {
      this.#bytes.set(part, place);
      place += part.byteLength;
    }
    this.#size = Math.max(this.#size, end);
  }

  /** Takes bytes from `from` on of a change back; gives what is left of it. */
  #undo({ at, bytes, before }: Change, from: number, to = bytes): number {
    const middle = Math.min(to, Math.max(from, before.byteLength));
    if (middle > from) before.copy(this.#bytes, at + from, from, middle);
    this.#bytes.fill(0, at + middle, at + to);
    return from;
  }

  /** Leaves a first part of a change, or some sectors of it; gives where what is left ends. */
  #tear(change: Change, chance: Chance): number {
    const { at, bytes } = change;
    if (chance.of(0.5)) return this.#undo(change, chance.whole(0, bytes));
    let kept = 0;
    for (let from = 0; from < bytes; ) {
      const to = Math.min(bytes, from + SECTOR_BYTES - ((at + from) % SECTOR_BYTES));
      if (chance.of(0.5)) kept = to;
      else this.#undo(change, from, to);
      from = to;
    }
    return kept;
  }
}

/** What of these changes can still be taken back when bytes `from` to `to` are on the disk as they are now. */
function without(changes: readonly Change[], from: number, to: number): Change[] {
  return changes.flatMap((change) => {
    const { at, before } = change;
    const end = at + change.bytes;
    if (change.isCut || end <= from || at >= to) return [change];
    const parts: Change[] = [];
    if (at < from) parts.push({ ...change, bytes: from - at, before: before.subarray(0, from - at) });
    if (end > to) parts.push({ ...change, at: to, bytes: end - to, before: before.subarray(to - at) });
    return parts;
  });
}
