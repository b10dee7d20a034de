/** Reading numbers out of received bytes. Past the end reads as 0: callers check lengths first. */

/** One byte. */
export function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}

/** Two bytes, most significant first (MQTT 3.1.1, 1.5.2). */
export function uint16At(bytes: Uint8Array, at: number): number {
  return (byteAt(bytes, at) << 8) | byteAt(bytes, at + 1);
}
