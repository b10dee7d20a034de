/** Copies that hold no more memory than they show. */

/** The same bytes in a buffer of exactly their size: keeping it keeps nothing else, as a view or a pooled buffer would. */
export function ownedCopy(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.byteLength);
  copy.set(bytes);
  return copy;
}
