/** How large entries are, for whoever bounds messages and rounds by bytes. Pure. */

interface Sized {
  readonly data: unknown;
}

/** Payload bytes of an entry: what is no bytes (a membership change, nothing) counts nothing. */
export function payloadSize(entry: Sized): number {
  return entry.data instanceof Uint8Array ? entry.data.byteLength : 0;
}

/** The first entries that have `bytesMax` payload bytes at most together; one at least. */
export function limitSize<Item extends Sized>(entries: Item[], bytesMax: number): Item[] {
  let bytes = 0;
  for (let i = 0; i < entries.length; i += 1) {
    const entry = entries[i];
    if (entry !== undefined) bytes += payloadSize(entry);
    if (i > 0 && bytes > bytesMax) return entries.slice(0, i);
  }
  return entries;
}
