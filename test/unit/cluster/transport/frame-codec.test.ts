/** Frames as bytes: what goes in comes out, however it is cut, and nothing else gets through. */
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ClusterError } from "../../../../cluster/errors.js";
import {
  BODY_BYTES_MAX,
  decodeFrame,
  encodeFrame,
  encodeLinkFrame,
  FrameDecoder,
  HANDSHAKE_BODY_BYTES_MAX,
  type WireFrame,
  WireKind,
} from "../../../../cluster/transport/frame-codec.js";
import type { PeerFrame } from "../../../../cluster/transport/transport.js";
import type { PeerMessage, SnapshotMeta } from "../../../../cluster/types.js";

const EMPTY = new Uint8Array(0);

function message(entryBytes: readonly number[], snapshot: SnapshotMeta | null = null): PeerMessage {
  return {
    kind: 3,
    to: "2",
    from: "1",
    term: 4,
    logTerm: 3,
    index: 17,
    entries: entryBytes.map((length, i) => ({
      term: 4,
      index: 18 + i,
      kind: 0 as const,
      data: new Uint8Array(length).fill(i + 1),
    })),
    commit: 16,
    snapshot,
    reject: false,
    rejectHint: 0,
    context: "",
  };
}

const raft = (...entryBytes: number[]): PeerFrame => ({
  kind: "raft",
  group: 3,
  message: message(entryBytes),
});

function bytesOf(frame: PeerFrame): Buffer {
  const { parts, byteLength } = encodeFrame(frame);
  const bytes = Buffer.concat(parts);
  expect(bytes.byteLength).toBe(byteLength);
  return bytes;
}

/** All frames of a stream that comes in chunks. */
function framesIn(chunks: readonly Uint8Array[], bodyBytesMax = BODY_BYTES_MAX): WireFrame[] {
  const decoder = new FrameDecoder(bodyBytesMax);
  const frames: WireFrame[] = [];
  for (const chunk of chunks) {
    decoder.push(chunk);
    for (let frame = decoder.next(); frame !== null; frame = decoder.next()) frames.push(frame);
  }
  return frames;
}

function decoded(chunks: readonly Uint8Array[]): (PeerFrame | null)[] {
  return framesIn(chunks).map(decodeFrame);
}

/** Compared by content: payloads are views. */
function plain(frame: PeerFrame | null): unknown {
  if (frame === null) return null;
  if (frame.kind === "proposal") return { ...frame, payload: [...frame.payload] };
  if (frame.kind === "response") return { ...frame, bytes: [...frame.bytes] };
  if (frame.kind === "request") return frame;
  const entries = frame.message.entries.map((entry) => ({ ...entry, data: [...entry.data] }));
  return { ...frame, message: { ...frame.message, entries } };
}

function refusal(action: () => unknown): unknown {
  try {
    action();
    return null;
  } catch (error) {
    return error;
  }
}

function expectMalformed(action: () => unknown): void {
  const error = refusal(action);
  expect(error).toBeInstanceOf(ClusterError);
  expect(error).toHaveProperty("code", "peer_frame");
}

/** A frame that is right but for its body. */
function framed(body: Uint8Array): Buffer {
  const bytes = Buffer.alloc(8 + body.byteLength);
  bytes.writeUInt32LE(body.byteLength, 0);
  bytes.writeUInt32LE(crc32(body), 4);
  bytes.set(body, 8);
  return bytes;
}

