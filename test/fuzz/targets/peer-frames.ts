/**
 * Frames between peers out of a stream: the first byte says how it is cut into chunks. Whatever the cuts, the frames are the same; only
 * `peer_frame` is thrown; what is decoded gives the same when it is encoded and decoded again.
 */
import { isDeepStrictEqual } from "node:util";
import { crc32 } from "node:zlib";
import { changeOf } from "../../../cluster/change-data.js";
import { ClusterError } from "../../../cluster/errors.js";
import {
  BODY_BYTES_MAX,
  decodeFrame,
  encodeFrame,
  encodeLinkFrame,
  FrameDecoder,
  HANDSHAKE_BODY_BYTES_MAX,
  WireKind,
} from "../../../cluster/transport/frame-codec.js";
import type { PeerFrame } from "../../../cluster/transport/transport.js";
import { EntryKind, isNodeId, type PeerMessage } from "../../../cluster/types.js";
import { must, said, type Target } from "../target.js";

const HEADER_BYTES = 8;

const CHANGE = JSON.stringify({
  transition: 0,
  changes: [{ type: 3, nodeId: "5" }],
  context: JSON.stringify({
    kind: "add-learner",
    id: "5",
    member: { peer: "e:5", tag: "t", wantsVote: true },
  }),
});

const MESSAGE: PeerMessage = {
  kind: 3,
  to: "2",
  from: "1",
  term: 7,
  logTerm: 6,
  index: 41,
  entries: [
    { term: 6, index: 42, kind: EntryKind.Command, data: Buffer.from("one") },
    { term: 7, index: 43, kind: EntryKind.ConfChange, data: Buffer.from(CHANGE) },
  ],
  commit: 40,
  snapshot: null,
  reject: false,
  rejectHint: 0,
  context: "read",
};
const SNAPSHOT = {
  index: 9,
  term: 2,
  confState: {
    voters: ["1", "2"],
    learners: ["3"],
    votersOutgoing: [],
    learnersNext: [],
    autoLeave: true,
    roster: { clusterId: "c", members: { "1": { peer: "a:1", tag: "t", wantsVote: true } }, removed: ["4"] },
  },
};

const FRAMES: readonly PeerFrame[] = [
  { kind: "raft", group: 0, message: MESSAGE },
  { kind: "raft", group: 1, message: { ...MESSAGE, kind: 7, entries: [], snapshot: SNAPSHOT, reject: true } },
  { kind: "proposal", group: 0, payload: Buffer.from("a batch") },
  {
    kind: "request",
    group: 0,
    call: 5,
    method: "snapshot-read",
    params: { index: 3, name: "state.bin", offset: 0 },
    isBulk: true,
  },
  { kind: "response", group: 0, call: 5, params: {}, error: null, isBulk: true, bytes: Buffer.from("piece") },
  {
    kind: "response",
    group: 0,
    call: 6,
    params: { a: [1, null] },
    error: { code: "no_leader", text: "none" },
    isBulk: false,
    bytes: Buffer.alloc(0),
  },
];

function bytesOf(frame: PeerFrame): Buffer {
  return Buffer.concat(encodeFrame(frame).parts);
}

function seeds(): Buffer[] {
  const link = [WireKind.Ping, WireKind.Pong, WireKind.Hello].map((kind) =>
    encodeLinkFrame(kind, Buffer.from("{}")),
  );
  const whole = [...FRAMES.map(bytesOf), ...link];
  return [...whole, Buffer.concat(whole)].map((bytes, i) => Buffer.concat([Buffer.from([i * 3]), bytes]));
}

function decoded(stream: FrameDecoder, chunk: Buffer, found: unknown[]): void {
  stream.push(chunk);
  for (let frame = stream.next(); frame !== null; frame = stream.next()) {
    const content = decodeFrame(frame);
    if (content !== null) checkAgain(content);
    if (content?.kind === "raft") checkChanges(content.message);
    found.push(content ?? { ...frame });
  }
}

/** What is said of the membership can be read, by whoever applies it. */
function checkChanges({ entries }: PeerMessage): void {
  for (const entry of entries) {
    const change = entry.kind === EntryKind.ConfChange ? changeOf(entry) : null;
    must(change === null || isNodeId(change.id), "a change of a node without an id");
    must(
      change?.member === undefined || change.member === null || typeof change.member.tag === "string",
      "a member without a tag",
    );
  }
}

/** What is encoded again is decoded to the same. */
function checkAgain(frame: PeerFrame): void {
  const stream = new FrameDecoder(BODY_BYTES_MAX);
  stream.push(bytesOf(frame));
  const again = stream.next();
  const content = again === null ? null : decodeFrame(again);
  must(content !== null && said(content) === said(frame), "a frame changes when it is encoded again");
}

/** All frames of some chunks, up to the first that is malformed. */
function read(chunks: readonly Buffer[], bodyBytesMax: number): unknown[] {
  const found: unknown[] = [];
  const stream = new FrameDecoder(bodyBytesMax);
  try {
    for (const chunk of chunks) decoded(stream, chunk, found);
  } catch (error) {
    if (!(error instanceof ClusterError) || error.code !== "peer_frame") throw error;
    found.push(error.code);
  }
  return found;
}

function cut(bytes: Buffer, pieceBytes: number): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes)
    pieces.push(Buffer.from(bytes.subarray(at, at + pieceBytes)));
  return pieces;
}

export const target: Target = {
  name: "peer-frames",
  inputBytesMax: 2_048,
  seeds,
  dictionary: [
    '"changes":[]',
    '"context":"{}"',
    '"context":null',
    '"nodeId":"1"',
    '\\"member\\":null',
    '{"call":1}',
    '"error":null',
    '"__proto__":{}',
    '"params":{}',
    '"method":""',
    "1e400",
    "\\ud800",
  ],
  repair: (input) => {
    for (let at = 1; at + HEADER_BYTES < input.length; ) {
      const room = input.length - at - HEADER_BYTES;
      const length = Math.min(room, input.readUInt32LE(at));
      input.writeUInt32LE(length, at);
      input.writeUInt32LE(crc32(input.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length)), at + 4);
      at += HEADER_BYTES + length;
    }
  },
  run: (input) => {
    const [choice = 0] = input;
    const bytes = input.subarray(1);
    // A decoder keeps views of its chunks.
    const bodyBytesMax = (choice & 1) === 0 ? BODY_BYTES_MAX : HANDSHAKE_BODY_BYTES_MAX;
    const whole = read([Buffer.from(bytes)], bodyBytesMax);
    must(
      isDeepStrictEqual(read(cut(bytes, 1 + (choice >> 1)), bodyBytesMax), whole),
      "cut into other chunks, the bytes are other frames",
    );
  },
};
