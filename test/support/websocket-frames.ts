/** WebSocket frames byte by byte (RFC 6455, 5.2), right and wrong ones. */

export const Opcode = { Continuation: 0, Text: 1, Binary: 2, Close: 8, Ping: 9, Pong: 10 } as const;

const MASK = [0x37, 0xfa, 0x21, 0x3d];

export interface FrameOptions {
  readonly fin?: boolean;
  readonly masked?: boolean;
  /** Reserved bits: 4 says "compressed". */
  readonly reserved?: number;
  /** Instead of the payload's own length. */
  readonly length?: number | bigint;
}

/** A frame as a client sends it. */
export function clientFrame(
  opcode: number,
  payload: Uint8Array | string = "",
  { fin = true, masked = true, reserved = 0, length }: FrameOptions = {},
): Buffer {
  const bytes = Buffer.from(payload);
  const announced = length ?? bytes.length;
  const first = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
  const maskBit = masked ? 0x80 : 0;
  let head: Buffer;
  if (announced < 126) head = Buffer.from([first, maskBit | Number(announced)]);
  else if (announced < 65_536) {
    head = Buffer.from([first, maskBit | 126, Number(announced) >> 8, Number(announced) & 255]);
  } else {
    head = Buffer.alloc(10);
    head[0] = first;
    head[1] = maskBit | 127;
    head.writeBigUInt64BE(BigInt(announced), 2);
  }
  if (!masked) return Buffer.concat([head, bytes]);
  return Buffer.concat([head, Buffer.from(MASK), bytes.map((byte, index) => byte ^ MASK[index % 4]!)]);
}

export interface ServerFrame {
  readonly opcode: number;
  readonly payload: Buffer;
}

/** The complete frames of a server in some bytes. Throws for a masked one and for one with reserved bits: servers send neither. */
export function serverFrames(bytes: Buffer): ServerFrame[] {
  const frames: ServerFrame[] = [];
  for (let at = 0; at + 2 <= bytes.length; ) {
    const first = bytes[at]!;
    let length = bytes[at + 1]!;
    let start = at + 2;
    if (length > 127 || (first & 0x70) !== 0)
      throw new Error(`a frame that no server sends: ${first} ${length}`);
    if (length === 126) {
      if (start + 2 > bytes.length) break;
      length = bytes.readUInt16BE(start);
      start += 2;
    } else if (length === 127) {
      if (start + 8 > bytes.length) break;
      length = Number(bytes.readBigUInt64BE(start));
      start += 8;
    }
    if (start + length > bytes.length) break;
    frames.push({ opcode: first & 15, payload: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return frames;
}
