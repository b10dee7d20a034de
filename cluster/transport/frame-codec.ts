/**
 * Frames between peers as bytes. Pure. On the wire, little-endian:
 *
 *     u32 length of the body, u32 CRC-32 of the body, then the body: kind u8, group u16, and per kind
 *       raft:               the message (message-codec.ts)
 *       proposal:           the payload
 *       request, response:  u32 length + JSON of the small facts, then the bytes of a response
 *       handshake:          JSON (handshake.ts)
 *       ping, pong:         nothing
 *
 * Which version of the format both sides speak is agreed in the handshake; a kind that it does not have ends the connection. What is
 * large is never copied on the way out (a frame is a list of parts) and at most once on the way in: a frame that came in one chunk is
 * a view of it.
 */
import { crc32 } from "node:zlib";
import { ClusterError } from "../errors.js";
import type { GroupId } from "../types.js";
import { decodeMessage, encodeMessageParts } from "./message-codec.js";
import type { CallParams, PeerFrame, RequestFrame, ResponseFrame } from "./transport.js";

/** Newest version of the peer protocol that this release speaks, and the oldest. Covers frames and handshake. */
export const PROTOCOL_VERSION = 1;
export const PROTOCOL_VERSION_OLDEST = 1;

/** Ceiling on a body from a proven peer. The largest legitimate one is an append of some 16 MiB, so this is generous. */
export const BODY_BYTES_MAX = 64 * 1024 * 1024;

/** Ceiling before the other side has proved who it is: a hello with the longest of everything is half of it. */
export const HANDSHAKE_BODY_BYTES_MAX = 4 * 1024;

/** Kinds of bodies. A number is never used again for something else. */
export const WireKind = {
  Raft: 1,
  Proposal: 2,
  Request: 3,
  Response: 4,
  Ping: 8,
  Pong: 9,
  Hello: 16,
  Challenge: 17,
  Proof: 18,
  Verdict: 19,
} as const;
export type WireKind = (typeof WireKind)[keyof typeof WireKind];

const WIRE_KINDS: ReadonlySet<number> = new Set(Object.values(WireKind));

const FRAME_HEADER_BYTES = 8;
const BODY_HEADER_BYTES = 3;
const HEADERS_BYTES = FRAME_HEADER_BYTES + BODY_HEADER_BYTES;
const METHOD_LENGTH_MAX = 128;
/** Room for a body that comes in several chunks, to begin with. */
const BODY_BEGIN_BYTES = 256 * 1024;

/** A frame on its way out: parts to be written one after the other. */
export interface EncodedFrame {
  readonly parts: readonly Uint8Array[];
  readonly byteLength: number;
}

/** A frame on its way in: checked, its content not looked at yet. */
export interface WireFrame {
  readonly kind: WireKind;
  readonly group: GroupId;
  /** A view that nobody writes to any more. */
  readonly content: Buffer;
}

/** Encodes a frame for a peer. Large payloads are among the parts by reference: they must not change until they are sent. */
export function encodeFrame(frame: PeerFrame): EncodedFrame {
  switch (frame.kind) {
    case "raft":
      return seal(WireKind.Raft, frame.group, ...encodeMessageParts(frame.message, HEADERS_BYTES));
    case "proposal":
      return seal(WireKind.Proposal, frame.group, Buffer.allocUnsafe(HEADERS_BYTES), frame.payload);
    case "request": {
      const { call, method, params, isBulk } = frame;
      return seal(WireKind.Request, frame.group, factsPart({ call, method, params, isBulk }));
    }
    case "response": {
      const { call, params, error, isBulk } = frame;
      return seal(WireKind.Response, frame.group, factsPart({ call, params, error, isBulk }), frame.bytes);
    }
  }
}

