/**
 * Message segments, their indexes and lists of trims. Damage to real ones: everything that was there is read as it was written, or `store_corrupt` says where
 * not; nothing is missing without a word. A segment that somebody made up, checksums and all: coded errors, or messages that can be read.
 */
import { crc32 } from "node:zlib";
import { FatalError } from "../../../src/errors.js";
import type { StoredMessage } from "../../../src/state-machine/effects.js";
import type { MessageStore, StoreMark } from "../../../src/store/message-store.js";
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES } from "../../../src/store/segment-format.js";
import { SegmentStore } from "../../../src/store/segment-store.js";
import {
  EMPTY_MARK,
  FOREVER,
  policy,
  readAll,
  Stream,
  show,
  topicOf,
} from "../../contracts/message-store.stream.js";
import { CrashingDisk } from "../../unit/store/crashing-disk.js";
import { damaged } from "../damage.js";
import { must, type Target } from "../target.js";

const DIR = "/d";
const SEGMENT = `${DIR}/messages/000000000001.seg`;
const GROUP_HEADER_BYTES = 32;
const BLOCK_HEADER_BYTES = 56;
/** Damage is no newer format: every version has its checksum. */
const CODES: ReadonlySet<string> = new Set(["store_corrupt"]);
/** Only what has a checksum that somebody made can break a rule of the format itself. */
const FORGED_CODES: ReadonlySet<string> = new Set([...CODES, "store_version", "invariant"]);

function storeOn(disk: CrashingDisk): SegmentStore {
  return new SegmentStore({ dir: DIR, disk, segmentBytes: 900, recentBytesMax: 0 });
}

interface Original {
  readonly files: ReadonlyMap<string, Buffer>;
  readonly mark: StoreMark;
  /** As text, by position. */
  readonly written: ReadonlyMap<number, string>;
  /** Positions that can be read, in order. */
  readonly readable: readonly number[];
}

/** Several sealed segments with their indexes, one that is written, a list of trims. */
async function written(): Promise<Original> {
  const disk = new CrashingDisk();
  const store = storeOn(disk);
  await store.open(EMPTY_MARK, topicOf);
  const stream = new Stream();
  let mark = EMPTY_MARK;
  for (let i = 0; i < 16; i += 1) {
    store.append([
      ...stream.batch(1, 2, 1 + (i % 5)),
      stream.message(3, {
        contentType: "text/plain",
        publisher: i,
        properties: Buffer.from([0x26, 0, 1, 97, 0, 0]),
        expiresAtMs: 1e12 + i,
      }),
    ]);
    mark = await store.sync();
  }
  await store.retain(
    policy({ nowMs: stream.timeMs, topic: (id) => (id === 2 ? { ageMs: 1e12, bytes: 60 } : FOREVER) }),
  );
  mark = await store.sync();
  const { messages } = await readAll(store);
  await store.close();
  return {
    files: filesOf(disk),
    mark,
    written: new Map(stream.all.map((message) => [message.position, show(message)])),
    readable: messages.map(({ position }) => position),
  };
}

function filesOf(disk: CrashingDisk): Map<string, Buffer> {
  return new Map(disk.paths().map((path) => [path, Buffer.from(disk.file(path).bytes)]));
}

let original: Promise<Original> | null = null;
const originalOnce = (): Promise<Original> => {
  original ??= written();
  return original;
};

async function diskOf(files: ReadonlyMap<string, Buffer>): Promise<CrashingDisk> {
  const disk = new CrashingDisk();
  for (const [path, bytes] of files) {
    await disk.open(path, "create");
    disk.file(path).bytes = Buffer.from(bytes);
  }
  return disk;
}

/** What `work` gives; `null` when it says that something is damaged. */
async function unlessDamaged<T>(codes: ReadonlySet<string>, work: () => Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof FatalError && codes.has(error.code)) return null;
    throw error;
  }
}

async function opened(
  disk: CrashingDisk,
  mark: StoreMark,
  codes: ReadonlySet<string>,
): Promise<MessageStore | null> {
  const store = storeOn(disk);
  return unlessDamaged(codes, async () => {
    await store.open(mark, topicOf);
    return store;
  });
}

async function tryDamage(script: Buffer): Promise<void> {
  const { files, mark, written: known, readable } = await originalOnce();
  const spoilt = damaged(files, script);
  const store = await opened(await diskOf(spoilt.files), mark, CODES);
  if (store === null) return;
  const read = await unlessDamaged(CODES, () => readAll(store));
  const found = read?.messages ?? [];
  for (const message of found)
    must(
      known.get(message.position) === show(message),
      `message ${message.position} is not what was written`,
    );
  if (read !== null) {
    const positions = new Set(found.map(({ position }) => position));
    for (const position of readable)
      must(positions.has(position), `message ${position} is missing without a word`);
  }
  for (const id of [1, 3, 5])
    await unlessDamaged(CODES, () => readAll(store, { topics: { ids: [id] }, after: 7 }));
  await store.close();
}

