/**
 * Topic names and topic filters (MQTT 3.1.1, section 4.7): what is allowed, and which filter matches which name.
 * Pure; the length and depth ceilings are ours.
 */
import { limits } from "../limits.js";

const SLASH = 0x2f;
const PLUS = 0x2b;
const HASH = 0x23;
const DOLLAR = 0x24;

/** UTF-8 length without building the bytes; the text is well-formed. */
function utf8Bytes(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) bytes += 1;
    else if (unit < 0x800) bytes += 2;
    else if (unit >= 0xd800 && unit < 0xdc00) {
      bytes += 4;
      i += 1;
    } else bytes += 3;
  }
  return bytes;
}

function levels(text: string): number {
  let count = 1;
  for (let i = text.indexOf("/"); i !== -1; i = text.indexOf("/", i + 1)) count += 1;
  return count;
}

/** Control characters, NUL among them, and what Unicode keeps for itself. */
const UNPRINTABLE = /[\p{Cc}\p{Noncharacter_Code_Point}]/u;

/**
 * Whether a name has nothing in it that a receiver may treat as malformed (MQTT 5.0, 1.5.4): such a topic, made over HTTP, would cost the
 * subscribers that do their connection. Nor is there a place for it in log lines, event streams and access lists.
 */
export function isPrintable(name: string): boolean {
  return !UNPRINTABLE.test(name);
}

/** Length, depth, nothing unprintable (MQTT-1.5.3-2), no unpaired surrogate (MQTT-1.5.3-1). */
function isPlausible(text: string): boolean {
  if (text.length === 0 || text.length > limits.topicBytesMax) return false;
  if (!isPrintable(text) || !text.isWellFormed()) return false;
  return utf8Bytes(text) <= limits.topicBytesMax && levels(text) <= limits.topicLevelsMax;
}

/** Whether messages may be published to `name`: no wildcards (MQTT-3.3.2-2). Names under `$` are the broker's own. */
export function isTopicName(name: string): boolean {
  return isPlausible(name) && !isWildcard(name) && !name.startsWith("$");
}

/** Whether `filter` may be subscribed to: `#` last and alone in its level, `+` alone in its level (MQTT-4.7.1-2, 4.7.1-3). */
export function isTopicFilter(filter: string): boolean {
  if (!isPlausible(filter)) return false;
  if (!isWildcard(filter)) return true;
  const parts = filter.split("/");
  return parts.every((part, at) => {
    if (part === "#") return at === parts.length - 1;
    return part === "+" || !isWildcard(part);
  });
}

/** Whether a shared subscription may have this name: not empty, without a separator or a wildcard (MQTT-4.8.2-1, MQTT-4.8.2-2). */
export function isShareName(name: string): boolean {
  return isPlausible(name) && !isWildcard(name) && !name.includes("/");
}

/** Whether the filter has a wildcard, so that it may match several topics. */
export function isWildcard(filter: string): boolean {
  return filter.includes("+") || filter.includes("#");
}

/**
 * Whether a valid filter matches a valid name. Wildcards do not match a first level that begins with `$` (MQTT-4.7.2-1).
 * Runs once a message and filter when a batch is encoded: it walks both texts and makes no others.
 */
export function filterMatches(filter: string, name: string): boolean {
  let f = 0;
  let n = 0;
  if (name.charCodeAt(0) === DOLLAR && filter.charCodeAt(0) !== DOLLAR) return false;
  while (f < filter.length) {
    const unit = filter.charCodeAt(f);
    if (unit === HASH) return true;
    if (unit === PLUS) {
      while (n < name.length && name.charCodeAt(n) !== SLASH) n += 1;
      f += 1;
    } else if (n < name.length && unit === name.charCodeAt(n)) {
      f += 1;
      n += 1;
    } else {
      // "sport/#" matches "sport" too: `#` stands for the parent level as well (4.7.1.2).
      return n === name.length && unit === SLASH && filter.charCodeAt(f + 1) === HASH;
    }
  }
  return n === name.length;
}
