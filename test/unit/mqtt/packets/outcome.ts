/** What a decoder makes of bytes: the value, or the code and reason of its refusal. */
import { PacketRefused } from "../../../../src/edges/mqtt/refusal.js";
import { bytes } from "../../../mqtt/support/raw-client.js";

/** Reads the body of a packet (all after its fixed header), which stands between bytes of others as it does in a received chunk. */
export function outcome<Value>(
  body: string | Buffer,
  decode: (bytes: Buffer, start: number, end: number) => Value,
): Value | { code: string; reason: number | null } {
  const content = typeof body === "string" ? bytes(body) : body;
  const chunk = Buffer.concat([bytes("ff ff ff"), content, bytes("ff ff ff")]);
  try {
    return decode(chunk, 3, 3 + content.length);
  } catch (error) {
    if (error instanceof PacketRefused) return { code: error.code, reason: error.reason };
    throw error;
  }
}
