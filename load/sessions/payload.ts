/** The payload that carries a message's key; its length varies so that records end everywhere in a block. */

export function payloadOf(key: string, sequence: number): string {
  return `${key} ${"x".repeat(20 + (sequence % 97))}`;
}

export function keyOf(payload: string): string {
  return payload.slice(0, payload.indexOf(" "));
}
