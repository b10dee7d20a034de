/**
 * A packet of a broker, taken apart as far as two brokers may differ in it: where the standard leaves a choice to the server, two
 * packets that differ in nothing else are the same.
 */
export const CONNACK = 2;
export const PUBLISH = 3;
export const PUBACK = 4;
export const PUBREC = 5;
export const PUBREL = 6;
export const PUBCOMP = 7;
export const SUBACK = 9;
export const UNSUBACK = 11;
export const DISCONNECT = 14;

/** A packet as it came, without its length. */
export interface Answer {
  readonly first: number;
  readonly body: Buffer;
}

/** What is compared. */
interface Parts {
  readonly packetId: number;
  /** Everything but the identifier that has to agree. */
  readonly text: string;
}

const ASSIGNED_CLIENT_ID = 0x12;
const USER_PROPERTY = 0x26;
/** By property: bytes of its value; -2 one length-prefixed text, -4 two of them, 0 a variable byte integer. */
const PROPERTY_BYTES: ReadonlyMap<number, number> = new Map([
  ...[0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2a].map((id) => [id, 1] as const),
  ...[0x13, 0x21, 0x22, 0x23].map((id) => [id, 2] as const),
  ...[0x02, 0x11, 0x18, 0x27].map((id) => [id, 4] as const),
  ...[0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1a, 0x1c, 0x1f].map((id) => [id, -2] as const),
  [0x0b, 0],
  [USER_PROPERTY, -4],
]);

function variable(body: Buffer, at: number): { readonly value: number; readonly end: number } {
  let [value, shift, end] = [0, 0, at];
  for (;;) {
    const byte = body.readUInt8(end);
    end += 1;
    value += (byte & 127) * 2 ** shift;
    shift += 7;
    if (byte < 128) return { value, end };
  }
}

function textEnd(body: Buffer, at: number): number {
  return at + 2 + body.readUInt16BE(at);
}

function valueEnd(body: Buffer, id: number, at: number): number {
  const bytes = PROPERTY_BYTES.get(id);
  if (bytes === undefined) throw new Error(`property 0x${id.toString(16)} is not known`);
  if (bytes > 0) return at + bytes;
  if (bytes === 0) return variable(body, at).end;
  return bytes === -2 ? textEnd(body, at) : textEnd(body, textEnd(body, at));
}

interface Properties {
  /** Identifier and value in hex, in the order in which they came. */
  readonly all: readonly (readonly [number, string])[];
  readonly end: number;
}

function propertiesAt(body: Buffer, at: number): Properties {
  const length = variable(body, at);
  const end = length.end + length.value;
  const all: [number, string][] = [];
  for (let cursor = length.end; cursor < end; ) {
    const id = body.readUInt8(cursor);
    const next = valueEnd(body, id, cursor + 1);
    all.push([id, body.toString("hex", cursor + 1, next)]);
    cursor = next;
  }
  return { all, end };
}

/** The order of properties says nothing, but for user properties among themselves (MQTT-3.3.2-18). */
function canonical({ all }: Properties): string {
  const text = ([id, value]: readonly [number, string]): string => `${id}=${value}`;
  const users = all.filter(([id]) => id === USER_PROPERTY).map(text);
  const others = all.filter(([id]) => id !== USER_PROPERTY).map(text);
  return [...others.sort(), ...users].join(" ");
}

function publishParts(level: number, { first, body }: Answer): Parts {
  const afterTopic = textEnd(body, 0);
  const hasId = (first & 6) !== 0;
  const packetId = hasId ? body.readUInt16BE(afterTopic) : 0;
  const afterId = afterTopic + (hasId ? 2 : 0);
  const properties = level === 5 ? propertiesAt(body, afterId) : { all: [], end: afterId };
  const topic = body.toString("hex", 2, afterTopic);
  return { packetId, text: `${topic} ${canonical(properties)} ${body.toString("hex", properties.end)}` };
}

/** Session present and code; of the properties only whether a client identifier was assigned: all others are the server's own limits. */
function connackParts({ body }: Answer): Parts {
  const properties = body.length > 2 ? propertiesAt(body, 2).all : [];
  const assigned = properties.some(([id]) => id === ASSIGNED_CLIENT_ID);
  return { packetId: 0, text: `${body.toString("hex", 0, 2)} ${assigned}` };
}

const SUCCESS = 0;
const NO_MATCHING_SUBSCRIBERS = 0x10;

/** A server that knows that nobody subscribes MAY say so (MQTT 5.0, 3.4.2.1 and 3.5.2.1); reason strings are its own. */
function acknowledgementParts({ body }: Answer): Parts {
  const reason = body.length > 2 ? body.readUInt8(2) : SUCCESS;
  return {
    packetId: body.readUInt16BE(0),
    text: String(reason === NO_MATCHING_SUBSCRIBERS ? SUCCESS : reason),
  };
}

function subackParts({ body }: Answer): Parts {
  const { end } = propertiesAt(body, 2);
  return { packetId: body.readUInt16BE(0), text: body.toString("hex", end) };
}

function partsOf(level: number, answer: Answer): Parts {
  const { body } = answer;
  const type = answer.first >> 4;
  if (type === PUBLISH) return publishParts(level, answer);
  if (level === 5 && type === CONNACK) return connackParts(answer);
  if (type >= PUBACK && type <= PUBCOMP) {
    if (level === 5) return acknowledgementParts(answer);
    return { packetId: body.readUInt16BE(0), text: body.toString("hex", 2) };
  }
  if (level === 5 && (type === SUBACK || type === UNSUBACK)) return subackParts(answer);
  if (level === 5 && type === DISCONNECT) return { packetId: 0, text: String(body[0] ?? 0) };
  return { packetId: 0, text: body.toString("hex") };
}

/** Identifiers of a server's own publishes: as the file has them, and as this broker chose them (MQTT-2.2.1-4 leaves them free). */
export class ChosenIds {
  readonly #chosen = new Map<number, number>();

  learn(written: number, chosen: number): void {
    this.#chosen.set(written, chosen);
  }

  chosenFor(written: number): number {
    return this.#chosen.get(written) ?? written;
  }

  /** A packet to be sent, with the identifier that the broker chose in place of the one that the file has. */
  applyTo(packet: Buffer): Buffer {
    const type = (packet[0] ?? 0) >> 4;
    const answersPublish = type === PUBACK || type === PUBREC || type === PUBCOMP;
    if (!answersPublish || packet.length < 4 || (packet[1] ?? 0) < 2) return packet;
    const changed = Buffer.from(packet);
    changed.writeUInt16BE(this.chosenFor(packet.readUInt16BE(2)), 2);
    return changed;
  }
}

/** Whether a broker that answers `got` has answered as one that answers `wanted`; learns the identifier of a publish. */
export function isSameAnswer(level: number, wanted: Answer, got: Answer, ids: ChosenIds): boolean {
  if (wanted.first !== got.first) return false;
  const type = got.first >> 4;
  const isOfServersPublish = type === PUBLISH || type === PUBREL;
  if (!isOfServersPublish && wanted.body.equals(got.body)) return true;
  try {
    const [one, other] = [partsOf(level, wanted), partsOf(level, got)];
    if (one.text !== other.text) return false;
    if (type === PUBLISH) {
      ids.learn(one.packetId, other.packetId);
      return true;
    }
    const due = type === PUBREL ? ids.chosenFor(one.packetId) : one.packetId;
    return due === other.packetId;
  } catch {
    // Too short or of unknown form.
    return wanted.body.equals(got.body);
  }
}
