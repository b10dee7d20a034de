/**
 * Decodes the packets that are not hot (CONNECT, SUBSCRIBE, UNSUBSCRIBE) with the codec library: one whole packet at a time by a
 * parser of its own, so that nothing of one packet or connection can colour the next.
 */

import {
  parser as createParser,
  type IConnectPacket,
  type ISubscribePacket,
  type IUnsubscribePacket,
  type Packet,
} from "mqtt-packet";
import { asError } from "../../errors.js";
import { limits } from "../../limits.js";
import { uint16At } from "./bytes.js";
import { LEVEL_3_1_1, PacketType } from "./protocol.js";
import { PacketRefused } from "./refusal.js";
import { FieldWalker } from "./string-fields.js";

/** Connect flags (3.1.2.3). */
const USER_NAME_FLAG = 0x80;
const PASSWORD_FLAG = 0x40;
const WILL_QOS_BITS = 0x18;
const WILL_FLAG = 0x04;

/** Length of "MQTT" with its prefix, level, flags and keep-alive: what comes before CONNECT's payload. */
const CONNECT_HEADER_BYTES = 10;
const CONNECT_FLAGS_AT = 7;

/**
 * CONNECT of level 4 (its protocol name was checked before). Throws `PacketRefused` `malformed_packet`: reserved flag (MQTT-3.1.2-3), will QoS
 * 3 (MQTT-3.1.2-14), password without user name (MQTT-3.1.2-22), bad strings, bytes left over.
 */
export function decodeConnect(bytes: Buffer, start: number, end: number): IConnectPacket {
  const walker = new FieldWalker(bytes, start, end);
  walker.skip(CONNECT_HEADER_BYTES);
  const flags = bytes.readUInt8(start + CONNECT_FLAGS_AT);
  if ((flags & PASSWORD_FLAG) !== 0 && (flags & USER_NAME_FLAG) === 0) {
    throw new PacketRefused("malformed_packet", "CONNECT with a password and no user name");
  }
  if ((flags & WILL_QOS_BITS) === WILL_QOS_BITS) {
    throw new PacketRefused("malformed_packet", "CONNECT with will QoS 3");
  }
  walker.text();
  if ((flags & WILL_FLAG) !== 0) {
    walker.text();
    walker.binary();
  }
  if ((flags & USER_NAME_FLAG) !== 0) walker.text();
  if ((flags & PASSWORD_FLAG) !== 0) walker.binary();
  if (!walker.atEnd) throw new PacketRefused("malformed_packet", "CONNECT with bytes after its last field");
  return expect(decode(PacketType.Connect << 4, bytes, start, end), "connect");
}

/** SUBSCRIBE. Throws `PacketRefused`: no filter (MQTT-3.8.3-3), packet id 0 (MQTT-2.3.1-1), reserved QoS bits (MQTT-3-8.3-4), bad strings. */
export function decodeSubscribe(bytes: Buffer, start: number, end: number): ISubscribePacket {
  checkFilters(bytes, start, end, 1);
  return expect(decode((PacketType.Subscribe << 4) | 2, bytes, start, end), "subscribe");
}

/** UNSUBSCRIBE. Throws `PacketRefused`: no filter (MQTT-3.10.3-2), packet id 0 (MQTT-2.3.1-1), bad strings. */
export function decodeUnsubscribe(bytes: Buffer, start: number, end: number): IUnsubscribePacket {
  checkFilters(bytes, start, end, 0);
  return expect(decode((PacketType.Unsubscribe << 4) | 2, bytes, start, end), "unsubscribe");
}

/** A packet id that is not 0, then at least one filter, each followed by `optionBytes` bytes. */
function checkFilters(bytes: Buffer, start: number, end: number, optionBytes: number): void {
  const walker = new FieldWalker(bytes, start, end);
  walker.skip(2);
  if (uint16At(bytes, start) === 0) throw new PacketRefused("malformed_packet", "packet id 0");
  if (walker.atEnd) throw new PacketRefused("malformed_packet", "no topic filter");
  let filters = 0;
  while (!walker.atEnd) {
    walker.text();
    walker.skip(optionBytes);
    filters += 1;
  }
  if (filters > limits.subscriptionsPerConnectionMax) {
    throw new PacketRefused("too_many_subscriptions", `${filters} filters in one packet`);
  }
}

/** One whole packet through the codec. The library keeps what it is given: its strings are copies, its buffers are views. */
function decode(first: number, bytes: Buffer, start: number, end: number): Packet {
  const decoded: { packet: Packet | null; error: Error | null } = { packet: null, error: null };
  const parser = createParser({ protocolVersion: LEVEL_3_1_1 });
  parser.on("packet", (packet) => {
    decoded.packet = packet;
  });
  parser.on("error", (error) => {
    decoded.error = asError(error);
  });
  const length = end - start;
  const header = [first];
  for (let rest = length; ; rest >>= 7) {
    header.push(rest < 128 ? rest : (rest & 127) | 128);
    if (rest < 128) break;
  }
  parser.parse(Buffer.from(header));
  parser.parse(bytes.subarray(start, end));
  if (decoded.error !== null) throw new PacketRefused("malformed_packet", decoded.error.message);
  if (decoded.packet === null) throw new PacketRefused("malformed_packet", "the packet is cut short");
  return decoded.packet;
}

function expect<Command extends Packet["cmd"]>(
  packet: Packet,
  cmd: Command,
): Extract<Packet, { cmd: Command }> {
  if (!isPacket(packet, cmd)) throw new PacketRefused("malformed_packet", `${packet.cmd} instead of ${cmd}`);
  return packet;
}

function isPacket<Command extends Packet["cmd"]>(
  packet: Packet,
  cmd: Command,
): packet is Extract<Packet, { cmd: Command }> {
  return packet.cmd === cmd;
}
