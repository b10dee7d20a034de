/** Packets of MQTT 5.0 as clients write them. Properties are scripts of bytes (`bytes`), without their length. */
import { bytes, packet, RawClient, text } from "./raw-client.js";

/** A variable byte integer with what it counts (MQTT 5.0, 2.2.2). */
function section(script: string): Buffer {
  const content = bytes(script);
  const length =
    content.length < 128 ? [content.length] : [(content.length & 127) | 128, content.length >> 7];
  return Buffer.concat([Buffer.from(length), content]);
}

export interface Connect5 {
  /** Clean Start. */
  readonly clean?: boolean;
  readonly keepAlive?: number;
  readonly properties?: string;
  readonly will?: {
    readonly topic: string;
    readonly payload: string;
    readonly properties?: string;
    readonly qos?: number;
    readonly retain?: boolean;
  };
}

/** CONNECT. */
export function connect5(id: string, options: Connect5 = {}): Buffer {
  const { clean = true, keepAlive = 0, properties = "", will } = options;
  const willFlags = will === undefined ? 0 : 4 | ((will.qos ?? 0) << 3) | (will.retain === true ? 0x20 : 0);
  const head = Buffer.from([5, (clean ? 2 : 0) | willFlags, keepAlive >> 8, keepAlive & 255]);
  const willParts =
    will === undefined ? [] : [section(will.properties ?? ""), text(will.topic), text(will.payload)];
  return packet(0x10, text("MQTT"), head, section(properties), text(id), ...willParts);
}

/** Session Expiry Interval, as CONNECT and DISCONNECT have it. */
export function expiry(seconds: number): string {
  return `11 ${(seconds >>> 0).toString(16).padStart(8, "0").replace(/../g, "$& ")}`;
}

/** What every CONNACK says: Receive Maximum 1024, Maximum Packet Size, Topic Alias Maximum 64. */
const OURS = "21 04 00 27 00 11 04 0d 22 00 40";
const OURS_FIRST = "21 04 00 27 00 11 04 0d";
const OURS_LAST = "22 00 40";

/** CONNACK that accepts; other properties stand in the order of the server. */
export function accepted(present: 0 | 1 = 0, { first = "", middle = "", last = "" } = {}): Buffer {
  const isPlain = first === "" && middle === "";
  const properties = isPlain ? `${OURS} ${last}` : `${first} ${OURS_FIRST} ${middle} ${OURS_LAST} ${last}`;
  return packet(0x20, Buffer.from([present, 0]), section(properties));
}

/** Connected with CONNECT and CONNACK. */
export async function connected5(
  port: number,
  id: string,
  options: Connect5 & { readonly present?: 0 | 1 } = {},
): Promise<RawClient> {
  const client = await RawClient.open(port);
  client.send(connect5(id, options));
  await client.expect(accepted(options.present));
  return client;
}

/** PUBLISH; `first` is its first byte. */
export function publish5(
  first: number,
  topic: string,
  id: number,
  payload: string | Buffer,
  properties = "",
): Buffer {
  const idBytes = (first & 6) === 0 ? [] : [Buffer.from([id >> 8, id & 255])];
  return packet(first, text(topic), ...idBytes, section(properties), Buffer.from(payload));
}

/** SUBSCRIBE to filters with one byte of options. */
export function subscribe5(id: number, options: number, ...filters: readonly string[]): Buffer {
  const asked = filters.map((filter) => Buffer.concat([text(filter), Buffer.from([options])]));
  return packet(0x82, Buffer.from([id >> 8, id & 255]), section(""), ...asked);
}

/** UNSUBSCRIBE. */
export function unsubscribe5(id: number, ...filters: readonly string[]): Buffer {
  return packet(0xa2, Buffer.from([id >> 8, id & 255]), section(""), ...filters.map(text));
}

/** DISCONNECT with a reason. */
export function disconnect5(reason: number, properties = ""): Buffer {
  return packet(0xe0, Buffer.from([reason]), section(properties));
}

/** AUTH of one method. */
export function auth5(reason: number, method: string, data = ""): Buffer {
  const parts = [Buffer.from([0x15]), text(method), Buffer.from([0x16]), text(data)];
  return packet(0xf0, Buffer.from([reason, Buffer.concat(parts).length]), ...parts);
}

/** CONNACK or DISCONNECT of the server with an error and words, whatever the words. */
export async function takeRefusal(
  client: RawClient,
): Promise<{ type: number; reason: number; words: string }> {
  const received = await client.takePacket();
  const type = (received[0] ?? 0) >> 4;
  const reasonAt = type === 2 ? 3 : 2;
  const words = received.indexOf(0x1f, reasonAt + 1);
  return {
    type,
    reason: received[reasonAt] ?? -1,
    words: words < 0 ? "" : received.subarray(words + 3).toString(),
  };
}
