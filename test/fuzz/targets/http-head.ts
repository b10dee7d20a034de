/**
 * What the HTTP edge reads out of a request by itself: the target, headers, cursors, lines of a batch. The first line of an input is the target, then come
 * headers, then after an empty line the body. Only coded errors; what is let in is what its type says.
 */
import { isDeepStrictEqual } from "node:util";
import { preferredType } from "../../../src/edges/http/accept.js";
import { splitLines } from "../../../src/edges/http/ndjson.js";
import { askedPage } from "../../../src/edges/http/paging.js";
import { propertiesOf, propertyHeaders } from "../../../src/edges/http/properties.js";
import { publishTargetOf } from "../../../src/edges/http/publish-target.js";
import { Query } from "../../../src/edges/http/query.js";
import { topicFilterOf, topicNameOf } from "../../../src/edges/http/topic-path.js";
import { readMessageProperties } from "../../../src/edges/message-properties.js";
import { JangadaError } from "../../../src/errors.js";
import { EventIds } from "../../../src/replica/event-id.js";
import { isTopicFilter, isTopicName } from "../../../src/topics/topic-name.js";
import { must, type Target } from "../target.js";

const HEAD = 1_000;
const LINES_MAX = 20;
const ids = new EventIds(0, "test");

/** What a part gives; `undefined` when it is refused. */
function unlessRefused<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof JangadaError && error.code !== "internal") return undefined;
    throw error;
  }
}

function checkTarget(url: string): void {
  const name = unlessRefused(() => topicNameOf(url));
  must(name === undefined || isTopicName(name), "a topic name that is none");
  const filter = unlessRefused(() => topicFilterOf(url));
  must(filter === undefined || isTopicFilter(filter), "a filter that is none");
  const publish = unlessRefused(() => publishTargetOf(url));
  if (publish === undefined) return;
  must(
    isTopicName(publish.name) && JSON.parse(publish.json) === publish.name,
    "a name that its JSON is not of",
  );
  must(
    !publish.isAscii || publish.json.length === Buffer.byteLength(publish.json),
    "more bytes than characters",
  );
  must(
    Number.isInteger(publish.expiresSeconds) &&
      publish.expiresSeconds >= 0 &&
      publish.expiresSeconds < 2 ** 32,
    "an expiry that MQTT cannot say",
  );
}

function checkQuery(url: string): void {
  const query = unlessRefused(() => new Query(url));
  if (query === undefined) return;
  const limit = unlessRefused(() => query.integer("limit", 1, 500));
  must(limit === undefined || (Number.isInteger(limit) && limit >= 1 && limit <= 500), `a limit of ${limit}`);
  const page = unlessRefused(() => askedPage(query, isTopicName));
  must(page === undefined || page.after === null || isTopicName(page.after), "a cursor that is no key");
  unlessRefused(() => query.flag("retained"));
  for (const id of query.all("lastEventId")) checkId(id);
}

function checkId(id: string): void {
  const position = unlessRefused(() => ids.parse(id, HEAD));
  must(
    position === undefined || (position >= 0 && position <= HEAD && ids.format(position) === id),
    `position ${position} for ${id}`,
  );
}

/** What was let in as properties gives the same when it goes out and comes in again. */
function checkProperties(headers: Record<string, string>): void {
  const properties = unlessRefused(() => propertiesOf({ headers }));
  if (properties === undefined || properties.length === 0) return;
  const out = propertyHeaders({ properties });
  if (Object.keys(out).length === 0) return;
  const again = Object.entries(out).map(
    ([name, value]) => [name.toLowerCase(), [value].flat().join(", ")] as const,
  );
  for (const [, value] of again)
    must(/^[\x21-\x7e, ]*$/.test(value), "a header with characters that headers do not have");
  const back = propertiesOf({ headers: Object.fromEntries(again) });
  must(
    isDeepStrictEqual(readMessageProperties(back), readMessageProperties(properties)),
    "properties change on their way",
  );
}

function checkLines(body: Buffer): void {
  const lines = splitLines(body, LINES_MAX);
  for (const line of lines ?? []) must(line.length > 0 && !line.includes(10), "a line that is none");
  const kept = (lines ?? []).reduce((sum, { length }) => sum + length, 0);
  must(kept <= body.length, "more lines than there were bytes");
}

function run(input: Buffer): void {
  const text = input.toString("latin1");
  const end = text.indexOf("\n\n");
  const [url = "", ...lines] = (end === -1 ? text : text.slice(0, end)).split("\n");
  const headers = Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, Math.max(0, colon)).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  checkTarget(url);
  checkQuery(url);
  checkProperties(headers);
  if (headers["last-event-id"] !== undefined) checkId(headers["last-event-id"]);
  const type = preferredType(headers["accept"], ["text/event-stream", "application/x-ndjson"]);
  must(type === null || type.length > 0, "a type that was not offered");
  checkLines(input.subarray(end === -1 ? input.length : end + 2));
}

export const target: Target = {
  name: "http-head",
  inputBytesMax: 1_024,
  seeds: () =>
    [
      "/topics/a%2Fb/messages?qos=2&retain=true&expires=60&ack=none\nidempotency-key: k",
      "http://host/topics/pra%C3%A7a/stream?from=earliest&topic=%23&lastEventId=17-0-test#x\nlast-event-id: 1000-0-test\naccept: text/event-stream;q=0.1, */*",
      "/topics?limit=10&cursor=YS9i&prefix=a+b&retained=false\naccept: application/x-ndjson",
      '/topics/a/messages\njangada-user-property: a=b, c%3D=%20d, =\njangada-response-topic: r%2Fs\njangada-correlation-data: AAEC/+==\n\n{"a":1}\r\n\n  \n{"b":2}',
    ].map((text) => Buffer.from(text, "latin1")),
  dictionary: [
    "%00",
    "%2F",
    "%ff",
    "%ED%A0%80",
    "%F0%9F%9A%80",
    "+",
    "#",
    "$share/g/a",
    "999999999999999",
    "9007199254740992-0-test",
    "0-0-test",
    "q=0",
    "jangada-user-property:",
    "limit=",
    "cursor=",
    "\r\n",
  ],
  run,
};
