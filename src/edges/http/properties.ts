/**
 * The MQTT 5 properties of a message as HTTP has them: request headers of a publish, fields of a record, response headers. Names and values are
 * percent-encoded in headers, which hold ASCII only and may be joined by commas on their way (RFC 9110, 5.3). Pure.
 */
import type { IncomingMessage } from "node:http";
import { NO_PROPERTIES } from "../../commands/command.js";
import { JangadaError } from "../../errors.js";
import { limits } from "../../limits.js";
import type { StoredMessage } from "../../state-machine/effects.js";
import { buildMessageProperties, readMessageProperties } from "../message-properties.js";

/** As they are written; requests have them in lower case. */
export const PropertyHeader = {
  User: "Jangada-User-Property",
  ResponseTopic: "Jangada-Response-Topic",
  CorrelationData: "Jangada-Correlation-Data",
} as const;

const USER = "jangada-user-property";
const RESPONSE_TOPIC = "jangada-response-topic";
const CORRELATION_DATA = "jangada-correlation-data";

type Request = Pick<IncomingMessage, "headers">;

const invalid = (detail: string): JangadaError => new JangadaError("invalid_request", detail);

function decoded(piece: string, header: string): string {
  if (!/^[\x21-\x7e]*$/.test(piece)) throw invalid(`${header} has characters that are not percent-encoded`);
  try {
    return decodeURIComponent(piece);
  } catch {
    throw invalid(`${header} has a malformed percent-escape`);
  }
}

/** The only value of a header; `undefined` when it is not there. Node joins several. */
function single({ headers }: Request, name: string, header: string): string | undefined {
  const value = headers[name];
  if (typeof value !== "string") return undefined;
  if (value.includes(",")) throw invalid(`${header} is given once, with its commas as %2C`);
  return value;
}

function userPropertiesOf({ headers }: Request): readonly (readonly [string, string])[] {
  const header = PropertyHeader.User;
  const value = headers[USER];
  if (typeof value !== "string") return [];
  const pairs = value.split(",", limits.userPropertiesMax + 1);
  if (pairs.length > limits.userPropertiesMax) {
    throw invalid(`${header} is given at most ${limits.userPropertiesMax} times`);
  }
  return pairs.map((pair) => {
    const text = pair.trim();
    const equals = text.indexOf("=");
    if (equals === -1) throw invalid(`${header} is name=value, both percent-encoded`);
    return [decoded(text.slice(0, equals), header), decoded(text.slice(equals + 1), header)] as const;
  });
}

function responseTopicOf(request: Request): string {
  const header = PropertyHeader.ResponseTopic;
  const value = single(request, RESPONSE_TOPIC, header);
  if (value === undefined) return "";
  const topic = decoded(value, header);
  // MQTT-3.3.2-14; whether anybody may publish there is asked of whoever responds.
  if (topic === "" || /[+#]/.test(topic)) throw invalid(`${header} is a topic name, percent-encoded`);
  return topic;
}

function correlationDataOf(request: Request): Uint8Array | null {
  const header = PropertyHeader.CorrelationData;
  const value = single(request, CORRELATION_DATA, header);
  if (value === undefined) return null;
  const bytes = Buffer.from(value, "base64");
  if (bytes.toString("base64").replaceAll("=", "") !== value.replace(/={1,2}$/, "")) {
    throw invalid(`${header} is base64`);
  }
  return bytes;
}

/** What a publish's headers say, in the wire form (`OutgoingMessage.properties`). Throws `invalid_request`. */
export function propertiesOf(request: Request): Uint8Array {
  const { headers } = request;
  const isBare =
    headers[USER] === undefined &&
    headers[RESPONSE_TOPIC] === undefined &&
    headers[CORRELATION_DATA] === undefined;
  if (isBare) return NO_PROPERTIES;
  return buildMessageProperties({
    payloadFormat: 0,
    responseTopic: responseTopicOf(request),
    correlationData: correlationDataOf(request),
    userProperties: userPropertiesOf(request),
  });
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

/** `,"userProperties":[[name,value],...],"responseTopic":...,"correlationData":...`: those that the message has. */
export function propertiesJson({ properties }: Pick<StoredMessage, "properties">): string {
  if (properties.length === 0) return "";
  const { userProperties, responseTopic, correlationData } = readMessageProperties(properties);
  const user = userProperties.length === 0 ? "" : `,"userProperties":${JSON.stringify(userProperties)}`;
  const response = responseTopic === "" ? "" : `,"responseTopic":${JSON.stringify(responseTopic)}`;
  const correlation = correlationData === null ? "" : `,"correlationData":"${base64(correlationData)}"`;
  return `${user}${response}${correlation}`;
}

const encoded = (text: string): string => encodeURIComponent(text).replaceAll("%2F", "/");

/**
 * The headers that would publish the message with the same properties. Empty when they would be longer than clients take
 * (`limits.propertyHeaderBytesMax`): the record has them all.
 */
export function propertyHeaders({
  properties,
}: Pick<StoredMessage, "properties">): Readonly<Record<string, string | string[]>> {
  if (properties.length === 0) return {};
  const { userProperties, responseTopic, correlationData } = readMessageProperties(properties);
  const user = userProperties.map(([name, value]) => `${encoded(name)}=${encoded(value)}`);
  const headers = {
    ...(user.length === 0 ? {} : { [PropertyHeader.User]: user }),
    ...(responseTopic === "" ? {} : { [PropertyHeader.ResponseTopic]: encoded(responseTopic) }),
    ...(correlationData === null ? {} : { [PropertyHeader.CorrelationData]: base64(correlationData) }),
  };
  const bytes = Object.entries(headers)
    .flatMap(([name, values]) => [values].flat().map((value) => name.length + value.length))
    .reduce((sum, length) => sum + length, 0);
  return bytes > limits.propertyHeaderBytesMax ? {} : headers;
}
