/**
 * A hash of a set of records, whatever their order: to see that two nodes, or a snapshot and a replay, hold the same state.
 * It finds accidents, not forgers.
 */

/** Two lanes of murmur3 with different seeds, summed over the records. */
export class RecordSetHash {
  #low = 0;
  #high = 0;

  add(key: string, value: Uint8Array): void {
    let seed = key.length;
    for (let i = 0; i < key.length; i += 1) seed = (Math.imul(seed, 31) + key.charCodeAt(i)) | 0;
    this.#low = (this.#low + hashBytes(value, seed)) >>> 0;
    this.#high = (this.#high + hashBytes(value, seed ^ 0x9747b28c)) >>> 0;
  }

  /** Sixteen hexadecimal digits. */
  digest(): string {
    return hex(this.#high) + hex(this.#low);
  }
}

function hex(value: number): string {
  return value.toString(16).padStart(8, "0");
}

/** MurmurHash3, x86, 32 bits. */
function hashBytes(bytes: Uint8Array, seed: number): number {
  const { length } = bytes;
  const whole = length & ~3;
  let hash = seed;
  for (let i = 0; i < whole; i += 4) {
    const word =
      (bytes[i] ?? 0) |
      ((bytes[i + 1] ?? 0) << 8) |
      ((bytes[i + 2] ?? 0) << 16) |
      ((bytes[i + 3] ?? 0) << 24);
    hash ^= scramble(word);
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let i = length - 1; i >= whole; i -= 1) tail = (tail << 8) | (bytes[i] ?? 0);
  if (whole < length) hash ^= scramble(tail);
  hash ^= length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function scramble(word: number): number {
  const mixed = Math.imul(word, 0xcc9e2d51);
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
}
