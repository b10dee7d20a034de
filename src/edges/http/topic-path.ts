/**
 * The topic in a path: one percent-encoded segment (`sensors/a` is `/topics/sensors%2Fa`). It is a name and nothing else: `..` and
 * `%2F` in it lead nowhere. Bytes above 127 that a client left bare are taken as UTF-8. Pure.
 */
import { isUtf8 } from "node:buffer";
import { JangadaError } from "../../errors.js";
import { isTopicFilter, isTopicName } from "../../topics/topic-name.js";

const PREFIX = "/topics/";

/** Node hands bare bytes over as Latin-1 characters. */
function isBare(segment: string): boolean {
  for (let i = 0; i < segment.length; i += 1) if (segment.charCodeAt(i) > 127) return true;
  return false;
}

/** Decodes the segment after `/topics/` of a request target. Throws `invalid_request` for a malformed escape. */
export function topicSegment(url: string): string {
  const end = url.slice(PREFIX.length).search(/[/?#]/);
  let segment = end === -1 ? url.slice(PREFIX.length) : url.slice(PREFIX.length, PREFIX.length + end);
  if (isBare(segment)) {
    const bytes = Buffer.from(segment, "latin1");
    if (!isUtf8(bytes)) throw new JangadaError("invalid_request", "the path is not UTF-8");
    segment = bytes.toString("utf8");
  }
  if (!segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new JangadaError("invalid_request", "the path has a malformed percent-escape");
  }
}

/** The valid topic name in a request target. Throws `invalid_topic`. */
export function topicNameOf(url: string): string {
  const name = topicSegment(url);
  if (!isTopicName(name)) throw new JangadaError("invalid_topic");
  return name;
}

/** The valid filter in a request target. Throws `invalid_filter`. */
export function topicFilterOf(url: string): string {
  const filter = topicSegment(url);
  if (!isTopicFilter(filter)) throw new JangadaError("invalid_filter");
  return filter;
}
