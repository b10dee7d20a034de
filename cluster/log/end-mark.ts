/**
 * How far the log was complete at some moment, in a small file beside the segments: without it, damage to the last frame could not be told
 * from a write that never finished, and what was acknowledged would be cut away in silence. It is written when nothing was appended
 * for a while, at the latest every second, and at a clean end, never on an append's way; the frames behind it are on their own
 * until then. Two slots, 4 KiB apart, written in turn, so that a torn write leaves the one before. Little-endian:
 *
 *     u32 magic, u32 version, f64 sequence of the last complete frame, u32 CRC-32 of the 16 bytes before
 */
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { ClusterError } from "../errors.js";
import { type Disk, type DiskFile, readFully, writeFully } from "./disk.js";

export const END_MARK_NAME = "end.mark";

/** The version that is written, and the newest that is read. */
export const END_MARK_VERSION = 1;

/** "JNGE". */
const MAGIC_NUMBER = Buffer.from("JNGE", "latin1").readUInt32LE(0);
const SLOT_BYTES = 20;
const CHECKED_BYTES = 16;
const SLOT_STEP = 4096;
const FILE_BYTES = 2 * SLOT_STEP;

/** A slot's bytes. */
export function encodeEndMark(sequence: number, version: number = END_MARK_VERSION): Buffer {
  const slot = Buffer.alloc(SLOT_BYTES);
  slot.writeUInt32LE(MAGIC_NUMBER, 0);
  slot.writeUInt32LE(version, 4);
  slot.writeDoubleLE(sequence, 8);
  slot.writeUInt32LE(crc32(slot.subarray(0, CHECKED_BYTES)), CHECKED_BYTES);
  return slot;
}

/** The sequence that a slot holds; 0 for one that was never written, torn or damaged. Throws `log_version`. */
export function decodeEndMark(slot: Buffer, path: string): number {
  if (slot.byteLength < SLOT_BYTES || slot.readUInt32LE(0) !== MAGIC_NUMBER) return 0;
  if (crc32(slot.subarray(0, CHECKED_BYTES)) !== slot.readUInt32LE(CHECKED_BYTES)) return 0;
  const version = slot.readUInt32LE(4);
  if (version > END_MARK_VERSION) {
    throw new ClusterError(
      "log_version",
      `${path}: format ${version} is newer than this program (${END_MARK_VERSION}): run the version that wrote it`,
    );
  }
  const sequence = slot.readDoubleLE(8);
  return Number.isSafeInteger(sequence) && sequence > 0 ? sequence : 0;
}

async function readSlots(file: DiskFile, path: string): Promise<readonly [number, number]> {
  const bytes = Buffer.alloc(FILE_BYTES);
  const got = bytes.subarray(0, await readFully(file, bytes, 0));
  const slotAt = (at: number): number => decodeEndMark(got.subarray(at, at + SLOT_BYTES), path);
  return [slotAt(0), slotAt(SLOT_STEP)];
}

/** The last frame that is known to have been complete; 0 when there is no word of any. Changes nothing. */
export async function provenSequence(disk: Disk, directory: string): Promise<number> {
  const path = join(directory, END_MARK_NAME);
  const file = await disk.open(path, "read");
  try {
    return Math.max(...(await readSlots(file, path)));
  } finally {
    await file.close();
  }
}

export class EndMark {
  readonly #file: DiskFile;
  #sequence: number;
  /** Where the next one goes: not over the newest that is good. */
  #slot: 0 | 1;
  #turn: Promise<void> = Promise.resolve();

  private constructor(file: DiskFile, slots: readonly [number, number]) {
    this.#file = file;
    this.#sequence = Math.max(...slots);
    this.#slot = slots[0] === this.#sequence ? 1 : 0;
  }

  /** Opens the log's mark, making it where there is none. `isThere`: the directory has the file. */
  static async open(disk: Disk, directory: string, isThere: boolean): Promise<EndMark> {
    const path = join(directory, END_MARK_NAME);
    if (!isThere) {
      const created = await disk.open(path, "create");
      try {
        await writeFully(created, [Buffer.alloc(FILE_BYTES)], 0);
        await created.sync();
      } finally {
        await created.close();
      }
      await disk.syncDirectory(directory);
    }
    const file = await disk.open(path, "update-durable");
    try {
      return new EndMark(file, await readSlots(file, path));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Writes down that the frame of this sequence and all before it are on the disk. Durable when it resolves. */
  write(sequence: number): Promise<void> {
    const done = this.#turn.then(async () => {
      if (sequence <= this.#sequence) return;
      await writeFully(this.#file, [encodeEndMark(sequence)], this.#slot * SLOT_STEP);
      this.#sequence = sequence;
      this.#slot = this.#slot === 0 ? 1 : 0;
    });
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async close(): Promise<void> {
    await this.#turn;
    await this.#file.close();
  }
}