/** Encodes a frame of the link itself: a step of the handshake, a ping or a pong. */
export function encodeLinkFrame(kind: WireKind, content: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(HEADERS_BYTES + content.byteLength);
  bytes.set(content, HEADERS_BYTES);
  seal(kind, 0, bytes);
  return bytes;
}

/** Decodes what a peer sent for this node; `null` for a frame of the link itself. Throws `peer_frame`. */
export function decodeFrame({ kind, group, content }: WireFrame): PeerFrame | null {
  switch (kind) {
    case WireKind.Raft:
      return { kind: "raft", group, message: decodeMessage(content) };
    case WireKind.Proposal:
      return { kind: "proposal", group, payload: content };
    case WireKind.Request:
      return decodeRequest(group, content);
    case WireKind.Response:
      return decodeResponse(group, content);
    default:
      return null;
  }
}

/** The error for bytes that no peer of this release sends. */
export function malformedFrame(what: string): ClusterError {
  return new ClusterError(
    "peer_frame",
    `a peer's frame is malformed (${what}): is something else speaking to the peer port?`,
  );
}

/** Writes both headers into the room at the beginning of the first part. */
function seal(kind: WireKind, group: GroupId, first: Buffer, ...rest: readonly Uint8Array[]): EncodedFrame {
  first.writeUInt8(kind, FRAME_HEADER_BYTES);
  first.writeUInt16LE(group, FRAME_HEADER_BYTES + 1);
  let crc = crc32(first.subarray(FRAME_HEADER_BYTES));
  let byteLength = first.byteLength;
  for (const part of rest) {
    if (part.byteLength > 0) crc = crc32(part, crc);
    byteLength += part.byteLength;
  }
  first.writeUInt32LE(byteLength - FRAME_HEADER_BYTES, 0);
  first.writeUInt32LE(crc, 4);
  return { parts: [first, ...rest], byteLength };
}

function factsPart(facts: CallParams): Buffer {
  const json = Buffer.from(JSON.stringify(facts), "utf8");
  const part = Buffer.allocUnsafe(HEADERS_BYTES + 4 + json.byteLength);
  part.writeUInt32LE(json.byteLength, HEADERS_BYTES);
  part.set(json, HEADERS_BYTES + 4);
  return part;
}

function decodeRequest(group: GroupId, content: Buffer): RequestFrame {
  const { facts, bytes } = readFacts(content);
  const { call, method, params, isBulk } = facts;
  if (bytes.byteLength > 0) throw malformedFrame("bytes left over");
  if (typeof method !== "string" || method.length > METHOD_LENGTH_MAX) throw malformedFrame("method");
  return {
    kind: "request",
    group,
    call: toCall(call),
    method,
    params: toParams(params),
    isBulk: isBulk === true,
  };
}

function decodeResponse(group: GroupId, content: Buffer): ResponseFrame {
  const { facts, bytes } = readFacts(content);
  const { call, params, error, isBulk } = facts;
  const head = { group, call: toCall(call), params: toParams(params), isBulk: isBulk === true };
  return { kind: "response", ...head, error: toFailure(error), bytes };
}

function readFacts(content: Buffer): { facts: CallParams; bytes: Buffer } {
  const end = content.byteLength < 4 ? Number.POSITIVE_INFINITY : 4 + content.readUInt32LE(0);
  if (end > content.byteLength) throw malformedFrame("it ends too early");
  return { facts: parseFacts(content.toString("utf8", 4, end)), bytes: content.subarray(end) };
}

/** Parses the JSON object of a frame. Throws `peer_frame`. */
export function parseFacts(text: string): CallParams {
  try {
    return toParams(JSON.parse(text));
  } catch {
    throw malformedFrame("its facts are no JSON object");
  }
}

function toParams(value: unknown): CallParams {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw malformedFrame("facts");
  return { ...value };
}

function toCall(value: unknown): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw malformedFrame("call number");
}

