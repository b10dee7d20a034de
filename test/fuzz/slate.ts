/**
 * A file on which a process writes down every input before it tries it: whoever finds the process dead, or standing still, reads there
 * of what. It outlives a death by a signal, which nothing within the process does.
 */
import { closeSync, openSync, readFileSync, readSync, writeSync } from "node:fs";

/** How many were tried, with this one, and its length; then its bytes. */
const HEAD_BYTES = 8;
/** The beginning of a longer input has to do. */
const INPUT_MAX_BYTES = 1024 * 1024;

export class Slate {
  readonly path: string;
  readonly #fd: number;
  readonly #record = Buffer.alloc(HEAD_BYTES + INPUT_MAX_BYTES);
  #tried = 0;

  /** Wipes the slate: who writes on it opens the same `path` with `on`. */
  constructor(path: string, flags = "w+") {
    this.path = path;
    this.#fd = openSync(path, flags);
  }

  /** The slate that another process reads. */
  static on(path: string): Slate {
    return new Slate(path, "r+");
  }

  write(input: Uint8Array): void {
    this.#tried += 1;
    const length = Math.min(input.length, INPUT_MAX_BYTES);
    this.#record.writeUInt32LE(this.#tried, 0);
    this.#record.writeUInt32LE(length, 4);
    this.#record.set(input.subarray(0, length), HEAD_BYTES);
    writeSync(this.#fd, this.#record, 0, HEAD_BYTES + length, 0);
  }

  /** How many were written; 0 for none. */
  tried(): number {
    const head = Buffer.alloc(HEAD_BYTES);
    return readSync(this.#fd, head, 0, HEAD_BYTES, 0) < HEAD_BYTES ? 0 : head.readUInt32LE(0);
  }

  /** The last one; to be asked when nobody writes any more. */
  read(): { readonly input: Buffer; readonly tried: number } {
    const record = readFileSync(this.path);
    if (record.length < HEAD_BYTES) return { input: Buffer.alloc(0), tried: 0 };
    const input = record.subarray(HEAD_BYTES, HEAD_BYTES + record.readUInt32LE(4));
    return { input, tried: record.readUInt32LE(0) };
  }

  close(): void {
    closeSync(this.#fd);
  }
}
