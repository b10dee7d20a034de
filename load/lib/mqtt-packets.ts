/**
 * The few MQTT 3.1.1 packets that a load client sends and reads, by hand: a client library would be the bottleneck.
 * Section numbers are those of the standard.
 */
import { Pieces } from "./pieces.js";

export const CONNACK = 2;
export const PUBLISH = 3;
export const PUBACK = 4;
export const PUBREC = 5;
export const PUBREL = 6;
export const PUBCOMP = 7;
export const SUBACK = 9;

function lengthBytes(length: number): number[] {
  const bytes: number[] = [];
  let rest = length;
  do {
    bytes.push((rest & 127) | (rest > 127 ? 128 : 0));
    rest >>>= 7;
  } while (rest > 0);
  return bytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
}

function packet(firstByte: number, ...parts: readonly Buffer[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([Buffer.from([firstByte, ...lengthBytes(length)]), ...parts]);
}

/** CONNECT (3.1): clean session unless told otherwise, no keep-alive, so that a client may stop reading without being thrown out for it. */
export function connectPacket(clientId: string, isClean = true): Buffer {
  return packet(0x10, text("MQTT"), Buffer.from([4, isClean ? 0x02 : 0, 0, 0]), text(clientId));
}

/** SUBSCRIBE (3.8) to one filter or several, with packet identifier 1. */
export function subscribePacket(filters: string | readonly string[], qos: 0 | 1 | 2): Buffer {
  const options = Buffer.from([qos]);
  return packet(0x82, Buffer.from([0, 1]), ...[filters].flat().flatMap((filter) => [text(filter), options]));
}

/** PUBLISH (3.3). A packet identifier makes it QoS 1. */
export function publishPacket(topic: string, payload: Buffer, packetId?: number): Buffer {
  if (packetId === undefined) return packet(0x30, text(topic), payload);
  return packet(0x32, text(topic), Buffer.from([packetId >> 8, packetId & 255]), payload);
}

/** PUBACK (3.4). */
export function pubackPacket(packetId: number): Buffer {
  return Buffer.from([0x40, 2, packetId >> 8, packetId & 255]);
}

/** DISCONNECT (3.14). */
export const disconnectPacket: Buffer = Buffer.from([0xe0, 0]);

export interface PublishView {
  readonly qos: number;
  readonly dup: boolean;
  readonly topic: string;
  /** 0 at QoS 0. */
  readonly packetId: number;
  /** Where the payload begins in the packet's body. */
  readonly payloadAt: number;
}

/** Reads the variable header of a PUBLISH (3.3.2) from its body. */
export function readPublish(firstByte: number, body: Buffer): PublishView {
  const topicLength = body.readUInt16BE(0);
  const qos = (firstByte >> 1) & 3;
  const afterTopic = 2 + topicLength;
  return {
    qos,
    dup: (firstByte & 8) !== 0,
    topic: body.toString("utf8", 2, afterTopic),
    packetId: qos === 0 ? 0 : body.readUInt16BE(afterTopic),
    payloadAt: afterTopic + (qos === 0 ? 0 : 2),
  };
}

/** Cuts a byte stream into packets. A body is a view that is valid only during the call. */
export class PacketReader {
  readonly #onPacket: (firstByte: number, body: Buffer) => void;
  readonly #pieces = new Pieces();

  constructor(onPacket: (firstByte: number, body: Buffer) => void) {
    this.#onPacket = onPacket;
  }

  /** Takes the next bytes; what is left of them is copied, so `bytes` may be reused. */
  feed(bytes: Buffer): void {
    this.#pieces.feed(bytes, (data, at) => this.#takePacket(data, at));
  }

  /** The end of the packet that begins at `at`, or -1 when it is not complete. */
  #takePacket(data: Buffer, at: number): number {
    let length = 0;
    let shift = 0;
    let cursor = at + 1;
    for (;;) {
      const byte = data[cursor];
      if (byte === undefined) return -1;
      cursor += 1;
      length += (byte & 127) << shift;
      shift += 7;
      if (byte < 128) break;
    }
    if (cursor + length > data.length) return -1;
    this.#onPacket(data[at] ?? 0, data.subarray(cursor, cursor + length));
    return cursor + length;
  }
}
