/** Stored blocks are read for as long as there are any: the bytes of earlier versions, as they were written. */
import { describe, expect, it } from "vitest";
import type { StoredMessage } from "../../../src/state-machine/effects.js";
import { decodeBlock, encodeBlock, isSoundBlock, scratch } from "../../../src/store/block.js";
import { Stream, show, topicOf } from "../../contracts/message-store.stream.js";

const OF_0_1_BEFORE_PROPERTIES =
  "66000000ac27f93f07000000040000000b00000004000000000000000000f03f000000000000000000008056febc78420040a44affbc78420000056669727374013100010a746578742f706c61696e021d040280a0f1c2b1346f6cc3a1013202c1843d0000ff";

/** Each kind of record that there was before messages had properties and publishers. */
function plainMessages(): StoredMessage[] {
  const stream = new Stream();
  stream.message(7, { payload: "first", qos: 0 });
  stream.message(7, { payload: "", contentType: "text/plain" });
  stream.message(9, { payload: "of another topic, in another block" });
  stream.message(7, {
    payload: "olá",
    contentType: "text/plain",
    retain: true,
    expiresAtMs: 1_800_000_000_000,
  });
  stream.timeMs += 1_000_000;
  stream.message(7, { payload: Buffer.from([0, 255]), qos: 2 });
  return stream.all.filter(({ topic }) => topic.id === 7);
}

function encoded(messages: readonly StoredMessage[]): Buffer {
  const to = scratch(Buffer.alloc(10_000));
  const next = Int32Array.from(messages.map((_, i) => (i + 1 < messages.length ? i + 1 : -1)));
  return to.bytes.subarray(
    0,
    encodeBlock(to, 0, (i) => messages[i]!, 0, next),
  );
}

function decoded(bytes: Buffer): string[] {
  const from = scratch(bytes);
  expect(isSoundBlock(from, 0, bytes.length)).toBe(true);
  const messages: StoredMessage[] = [];
  decodeBlock(from, 0, topicOf(7), 0, Number.MAX_SAFE_INTEGER, (message) => messages.push(message));
  return messages.map(show);
}

describe("messages without properties or publishers", () => {
  it("are written as before there were any", () => {
    expect(encoded(plainMessages()).toString("hex")).toBe(OF_0_1_BEFORE_PROPERTIES);
  });

  it("are read from what was written then", () => {
    expect(decoded(Buffer.from(OF_0_1_BEFORE_PROPERTIES, "hex"))).toEqual(plainMessages().map(show));
  });
});

it("a publisher costs bytes only where it changes, properties where there are any", () => {
  const properties = Buffer.from([0x01, 0x01]);
  const stream = new Stream();
  const add = (detail: Parameters<Stream["message"]>[1]): void => {
    stream.message(7, { payload: "x", ...detail });
    // Of one time, so that only the rest makes a difference.
    stream.timeMs -= 1;
  };
  const sizes: number[] = [];
  for (const detail of [{}, { publisher: 5 }, { publisher: 5 }, { publisher: 5, properties }, {}]) {
    add(detail);
    sizes.push(encoded(stream.all).length);
  }
  const steps = sizes.slice(1).map((size, i) => size - sizes[i]!);
  expect(steps).toEqual([5, 4, 7, 5]);
  expect(decoded(encoded(stream.all))).toEqual(stream.all.map(show));
});