function toFailure(value: unknown): ResponseFrame["error"] {
  if (value === null) return null;
  const { code, text } = toParams(value);
  if (typeof code === "string" && typeof text === "string") return { code, text };
  throw malformedFrame("error of a response");
}

/**
 * Cuts a stream of chunks into frames: `push` a chunk, then take `next` until it gives `null`. Chunks become the decoder's. After it
 * threw `peer_frame` nothing more can be had from the stream.
 */
export class FrameDecoder {
  #bodyBytesMax: number;
  #chunk: Buffer = Buffer.alloc(0);
  #at = 0;
  readonly #header = Buffer.alloc(FRAME_HEADER_BYTES);
  #headerBytes = 0;
  /** A body that came in several chunks, as far as it is there. */
  #body: Buffer | null = null;
  #bodyBytes = 0;

  constructor(bodyBytesMax: number) {
    this.#bodyBytesMax = bodyBytesMax;
  }

  /** From the next frame on, bodies may be this large. */
  allow(bodyBytesMax: number): void {
    this.#bodyBytesMax = bodyBytesMax;
  }

  push(chunk: Uint8Array): void {
    if (this.#at < this.#chunk.byteLength) throw new RangeError("the chunk before was not taken to its end");
    this.#chunk = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    this.#at = 0;
  }

  next(): WireFrame | null {
    if (!this.#readHeader()) return null;
    const body = this.#readBody(this.#header.readUInt32LE(0));
    if (body === null) return null;
    this.#headerBytes = 0;
    if (crc32(body) !== this.#header.readUInt32LE(4)) throw malformedFrame("checksum");
    const kind = body.readUInt8(0);
    if (!isWireKind(kind)) throw malformedFrame(`kind ${kind}`);
    return { kind, group: body.readUInt16LE(1), content: body.subarray(BODY_HEADER_BYTES) };
  }

  /** Whether the header is whole; the length is judged as soon as it is. */
  #readHeader(): boolean {
    if (this.#headerBytes === FRAME_HEADER_BYTES) return true;
    const copied = this.#chunk.copy(
      this.#header,
      this.#headerBytes,
      this.#at,
      this.#at + FRAME_HEADER_BYTES - this.#headerBytes,
    );
    this.#at += copied;
    this.#headerBytes += copied;
    if (this.#headerBytes < FRAME_HEADER_BYTES) return false;
    const length = this.#header.readUInt32LE(0);
    if (length < BODY_HEADER_BYTES || length > this.#bodyBytesMax) throw malformedFrame(`length ${length}`);
    return true;
  }

  /** The body when it is whole: a view of the chunk if it is all there, else a buffer of its own. */
  #readBody(length: number): Buffer | null {
    const from = this.#at;
    const here = Math.min(length - this.#bodyBytes, this.#chunk.byteLength - from);
    this.#at += here;
    if (here === length) return this.#chunk.subarray(from, from + length);
    if (here === 0) return null;
    const body = this.#roomFor(this.#bodyBytes + here, length);
    this.#chunk.copy(body, this.#bodyBytes, from, from + here);
    this.#bodyBytes += here;
    if (this.#bodyBytes < length) return null;
    this.#body = null;
    this.#bodyBytes = 0;
    return body;
  }

  /** The buffer of a body of `length` bytes with room for `needed`: it grows with what has come, not with what was promised. */
  #roomFor(needed: number, length: number): Buffer {
    const body = this.#body;
    if (body !== null && body.byteLength >= needed) return body;
    const roomy = Math.max(needed, BODY_BEGIN_BYTES, 2 * (body?.byteLength ?? 0));
    // Of its own, not of the pool: it is large, and a receiver may keep views of it for long.
    const larger = Buffer.allocUnsafeSlow(Math.min(length, roomy));
    body?.copy(larger, 0, 0, this.#bodyBytes);
    this.#body = larger;
    return larger;
  }
}

function isWireKind(kind: number): kind is WireKind {
  return WIRE_KINDS.has(kind);
}
