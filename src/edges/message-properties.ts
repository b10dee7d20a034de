/**
 * The MQTT 5 properties that travel with a message (`OutgoingMessage.properties`), as values: for edges that show them, or take them
 * in another form. MQTT clients' own go through unread.
 */
import { NO_PROPERTIES } from "../commands/command.js";
import { JangadaError } from "../errors.js";

export interface MessageProperties {
  /** Payload Format Indicator (MQTT 5.0, 3.3.2.3.2): 1 says that the payload is UTF-8. */
  readonly payloadFormat: 0 | 1;
  /** "" for none. */
  readonly responseTopic: string;
  /** `null` for none; it may be empty. */
  readonly correlationData: Uint8Array | null;
  /** In their order; a name may come several times (MQTT-3.3.2-17, 3.3.2-18). */
  readonly userProperties: readonly (readonly [name: string, value: string])[];
}

/** What a message without any has. */
export const EMPTY_PROPERTIES: MessageProperties = {
  payloadFormat: 0,
  responseTopic: "",
  correlationData: null,
  userProperties: [],
};

const PAYLOAD_FORMAT_INDICATOR = 0x01;
const RESPONSE_TOPIC = 0x08;
const CORRELATION_DATA = 0x09;
const USER_PROPERTY = 0x26;

/** Length prefixes are 16 bits (1.5.4). */
const FIELD_BYTES_MAX = 0xffff;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Takes the wire form apart. Throws `JangadaError` `internal` for what no edge of ours made. */
export function readMessageProperties(bytes: Uint8Array): MessageProperties {
  if (bytes.length === 0) return EMPTY_PROPERTIES;
  let at = 0;
  let payloadFormat: 0 | 1 = 0;
  let responseTopic = "";
  let correlationData: Uint8Array | null = null;
  const userProperties: [string, string][] = [];
  const field = (): Uint8Array => {
    const start = at + 2;
    const end = start + (((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0));
    if (end > bytes.length) throw damaged();
    at = end;
    return bytes.subarray(start, end);
  };
  while (at < bytes.length) {
    const id = bytes[at];
    at += 1;
    if (id === PAYLOAD_FORMAT_INDICATOR && at < bytes.length) {
      payloadFormat = bytes[at] === 1 ? 1 : 0;
      at += 1;
    } else if (id === RESPONSE_TOPIC) responseTopic = decoder.decode(field());
    else if (id === CORRELATION_DATA) correlationData = field();
    else if (id === USER_PROPERTY) userProperties.push([decoder.decode(field()), decoder.decode(field())]);
    else throw damaged();
  }
  return { payloadFormat, responseTopic, correlationData, userProperties };
}

/**
 * The wire form. Text has to be well-formed, without NUL, and each field 65,535 bytes at most: throws `JangadaError` `invalid_request`
 * otherwise. How long the whole may be is `limits.messagePropertiesBytesMax`, the caller's to hold.
 */
export function buildMessageProperties(properties: MessageProperties): Uint8Array {
  const { payloadFormat, responseTopic, correlationData, userProperties } = properties;
  const parts: Uint8Array[] = [];
  const field = (value: Uint8Array): void => {
    if (value.length > FIELD_BYTES_MAX) throw unfit("is longer than 65,535 bytes");
    parts.push(Uint8Array.of(value.length >> 8, value.length & 255), value);
  };
  if (payloadFormat === 1) parts.push(Uint8Array.of(PAYLOAD_FORMAT_INDICATOR, 1));
  if (responseTopic !== "") {
    parts.push(Uint8Array.of(RESPONSE_TOPIC));
    field(utf8(responseTopic));
  }
  if (correlationData !== null) {
    parts.push(Uint8Array.of(CORRELATION_DATA));
    field(correlationData);
  }
  for (const [name, value] of userProperties) {
    parts.push(Uint8Array.of(USER_PROPERTY));
    field(utf8(name));
    field(utf8(value));
  }
  return joined(parts);
}

function utf8(text: string): Uint8Array {
  if (!text.isWellFormed() || text.includes("\0")) throw unfit("has NUL or half a character");
  return encoder.encode(text);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 0) return NO_PROPERTIES;
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function damaged(): JangadaError {
  return new JangadaError("internal", "a message's properties are damaged");
}

function unfit(what: string): JangadaError {
  return new JangadaError("invalid_request", `a property of the message ${what}`);
}
