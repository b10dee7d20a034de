/**
 * The topic in a path: one percent-encoded segment (`sensors/a` is `/topics/sensors%2Fa`). It is a name and nothing else: `..` and
 * `%2F` in it lead nowhere. Pure.
 */
import { JangadaError } from "../../errors.js";
import { isTopicFilter, isTopicName } from "../../topics/topic-name.js";

const PREFIX = "/topics/";

/** The path of a request target, still escaped; proxies may put scheme and host before it (RFC 9112, 3.2.2). */
export function pathOf(url: string): string {
  const path = url.startsWith("/") ? url : url.replace(/^https?:\/\/[^/?#]*/i, "");
  const end = path.search(/[?#]/);
  return end === -1 ? path : path.slice(0, end);
}

/** Decodes one segment of a path. Throws `invalid_request` for a malformed escape. */
export function decodeSegment(segment: string): string {
  if (!segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new JangadaError("invalid_request", "the path has a malformed percent-escape");
  }
}

/** The segment after `/topics/` of a request target, decoded. Throws `invalid_request` for a malformed escape. */
export function topicSegment(url: string): string {
  const rest = pathOf(url).slice(PREFIX.length);
  const end = rest.indexOf("/");
  return decodeSegment(end === -1 ? rest : rest.slice(0, end));
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