function withFacts(kind: number, facts: string, rest: Uint8Array = EMPTY): Buffer {
  const json = Buffer.from(facts, "utf8");
  const head = Buffer.from([kind, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32LE(json.byteLength, 3);
  return framed(Buffer.concat([head, json, rest]));
}

const params = fc.dictionary(
  fc.string({ maxLength: 8 }),
  fc.oneof(fc.string({ maxLength: 8 }), fc.maxSafeInteger()),
  {
    maxKeys: 4,
    noNullPrototype: true,
  },
);
const group = fc.nat({ max: 65_535 });
const call = fc.maxSafeNat();
const bytes = fc.uint8Array({ maxLength: 300 });
const failure = fc.option(fc.record({ code: fc.string({ maxLength: 20 }), text: fc.string() }), {
  nil: null,
});
const anyFrame: fc.Arbitrary<PeerFrame> = fc.oneof(
  fc.record({ kind: fc.constant("proposal" as const), group, payload: bytes }),
  fc.record({
    kind: fc.constant("request" as const),
    group,
    call,
    method: fc.string({ maxLength: 40 }),
    params,
    isBulk: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("response" as const),
    group,
    call,
    isBulk: fc.boolean(),
    error: failure,
    params,
    bytes,
  }),
  fc.record({
    kind: fc.constant("raft" as const),
    group,
    message: fc
      .array(fc.oneof(fc.nat({ max: 100 }), fc.constant(9_000)), { maxLength: 4 })
      .map((sizes) => message(sizes)),
  }),
);

describe("frames between peers", () => {
  test("decode what was encoded, cut anywhere", () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(fc.array(anyFrame, { minLength: 1, maxLength: 5 }), cuts, (frames, sizes) => {
        const stream = Buffer.concat(frames.map(bytesOf));
        const chunks: Buffer[] = [];
        for (let at = 0, i = 0; at < stream.byteLength; i += 1) {
          const size = sizes[i % sizes.length] ?? 1;
          chunks.push(stream.subarray(at, at + size));
          at += size;
        }
        expect(decoded(chunks).map(plain)).toEqual(frames.map(plain));
      }),
      { numRuns: 150 },
    );
  });

  test("decode byte by byte", () => {
    const frames = [raft(5, 0, 9_000), raft(), { kind: "proposal", group: 0, payload: EMPTY } as const];
    const stream = Buffer.concat(frames.map(bytesOf));
    const chunks = [...stream].map((byte) => Buffer.from([byte]));
    expect(decoded(chunks).map(plain)).toEqual(frames.map(plain));
  });

  test("large entries leave as they are, and small ones are copied", () => {
    const frame = raft(10, 20_000, 30, 40_000);
    const { parts } = encodeFrame(frame);
    const entries = frame.kind === "raft" ? frame.message.entries : [];
    expect(parts).toContain(entries[1]?.data);
    expect(parts).toContain(entries[3]?.data);
    expect(parts).toHaveLength(4);
    expect(decoded(parts).map(plain)).toEqual([plain(frame)]);
    const payload = new Uint8Array(65_536);
    expect(encodeFrame({ kind: "proposal", group: 0, payload }).parts).toContain(payload);
  });

  test("payloads are views that later chunks do not touch", () => {
    const frame: PeerFrame = { kind: "proposal", group: 0, payload: new Uint8Array(100).fill(7) };
    const chunk = bytesOf(frame);
    const [whole] = decoded([chunk]);
    expect(whole?.kind === "proposal" && whole.payload.buffer === chunk.buffer).toBe(true);
    const [cut] = decoded([chunk.subarray(0, 50), chunk.subarray(50), bytesOf(raft(400))]);
    chunk.fill(0);
    expect(cut && plain(cut)).toEqual(plain(frame));
  });

  test("the membership in a snapshot's offer comes through", () => {
    const members = { "1": { peer: "a:1", tag: "t", wantsVote: false } };
    const confState = {
      voters: ["1"],
      learners: [],
      votersOutgoing: [],
      learnersNext: [],
      autoLeave: false,
      roster: { clusterId: "c", members, removed: ["2"] },
    };
    const frame: PeerFrame = {
      kind: "raft",
      group: 0,
      message: message([], { index: 9, term: 2, confState }),
    };
    expect(decoded([bytesOf(frame)])).toEqual([frame]);
  });

  test("every flipped bit is found, or leaves no frame", () => {
    const whole = bytesOf(raft(3));
    const tail = bytesOf({ kind: "proposal", group: 0, payload: new Uint8Array(40) });
    for (let bit = 0; bit < whole.byteLength * 8; bit += 1) {
      const damaged = Buffer.concat([whole, tail]);
      damaged.writeUInt8(damaged.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      let frames: WireFrame[] = [];
      const error = refusal(() => {
        frames = framesIn([damaged]);
      });
      // A length that grew waits for more; what comes then does not match the checksum.
      if (error === null) expect(frames).toEqual([]);
      else expect(error).toHaveProperty("code", "peer_frame");
    }
  });

  test.each([
    ["shorter than its own head", framed(Buffer.from([WireKind.Ping, 0]))],
    ["longer than anything a peer sends", Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0])],
    ["of a kind that there is not", framed(Buffer.from([99, 0, 0]))],
    ["with a wrong checksum", Buffer.from([3, 0, 0, 0, 1, 2, 3, 4, WireKind.Ping, 0, 0])],
    ["an HTTP request", Buffer.from("GET / HTTP/1.1\r\nHost: a\r\n\r\n")],
    ["the beginning of TLS", Buffer.from("16030100c8010000c40303", "hex")],
  ])("%s: refused", (_name, stream) => {
    expectMalformed(() => framesIn([stream], HANDSHAKE_BODY_BYTES_MAX));
  });

  test.each([
    [
      "a request with bytes after it",
      withFacts(WireKind.Request, '{"call":1,"method":"m","params":{}}', Buffer.from([1])),
    ],
    ["a request without a method", withFacts(WireKind.Request, '{"call":1,"params":{}}')],
    [
      "a method that is too long",
      withFacts(WireKind.Request, `{"call":1,"method":"${"m".repeat(129)}","params":{}}`),
    ],
    ["a call number that is no number", withFacts(WireKind.Request, '{"call":"1","method":"m","params":{}}')],
    ["a call number below zero", withFacts(WireKind.Request, '{"call":-1,"method":"m","params":{}}')],
    ["params that are a list", withFacts(WireKind.Request, '{"call":1,"method":"m","params":[]}')],
    ["facts that are no JSON", withFacts(WireKind.Response, "{")],
    ["facts that are no object", withFacts(WireKind.Response, "null")],
    ["a response without a word on errors", withFacts(WireKind.Response, '{"call":1,"params":{}}')],
    ["an error without a text", withFacts(WireKind.Response, '{"call":1,"params":{},"error":{"code":"a"}}')],
    ["facts longer than the frame", framed(Buffer.from([WireKind.Response, 0, 0, 255, 0, 0, 0, 123, 125]))],
    ["no facts at all", framed(Buffer.from([WireKind.Request, 0, 0, 1]))],
    [
      "a Raft message of a newer version",
      framed(Buffer.concat([Buffer.from([WireKind.Raft, 0, 0]), Buffer.from([9])])),
    ],
    [
      "a Raft message with bytes after it",
      framed(Buffer.concat([bytesOf(raft(1)).subarray(8), Buffer.from([0])])),
    ],
  ])("%s: refused", (_name, stream) => {
    const [frame] = framesIn([stream]);
    expectMalformed(() => frame && decodeFrame(frame));
  });

  test("what is proper in size after the handshake is too large before it", () => {
    const proposal = bytesOf({
      kind: "proposal",
      group: 0,
      payload: new Uint8Array(HANDSHAKE_BODY_BYTES_MAX),
    });
    expectMalformed(() => framesIn([proposal.subarray(0, 8)], HANDSHAKE_BODY_BYTES_MAX));
    expect(framesIn([proposal])).toHaveLength(1);
  });

  test("frames of the link itself are not for the node", () => {
    const [ping] = framesIn([encodeLinkFrame(WireKind.Ping, EMPTY)]);
    expect(ping && decodeFrame(ping)).toBeNull();
  });
});