/** One group after the other as the header of each says; the last position that any of them reaches. */
function lastPositionOf(segment: Buffer): number {
  let last = 0;
  for (let at = SEGMENT_HEADER_BYTES; at + GROUP_HEADER_BYTES <= segment.length; ) {
    last = segment.readDoubleLE(at + 16) + segment.readUInt32LE(at + 24) - 1;
    at += Math.max(GROUP_HEADER_BYTES, segment.readUInt32LE(at));
  }
  return last;
}

async function tryForged(groups: Buffer): Promise<void> {
  const segment = Buffer.concat([encodeSegmentHeader({ number: 1, basePosition: 0 }), groups]);
  const mark = { segment: 1, bytes: segment.length, position: lastPositionOf(segment) };
  const store = await opened(await diskOf(new Map([[SEGMENT, segment]])), mark, FORGED_CODES);
  if (store === null) return;
  must(Number.isSafeInteger(store.lastPosition), `a store that ends at ${store.lastPosition}`);
  const read = await unlessDamaged(FORGED_CODES, () => readAll(store));
  for (const message of read?.messages ?? []) checkMessage(message, store.lastPosition);
  await store.close();
}

function checkMessage({ position, offset, timestampMs, payload }: StoredMessage, last: number): void {
  must(
    Number.isSafeInteger(position) && position > 0 && position <= last,
    `a message at position ${position} of ${last}`,
  );
  must(
    Number.isSafeInteger(offset) && Number.isSafeInteger(timestampMs),
    `offset ${offset} at ${timestampMs}`,
  );
  must(payload.byteLength <= 8_192, "a payload that is longer than its segment");
}

/** Makes the lengths and checksums of groups and their blocks right. */
function repairGroups(bytes: Buffer): void {
  for (let at = 0; at + GROUP_HEADER_BYTES + BLOCK_HEADER_BYTES <= bytes.length; ) {
    const groupBytes = Math.min(
      bytes.length - at,
      Math.max(GROUP_HEADER_BYTES + BLOCK_HEADER_BYTES, bytes.readUInt32LE(at + 4)),
    );
    bytes.writeUInt32LE(0x5052_474a, at);
    bytes.writeUInt32LE(groupBytes, at + 4);
    let block = at + GROUP_HEADER_BYTES;
    const end = at + groupBytes;
    let blocks = 0;
    while (block + BLOCK_HEADER_BYTES <= end) {
      const asked = bytes.readUInt32LE(block);
      const length =
        asked < BLOCK_HEADER_BYTES || end - block - asked < BLOCK_HEADER_BYTES ? end - block : asked;
      bytes.writeUInt32LE(length, block);
      bytes.writeUInt32LE(crc32(bytes.subarray(block + 8, block + length)), block + 4);
      block += length;
      blocks += 1;
    }
    bytes.writeUInt32LE(blocks, at + 12);
    bytes.writeUInt32LE(
      crc32(bytes.subarray(at + 12, at + GROUP_HEADER_BYTES), bytes.readUInt32LE(at + 4)),
      at + 8,
    );
    at += groupBytes;
  }
}

async function seeds(): Promise<Buffer[]> {
  const { files } = await originalOnce();
  const segments = [...files]
    .filter(([path]) => path.endsWith(".seg"))
    .map(([, bytes]) => bytes.subarray(SEGMENT_HEADER_BYTES));
  const forged = segments.slice(0, 3).map((bytes) => Buffer.concat([Buffer.from([1]), bytes]));
  const scripts = Array.from({ length: 40 }, (_, i) => Buffer.from([0, i, i >> 2, i * 29, 0, i * 11, i * 5]));
  return [...forged, ...scripts];
}

export const target: Target = {
  name: "message-segments",
  inputBytesMax: 2_048,
  // A segment is read whole, up to 4 MiB at a time.
  allocationMax: (inputBytes) => 64 * 1024 + 16 * inputBytes + 4 * 1024 * 1024,
  seeds,
  dictionary: ["JGRP", "text/plain", Buffer.from([0x7f, 0xff]), Buffer.from([0, 0, 0, 0, 0, 0, 240, 63])],
  repair: (input) => {
    if ((input[0] ?? 0) % 2 === 1) repairGroups(input.subarray(1));
  },
  run: (input) => ((input[0] ?? 0) % 2 === 0 ? tryDamage(input.subarray(1)) : tryForged(input.subarray(1))),
};
