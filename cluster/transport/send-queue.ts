/**
 * What waits to be sent on one lane, with a ceiling in bytes. Pure. Small parts leave joined into large buffers (a write costs about as
 * much as copying 64 KiB), large ones as they are.
 */
import type { EncodedFrame } from "./frame-codec.js";

/** Parts smaller than this are copied into a joined buffer. */
const JOINED_PART_BYTES_MAX = 16 * 1024;
/** A joined buffer is closed when it has so much. */
const JOINED_BYTES = 64 * 1024;

export class SendQueue {
  readonly #bytesMax: number;
  #parts: Uint8Array[] = [];
  /** Parts before it are gone. */
  #head = 0;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get isEmpty(): boolean {
    return this.#bytes === 0;
  }

  /** Nothing more fits, whatever it is. */
  get isFull(): boolean {
    return this.#bytes >= this.#bytesMax;
  }

  /** False, and nothing done, when the frame does not fit. */
  push(frame: EncodedFrame): boolean {
    if (this.#bytes + frame.byteLength > this.#bytesMax) return false;
    for (const part of frame.parts) this.#parts.push(part);
    this.#bytes += frame.byteLength;
    return true;
  }

  /** Takes buffers to be written one after the other: at least one part, then as many as stay within `bytesMax`. */
  take(bytesMax: number): Uint8Array[] {
    const buffers: Uint8Array[] = [];
    let run: Uint8Array[] = [];
    let runBytes = 0;
    const endRun = (): void => {
      const [only] = run;
      if (only !== undefined) buffers.push(run.length === 1 ? only : Buffer.concat(run, runBytes));
      run = [];
      runBytes = 0;
    };
    let taken = 0;
    for (let part = this.#parts[this.#head]; part !== undefined; part = this.#parts[this.#head]) {
      if (taken > 0 && taken + part.byteLength > bytesMax) break;
      this.#head += 1;
      taken += part.byteLength;
      if (part.byteLength < JOINED_PART_BYTES_MAX) {
        run.push(part);
        runBytes += part.byteLength;
        if (runBytes >= JOINED_BYTES) endRun();
      } else {
        endRun();
        buffers.push(part);
      }
    }
    endRun();
    this.#bytes -= taken;
    this.#compact();
    return buffers;
  }

  /** Drops everything; tells whether there was anything. */
  clear(): boolean {
    const had = !this.isEmpty;
    this.#parts = [];
    this.#head = 0;
    this.#bytes = 0;
    return had;
  }

  /** Lets go of what was taken, now and then: each part is moved once at most on average. */
  #compact(): void {
    if (this.#head * 2 < this.#parts.length) return;
    this.#parts = this.#parts.slice(this.#head);
    this.#head = 0;
  }
}
