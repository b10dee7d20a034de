/** MQTT 5.0 packets for conversations, and a client that has connected with them. */
import { bytes, packet, RawClient, text } from "./raw-client.js";

/** Properties with their length in front (2.2.2). */
export function properties(script: string): Buffer {
  const content = bytes(script);
  const { length } = content;
  const prefix = length < 128 ? [length] : [(length & 127) | 128, length >> 7];
  return Buffer.concat([Buffer.from(prefix), content]);
}

export interface ConnectOptions {
  /** Connect flags; clean start alone when nothing is said. */
  readonly flags?: number;
  readonly keepAlive?: number;
  readonly properties?: string;
  /** Will properties, topic and payload; user name; password: what the flags promise. */
  readonly rest?: string;
}

/** Request Problem Information 0 (3.1.2.11.7): refusals come without words, so that their bytes are known. */
export const NO_WORDS = "17 00";

/** CONNECT (3.1). */
export function connectPacket(id: string, options: ConnectOptions = {}): Buffer {
  const { flags = 0x02, keepAlive = 0, properties: asked = "", rest = "" } = options;
  const head = Buffer.from([5, flags, keepAlive >> 8, keepAlive & 255]);
  return packet(0x10, text("MQTT"), head, properties(`${NO_WORDS} ${asked}`), text(id), bytes(rest));
}

/** What every CONNACK says of this server: Receive Maximum, Maximum Packet Size, Topic Alias Maximum (3.2.2.3). */
export const LIMITS = { receiveMax: "21 04 00", packetBytesMax: "27 00 11 04 0d", topicAliasMax: "22 00 40" };

/** CONNACK of success (3.2); further properties stand where the server puts them. */
export function connack(sessionPresent: 0 | 1, { first = "", middle = "", last = "" } = {}): Buffer {
  const { receiveMax, packetBytesMax, topicAliasMax } = LIMITS;
  const all = `${first} ${receiveMax} ${packetBytesMax} ${middle} ${topicAliasMax} ${last}`;
  return packet(0x20, Buffer.from([sessionPresent, 0]), properties(all));
}

/** Connected, with CONNACK taken. */
export async function connected(port: number, id: string, options: ConnectOptions = {}): Promise<RawClient> {
  const client = await RawClient.open(port);
  client.send(connectPacket(id, options));
  await client.expect(connack(0));
  return client;
}

/** A session that lasts for an hour. */
export const KEPT: ConnectOptions = { flags: 0x00, properties: "11 00 00 0e 10" };

export interface PublishOptions {
  /** A packet id makes it QoS 1, unless `qos` says otherwise. */
  readonly id?: number;
  readonly qos?: 0 | 1 | 2;
  readonly retain?: boolean;
  readonly dup?: boolean;
  readonly properties?: string;
}

/** PUBLISH (3.3), as it is sent in either direction. */
export function publishPacket(topic: string, payload: string | Buffer, options: PublishOptions = {}): Buffer {
  const { id = 0, qos = id === 0 ? 0 : 1, retain = false, dup = false, properties: own = "" } = options;
  const first = 0x30 | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0);
  const idBytes = qos === 0 ? [] : [Buffer.from([id >> 8, id & 255])];
  return packet(first, text(topic), ...idBytes, properties(own), Buffer.from(payload));
}

/** SUBSCRIBE (3.8); each filter with its options. */
export function subscribePacket(
  id: number,
  filters: readonly (readonly [filter: string, options: number])[],
  own = "",
): Buffer {
  const asked = filters.map(([filter, options]) => Buffer.concat([text(filter), Buffer.from([options])]));
  return packet(0x82, Buffer.from([id >> 8, id & 255]), properties(own), ...asked);
}

/** Subscribes to one filter and takes SUBACK, which grants what was asked for. */
export async function subscribe(client: RawClient, filter: string, options: number, own = ""): Promise<void> {
  client.send(subscribePacket(1, [[filter, options]], own));
  await client.expect(Buffer.from([0x90, 4, 0, 1, 0, options & 3]));
}

/** Publishes at QoS 1 and takes PUBACK of success, with or without somebody who subscribed (3.4.2.1). */
export async function publish(
  client: RawClient,
  topic: string,
  payload: string,
  options: Omit<PublishOptions, "id" | "qos"> = {},
): Promise<void> {
  client.send(publishPacket(topic, payload, { ...options, id: 0x7777 }));
  await client.expect("40 02 77 77");
}
