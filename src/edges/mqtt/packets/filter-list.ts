/** What SUBSCRIBE and UNSUBSCRIBE have in common: a packet id, properties, topic filters (MQTT 5.0, 3.8 and 3.10). */
import { limits } from "../../../limits.js";
import { isShareName, isTopicFilter } from "../../../topics/topic-name.js";
import { PacketRefused } from "../refusal.js";
import { type FieldReader, malformed } from "./field-reader.js";
import { NO_PACKET_PROPERTIES, type Properties, type PropertyRules, readProperties } from "./properties.js";
import { LEVEL_3_1_1, type ProtocolLevel } from "./protocol.js";

/** A topic filter as a session holds it. */
export interface FilterName {
  /** Without `$share/name/`. */
  readonly filter: string;
  /** "" for none. */
  readonly share: string;
}

/** Packet id and properties; at least one filter comes after them. */
export function readHead(
  level: ProtocolLevel,
  reader: FieldReader,
  rules: PropertyRules,
): { readonly packetId: number; readonly properties: Properties } {
  const packetId = reader.uint16();
  if (packetId === 0) throw malformed("packet id 0");
  const properties = level === LEVEL_3_1_1 ? NO_PACKET_PROPERTIES : readProperties(reader, rules);
  if (reader.isAtEnd) throw malformed("no topic filter");
  return { packetId, properties };
}

/**
 * One filter; `null` for one that is well-formed and not accepted: too long, too deep, a share without a name or a filter (MQTT-4.8.2-1,
 * 4.8.2-2). Throws `PacketRefused` for an ill-formed one: empty (MQTT-4.7.3-1), `#` or `+` where they may not be (MQTT-4.7.1-1, 4.7.1-2).
 */
export function readFilter(reader: FieldReader): FilterName | null {
  const text = reader.name();
  const parts = SHARED.exec(text);
  if (parts === null && text.startsWith(SHARE_PREFIX)) return null;
  const [, share = "", filter = text] = parts ?? [];
  if (!isWellFormed(filter))
    throw malformed("a topic filter that is empty or has a wildcard where none may be");
  if (parts !== null && !isShareName(share)) return null;
  return isTopicFilter(filter) ? { filter, share } : null;
}

/** Throws `PacketRefused` past the ceiling of a connection. */
export function checkCount(filters: number): void {
  if (filters > limits.subscriptionsPerConnectionMax) {
    throw new PacketRefused(
      "too_many_subscriptions",
      `more than ${limits.subscriptionsPerConnectionMax} filters in one packet`,
    );
  }
}

const SHARE_PREFIX = "$share/";
const SHARED = /^\$share\/([^/+#]+)\/(.+)$/s;

/** `#` alone in the last level, `+` alone in its level, not empty (4.7). */
function isWellFormed(filter: string): boolean {
  return filter !== "" && !MISPLACED_WILDCARD.test(filter);
}

/** A `#` or `+` with a neighbour in its level, or a level after `#`. */
const MISPLACED_WILDCARD = /[^/][#+]|[#+][^/]|#\//;
