/**
 * Topic names and topic filters (MQTT 3.1.1, section 4.7): what is allowed, and which filter matches which name.
 * Pure; the length and depth ceilings are ours.
 */
import { limits } from "../limits.js";

/** UTF-8 length without building the bytes; unpaired surrogates count as 3 (and are refused before). */
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

/** Length, depth, no NUL (MQTT-1.5.3-2), no unpaired surrogate (MQTT-1.5.3-1). */
function isPlausible(text: string): boolean {
  if (text.length === 0 || text.length > limits.topicBytesMax) return false;
  if (text.includes("\0") || !text.isWellFormed()) return false;
  return utf8Bytes(text) <= limits.topicBytesMax && levels(text) <= limits.topicLevelsMax;
}

/** Whether messages may be published to `name`: no wildcards (MQTT-3.3.2-2). Names under `$` are the broker's own. */
export function isTopicName(name: string): boolean {
  return isPlausible(name) && !name.includes("+") && !name.includes("#") && !name.startsWith("$");
}

/** Whether `filter` may be subscribed to: `#` last and alone in its level, `+` alone in its level (MQTT-4.7.1-2, 4.7.1-3). */
export function isTopicFilter(filter: string): boolean {
  if (!isPlausible(filter)) return false;
  if (!isWildcard(filter)) return true;
  const parts = filter.split("/");
  return parts.every((part, at) => {
    if (part === "#") return at === parts.length - 1;
    return part === "+" || !(part.includes("+") || part.includes("#"));
  });
}

/** Whether the filter has a wildcard, so that it may match several topics. */
export function isWildcard(filter: string): boolean {
  return filter.includes("+") || filter.includes("#");
}

/** Whether a valid filter matches a valid name. Wildcards do not match a first level that begins with `$` (MQTT-4.7.2-1). */
export function filterMatches(filter: string, name: string): boolean {
  if (filter === name) return true;
  if (!isWildcard(filter)) return false;
  if (name.startsWith("$") && (filter.startsWith("+") || filter.startsWith("#"))) return false;
  const filterLevels = filter.split("/");
  const nameLevels = name.split("/");
  for (let i = 0; i < filterLevels.length; i += 1) {
    const level = filterLevels[i];
    if (level === "#") return true;
    if (i >= nameLevels.length) return false;
    if (level !== "+" && level !== nameLevels[i]) return false;
  }
  return filterLevels.length === nameLevels.length;
}
