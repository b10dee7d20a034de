/** What a decoder makes of bytes: the value, or the code and reason of its refusal. */
import { PacketRefused } from "../../../../src/edges/mqtt/refusal.js";
import { bytes } from "../../../mqtt/support/raw-client.js";

export type Decode<Value> = (bytes: Buffer, start: number, end: number) => Value;

export interface Refusal {
  readonly code: string;
  readonly reason: number | null;
}

/** Reads the body of a packet (all after its fixed header), which stands between bytes of others as it does in a received chunk. */
export function outcome<Value>(body: string | Buffer, decode: Decode<Value>): Value | Refusal {
  const content = typeof body === "string" ? bytes(body) : body;
  const chunk = Buffer.concat([bytes("ff ff ff"), content, bytes("ff ff ff")]);
  return refusalOr(() => decode(chunk, 3, 3 + content.length));
}

/** The value, or the refusal; any other error is one of the test. */
export function refusalOr<Value>(run: () => Value): Value | Refusal {
  try {
    return run();
  } catch (error) {
    if (error instanceof PacketRefused) return { code: error.code, reason: error.reason };
    throw error;
  }
}

export const MALFORMED: Refusal = { code: "malformed_packet", reason: 0x81 };
export const PROTOCOL_ERROR: Refusal = { code: "protocol_violation", reason: 0x82 };

/** Bytes with their length in front as a variable byte integer, as properties have it. */
export function section(script: string): Buffer {
  const content = bytes(script);
  if (content.length > 127) throw new Error("too long for one byte of length");
  return Buffer.concat([Buffer.from([content.length]), content]);
}
