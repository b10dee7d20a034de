/**
 * What stands beside message segments: the index of a sealed one, and the list of what retention took away. Damaged or made up, checksums and
 * all: an index is missing, says `store_corrupt` or gives rows within its bounds; a list is refused or is the same when it is written again.
 */
import { crc32 } from "node:zlib";
import { FatalError } from "../../../src/errors.js";
import { SealedIndex } from "../../../src/store/sealed-index.js";
import { GrowingIndex } from "../../../src/store/segment-index.js";
import { encodeSidecar, ROW_BYTES, SIDECAR_HEADER_BYTES } from "../../../src/store/sidecar.js";
import { decodeTrims, encodeTrims } from "../../../src/store/trims.js";
import { CrashingDisk } from "../../unit/store/crashing-disk.js";
import { must, type Target } from "../target.js";

const PATH = "/d/000000000001.idx";
/** Questions to one index: a made-up one may claim more topics than it has room for. */
const TOPICS_ASKED = 8;
const BLOCKS_ASKED = 600;

async function unlessCorrupt<T>(work: () => T | Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof FatalError && error.code === "store_corrupt") return null;
    throw error;
  }
}

async function tryIndex(bytes: Buffer): Promise<void> {
  const disk = new CrashingDisk();
  await disk.open(PATH, "create");
  disk.file(PATH).bytes = bytes;
  const index = await unlessCorrupt(() => SealedIndex.open(disk, PATH));
  if (index === null) return;
  const { header } = index;
  if (header.segmentBytes % 2 === 1) await unlessCorrupt(() => index.preload());
  must(index.fileBytes === bytes.length, "an index of another size than its file");
  must(index.bytes <= bytes.length, "more of an index in memory than on disk");
  await unlessCorrupt(() => index.verify());
  const ids = [...index.topicIds()];
  must(ids.length === index.topicCount, "another number of topics than it says");
  for (const id of [...ids.slice(0, TOPICS_ASKED), 0, 0xffff_ffff]) {
    index.summary(id);
    for (const after of [0, header.basePosition, header.lastPosition - 1]) {
      const blocks = (await unlessCorrupt(() => index.blocks(id, after, BLOCKS_ASKED))) ?? [];
      for (const block of blocks)
        must(block.topicId === id && block.lastPosition > after, "a block that was not asked for");
    }
  }
  for (const position of [0, header.basePosition + 1, header.lastPosition, header.lastPosition + 1]) {
    const group = index.groupAt(position);
    must(group >= 0 && group <= index.groupCount, `group ${group} of ${index.groupCount}`);
    if (group < index.groupCount) index.groupOffset(group);
  }
  await index.close();
}

async function tryTrims(bytes: Buffer): Promise<void> {
  const trims = await unlessCorrupt(() => decodeTrims(bytes, PATH));
  if (trims === null) return;
  const again = decodeTrims(encodeTrims(trims), PATH);
  must(
    Buffer.compare(Buffer.from(again.floors.buffer), Buffer.from(trims.floors.buffer)) === 0,
    "floors change when they are written again",
  );
  must(
    Object.is(again.droppedThrough, trims.droppedThrough),
    "what was dropped changes when it is written again",
  );
  must(again.dropped.size === trims.dropped.size, "dropped segments change when they are written again");
}

/** The check of a row, as sidecar.ts has it. */
function repairRow(bytes: Buffer, at: number): void {
  let check = 0x9e37_79b9;
  for (let i = 0; i < ROW_BYTES; i += 4) {
    if (i !== 28) check = Math.imul(check ^ bytes.readUInt32LE(at + i), 0x0100_0193) ^ (check >>> 15);
  }
  bytes.writeUInt32LE(check >>> 0, at + 28);
}

/** Makes the counts fit the length, and the checks right. */
function repairIndex(bytes: Buffer): void {
  if (bytes.length < SIDECAR_HEADER_BYTES) return;
  bytes.write("JGIX", 0, "latin1");
  bytes.writeUInt32LE(1, 4);
  const topics = bytes.readUInt32LE(12) % 4;
  const groups = bytes.readUInt32LE(16) % 8;
  const table = SIDECAR_HEADER_BYTES + topics * 48 + groups * 8;
  const blocks = Math.floor((bytes.length - table) / ROW_BYTES);
  if (blocks < 0 || table + blocks * ROW_BYTES !== bytes.length) return;
  [topics, groups, blocks].forEach((count, i) => {
    bytes.writeUInt32LE(count, 12 + 4 * i);
  });
  for (let row = 0; row < blocks; row += 1) repairRow(bytes, table + row * ROW_BYTES);
  bytes.writeUInt32LE(crc32(bytes.subarray(12, table)), 8);
}

function repairTrims(bytes: Buffer): void {
  if (bytes.length < 32) return;
  bytes.write("JGTR", 0, "latin1");
  bytes.writeUInt32LE(1, 4);
  bytes.writeUInt32LE(crc32(bytes.subarray(12)), 8);
}

async function indexOf(blocks: number, topics: number): Promise<Buffer> {
  const index = new GrowingIndex();
  for (let i = 0; i < blocks; i += 1) {
    if (i % 3 === 0) {
      const head = { firstPosition: 1 + 2 * i, lastPosition: 6 + 2 * i };
      index.addGroup({ ...head, bytes: 300, blocks: 3 }, 40 + 100 * i);
    }
    const topicId = 1 + (i % topics);
    const place = { offset: 72 + 100 * i, length: 90, messages: 2, bytes: 60 };
    const positions = { firstPosition: 1 + 2 * i, lastPosition: 2 + 2 * i };
    index.addBlock({ topicId, ...place, ...positions, newestTimestampMs: 1e12 + i });
  }
  return encodeSidecar(index, { number: 1, bytes: 4_000, basePosition: 0, lastPosition: 2 * blocks });
}

async function seeds(): Promise<Buffer[]> {
  const indexes = await Promise.all([indexOf(1, 1), indexOf(9, 2), indexOf(30, 3)]);
  const trims = [
    { floors: new Float64Array(0), droppedThrough: 0, dropped: new Set<number>() },
    { floors: Float64Array.of(1, 20, 7, 300), droppedThrough: 3, dropped: new Set([5, 9]) },
  ].map(encodeTrims);
  return [
    ...indexes.map((bytes) => Buffer.concat([Buffer.from([0]), bytes])),
    ...trims.map((bytes) => Buffer.concat([Buffer.from([1]), bytes])),
  ];
}

export const target: Target = {
  name: "store-sidecars",
  inputBytesMax: 2_048,
  seeds,
  dictionary: ["JGIX", "JGTR", Buffer.from([0, 0, 0, 0, 0, 0, 240, 63])],
  repair: (input) => {
    if ((input[0] ?? 0) % 2 === 0) repairIndex(input.subarray(1));
    else repairTrims(input.subarray(1));
  },
  run: (input) =>
    (input[0] ?? 0) % 2 === 0 ? tryIndex(Buffer.from(input.subarray(1))) : tryTrims(input.subarray(1)),
};
