/** What both state stores ask of keys, and how they cut entries into chunks. */
import { assertInvariant } from "../errors.js";

export const KEY_BYTES_MAX = 511;
/** A chunk is handed over when it has this many entries or bytes: a turn of the event loop stays short. */
const CHUNK_ENTRIES_MAX = 500;
const CHUNK_BYTES_MAX = 256 * 1024;

/** Keys are 1 to 511 bytes of well-formed UTF-8: anything else would come back as another key, or not at all. */
export function checkChanges(changes: readonly { readonly key: string }[]): void {
  for (const { key } of changes) {
    const bytes = Buffer.byteLength(key);
    assertInvariant(bytes > 0 && bytes <= KEY_BYTES_MAX, "a key of the state has 1 to 511 bytes");
    assertInvariant(key.isWellFormed(), "a key of the state is well-formed");
  }
}

/** The first entries of a run: at least one if there is one, then as many as make a chunk. */
export function firstChunk<Entry extends { readonly key: string; readonly value: Uint8Array }>(
  entries: Iterable<Entry>,
): readonly Entry[] {
  const chunk: Entry[] = [];
  let bytes = 0;
  for (const entry of entries) {
    chunk.push(entry);
    bytes += entry.key.length + entry.value.length;
    if (chunk.length >= CHUNK_ENTRIES_MAX || bytes >= CHUNK_BYTES_MAX) break;
  }
  return chunk;
}
