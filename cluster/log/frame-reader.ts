/**
 * Reads frames out of a segment file through a window, checking both checksums of each. Used by recovery, which walks whole
 * segments and reuses one window, and by reads of old entries, which keep views of the windows they read.
 */
import { type DiskFile, readFullySync } from "./disk.js";
import { bodyChecks, FRAME_HEADER_BYTES, FRAME_MAGIC, readFrameHeader } from "./frame.js";
import { ALIGNMENT } from "./record.js";

/** A frame that was read and checked. `body` is a view of the window. */
export interface ReadFrame {
  readonly sequence: number;
  /** Header and body. */
  readonly bytes: number;
  readonly body: Buffer;
}

export interface FrameReaderOptions {
  /** Nothing at or beyond this position of the file is looked at. */
  readonly end: number;
  readonly windowBytes: number;
  /** True: views are good until the next call. False: for as long as somebody holds them. */
  readonly reuse: boolean;
}

export class FrameReader {
  readonly #file: DiskFile;
  readonly #seed: number;
  readonly #options: FrameReaderOptions;
  #window: Buffer = Buffer.alloc(0);
  #from = 0;

  constructor(file: DiskFile, seed: number, options: FrameReaderOptions) {
    this.#file = file;
    this.#seed = seed;
    this.#options = options;
  }

  /** The frame at `position`, `null` when there is no whole and undamaged one. */
  frame(position: number): ReadFrame | null {
    const header = readFrameHeader(this.#view(position, FRAME_HEADER_BYTES), 0, this.#seed);
    if (header === null) return null;
    const bytes = FRAME_HEADER_BYTES + header.bodyBytes;
    if (position + bytes > this.#options.end) return null;
    const body = this.#view(position, bytes).subarray(FRAME_HEADER_BYTES);
    if (body.byteLength < header.bodyBytes || !bodyChecks(body, header, this.#seed)) return null;
    return { sequence: header.sequence, bytes, body };
  }

  /** Length, header included, that an undamaged frame header of this sequence at `position` speaks of; 0 when there is none. */
  claimedBytes(position: number, sequence: number): number {
    const header = readFrameHeader(this.#view(position, FRAME_HEADER_BYTES), 0, this.#seed);
    if (header === null || header.sequence !== sequence) return 0;
    return Math.min(FRAME_HEADER_BYTES + header.bodyBytes, this.#options.end - position);
  }

  /**
   * Position of the first undamaged frame header at or after `position` whose sequence is above `sequence`: a frame that was begun
   * after frame `sequence` was finished. -1 when there is none. (Frames of an older life of the file have lower sequences.)
   */
  findLaterFrame(position: number, sequence: number): number {
    for (let at = position; at + FRAME_HEADER_BYTES <= this.#options.end; ) {
      const window = this.#view(at, this.#options.windowBytes, true);
      const found = findHeader(window, this.#seed, sequence);
      if (found >= 0) return at + found;
      if (window.byteLength <= FRAME_HEADER_BYTES) break;
      // The last bytes again: a header may begin in them.
      at += Math.max(ALIGNMENT, window.byteLength - (window.byteLength % ALIGNMENT) - FRAME_HEADER_BYTES);
    }
    return -1;
  }

  /** One above the last byte at or after `position` that is not zero; `position` when all are zero. */
  endOfContent(position: number): number {
    let end = position;
    for (let at = position; at < this.#options.end; ) {
      const window = this.#view(at, this.#options.windowBytes, true);
      if (window.byteLength === 0) break;
      const last = lastNonZero(window);
      if (last >= 0) end = at + last + 1;
      at += window.byteLength;
    }
    return end;
  }

  /** `length` bytes from `position`, fewer at the end. `some`: whatever the window has will do, if it has anything. */
  #view(position: number, length: number, some = false): Buffer {
    const wanted = Math.min(length, this.#options.end - position);
    const offset = position - this.#from;
    const has = offset >= 0 ? this.#window.byteLength - offset : 0;
    if (has < wanted && !(some && has > FRAME_HEADER_BYTES)) {
      this.#fill(
        position,
        Math.max(wanted, Math.min(this.#options.windowBytes, this.#options.end - position)),
      );
    }
    const start = position - this.#from;
    return this.#window.subarray(start, start + wanted);
  }

  #fill(position: number, length: number): void {
    const whole = this.#window.buffer;
    const target =
      this.#options.reuse && whole.byteLength >= length
        ? Buffer.from(whole, 0, length)
        : Buffer.allocUnsafeSlow(length);
    this.#window = target.subarray(0, readFullySync(this.#file, target, position));
    this.#from = position;
  }
}

/** Offset in `window`, a multiple of 8, of the first undamaged header with a higher sequence; -1 when there is none. */
function findHeader(window: Buffer, seed: number, sequence: number): number {
  let at = window.indexOf(FRAME_MAGIC);
  while (at >= 0) {
    if (at % ALIGNMENT === 0) {
      const header = readFrameHeader(window, at, seed);
      if (header !== null && header.sequence > sequence) return at;
    }
    at = window.indexOf(FRAME_MAGIC, at + 1);
  }
  return -1;
}

const ZEROS = Buffer.alloc(64 * 1024);

/** Offset of the last byte that is not zero, -1 when all are. */
function lastNonZero(bytes: Buffer): number {
  for (let end = bytes.byteLength; end > 0; end -= ZEROS.byteLength) {
    const start = Math.max(0, end - ZEROS.byteLength);
    if (bytes.compare(ZEROS, 0, end - start, start, end) === 0) continue;
    for (let at = end - 1; at >= start; at -= 1) if (bytes[at] !== 0) return at;
  }
  return -1;
}
