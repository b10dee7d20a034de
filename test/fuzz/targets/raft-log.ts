/**
 * The Raft log's segments. Damage to a real log: it opens with nothing that was not written, or says so in our own codes and changes nothing; one flipped bit
 * loses no more than the last write. A log that somebody made up, checksums, the mark of its end and all: coded errors, or something that
 * can be read and gone on with.
 */
import { crc32 } from "node:zlib";
import { ClusterError } from "../../../cluster/errors.js";
import { END_MARK_NAME } from "../../../cluster/log/end-mark.js";
import { SegmentLog } from "../../../cluster/log/segment-log.js";
import { EMPTY_CONF_STATE, type Entry, EntryKind, type SnapshotMeta } from "../../../cluster/types.js";
import { SimulatedDisk, seededRandom } from "../../support/simulated-disk.js";
import { damaged } from "../damage.js";
import { must, type Target } from "../target.js";

const DIR = "/log";
const SEGMENT_BYTES = 4096;
const FRAME_HEADER_BYTES = 24;
/** Damage is no newer format: every version has its checksum. */
const DAMAGE_CODES: ReadonlySet<string> = new Set(["log_corrupt"]);
const FORGED_CODES: ReadonlySet<string> = new Set([...DAMAGE_CODES, "log_version"]);
/** Of the mark of the log's end: two slots, written in turn. */
const MARK = `${DIR}/${END_MARK_NAME}`;
const SLOT_BYTES = 20;
const SLOT_STEP = 4096;
const MARKS_BYTES = 2 * SLOT_BYTES;

const metaAt = (index: number, term: number): SnapshotMeta => ({
  index,
  term,
  confState: {
    ...EMPTY_CONF_STATE,
    voters: ["1", "2", "3"],
    roster: { clusterId: "c", members: {}, removed: [] },
  },
});

function entry(index: number, term: number, data: string): Entry {
  return {
    index,
    term,
    kind: index % 7 === 0 ? EntryKind.ConfChange : EntryKind.Command,
    data: Buffer.from(data),
  };
}

function logOn(disk: SimulatedDisk): SegmentLog {
  return new SegmentLog({ dir: DIR, group: 0, segmentBytes: SEGMENT_BYTES, durability: "fsync", disk });
}

const textOf = ({ index, term, kind, data }: Entry): string =>
  `${index} ${term} ${kind} ${Buffer.from(data).toString("latin1")}`;

interface Original {
  readonly files: ReadonlyMap<string, Buffer>;
  /** All entries that ever were written, the replaced ones too. */
  readonly written: ReadonlySet<string>;
  /** Below this no single bit can lose anything: where the last write began. */
  readonly firstOfLastWrite: number;
}

/** Several segments, replaced entries, a compaction, markers. */
async function written(): Promise<Original> {
  const disk = new SimulatedDisk(seededRandom(7));
  const log = logOn(disk);
  await log.open();
  const all = new Set<string>();
  let index = 2;
  await log.append({ entries: [], hardState: { term: 1, vote: "1", commit: 1 }, snapshot: metaAt(1, 1) });
  const append = async (count: number, term: number, bytes: number): Promise<void> => {
    const entries = Array.from({ length: count }, (_, nth) =>
      entry(index + nth, term, `${index + nth}.`.repeat(bytes)),
    );
    for (const one of entries) all.add(textOf(one));
    await log.append({ entries, hardState: { term, vote: "1", commit: index - 1 } });
    index += count;
  };
  for (let i = 0; i < 9; i += 1) await append(1 + (i % 3), 1, 60 + 20 * i);
  index -= 1;
  await append(2, 2, 30);
  await log.compact(metaAt(5, 1));
  for (let i = 0; i < 5; i += 1) await append(2, 2, 50);
  const firstOfLastWrite = index;
  await append(2, 3, 9);
  await log.close();
  const files = new Map(disk.paths().map((path) => [path, Buffer.from(disk.content(path))]));
  return { files, written: all, firstOfLastWrite };
}

let original: Promise<Original> | null = null;
const originalOnce = (): Promise<Original> => {
  original ??= written();
  return original;
};

async function diskOf(files: ReadonlyMap<string, Buffer>): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk(seededRandom(3));
  await disk.makeDirectory(DIR);
  for (const [path, bytes] of files) disk.replace(path, bytes);
  return disk;
}

/** `null`: the log said that it is damaged. */
async function opened(disk: SimulatedDisk, codes: ReadonlySet<string>): Promise<SegmentLog | null> {
  const log = logOn(disk);
  try {
    await log.open();
    return log;
  } catch (error) {
    if (error instanceof ClusterError && codes.has(error.code)) return null;
    throw error;
  }
}

function entriesOf(log: SegmentLog): readonly Entry[] {
  const [first, last] = [log.firstIndex(), log.lastIndex()];
  must(
    Number.isSafeInteger(first) && Number.isSafeInteger(last) && first >= 0 && last >= first - 1,
    `a log from ${first} to ${last}`,
  );
  return last < first ? [] : log.entries(first, last + 1, Number.POSITIVE_INFINITY);
}

/** What opened can be written to, and opens again with the same and what was added. */
async function goOn(log: SegmentLog, disk: SimulatedDisk, codes: ReadonlySet<string>): Promise<void> {
  const before = entriesOf(log).map(textOf);
  const index = log.lastIndex() + 1;
  const added = entry(index, log.term(log.lastIndex()), "added");
  if (Number.isSafeInteger(index + 1)) await log.append({ entries: [added] });
  await log.close();
  const again = await opened(disk, codes);
  must(again !== null, "a log that was opened and written to does not open again");
  const after = entriesOf(again).map(textOf);
  await again.close();
  must(
    after.join("\n") === [...before, textOf(added)].join("\n"),
    "a log that was opened and written to holds something else",
  );
}

async function tryDamage(script: Buffer): Promise<void> {
  const { files, written: known, firstOfLastWrite } = await originalOnce();
  const spoilt = damaged(files, script);
  const disk = await diskOf(spoilt.files);
  const log = await opened(disk, DAMAGE_CODES);
  if (log === null) {
    for (const [path, bytes] of spoilt.files)
      must(disk.content(path).equals(bytes), `${path} was changed though it is damaged`);
    return;
  }
  for (const one of entriesOf(log)) must(known.has(textOf(one)), "an entry that was never written");
  if (spoilt.isOneBit) must(log.lastIndex() >= firstOfLastWrite - 1, "one bit lost more than the last write");
  await goOn(log, disk, DAMAGE_CODES);
}

/** Whether an input is damage; else whether the slots of a mark come before its segments. */
const isDamage = (input: Buffer): boolean => ((input[0] ?? 0) & 1) === 0;
const hasMark = (input: Buffer): boolean => ((input[0] ?? 0) & 3) === 3;
const segmentsAt = (input: Buffer): number => 1 + (hasMark(input) ? MARKS_BYTES : 0);

function markOf(slots: Buffer): Buffer {
  const file = Buffer.alloc(2 * SLOT_STEP);
  file.set(slots.subarray(0, SLOT_BYTES), 0);
  file.set(slots.subarray(SLOT_BYTES, MARKS_BYTES), SLOT_STEP);
  return file;
}

/** Segments one after the other, each with its length (u16) in front, zeros behind it. */
async function tryForged(input: Buffer): Promise<void> {
  const files = new Map<string, Buffer>();
  let rest = input.subarray(segmentsAt(input));
  if (hasMark(input)) files.set(MARK, markOf(input.subarray(1)));
  for (let number = 1; rest.length > 2 && number <= 3; number += 1) {
    const end = Math.min(rest.length, 2 + rest.readUInt16LE(0));
    const segment = Buffer.alloc(Math.max(SEGMENT_BYTES, end - 2));
    rest.copy(segment, 0, 2, end);
    files.set(`${DIR}/${String(number).padStart(10, "0")}.seg`, segment);
    rest = rest.subarray(end);
  }
  const disk = await diskOf(files);
  const log = await opened(disk, FORGED_CODES);
  if (log !== null) await goOn(log, disk, FORGED_CODES);
}

/** Makes the checksums of a segment right: its header's, then those of each frame that has its magic number. */
function repairSegment(bytes: Buffer): void {
  if (bytes.length < 80) return;
  const headerBytes = Math.min(bytes.readUInt32LE(12), bytes.length);
  bytes.writeUInt32LE(headerBytes, 12);
  if (headerBytes < 76) return;
  bytes.writeUInt32LE(crc32(bytes.subarray(20, headerBytes), crc32(bytes.subarray(0, 16))), 16);
  const seed = crc32(bytes.subarray(32, 48));
  for (let at = headerBytes; at + FRAME_HEADER_BYTES < bytes.length; ) {
    const length = Math.min(bytes.readUInt32LE(at + 4), bytes.length - at - FRAME_HEADER_BYTES);
    bytes.write("JNGF", at, "latin1");
    bytes.writeUInt32LE(length, at + 4);
    const body = bytes.subarray(at + FRAME_HEADER_BYTES, at + FRAME_HEADER_BYTES + length);
    bytes.writeUInt32LE(crc32(body, seed), at + 16);
    bytes.writeUInt32LE(crc32(bytes.subarray(at, at + 20), seed), at + 20);
    at += FRAME_HEADER_BYTES + length;
  }
}

/** The same of a slot of the mark. */
function repairSlot(slot: Buffer): void {
  if (slot.length < SLOT_BYTES) return;
  slot.write("JNGE", 0, "latin1");
  slot.writeUInt32LE(crc32(slot.subarray(0, 16)), 16);
}

function withoutZeros(bytes: Buffer): Buffer {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end -= 1;
  // A body may end in zeros of its own.
  return bytes.subarray(0, Math.min(bytes.length, end + 8));
}

async function seeds(): Promise<Buffer[]> {
  const { files } = await originalOnce();
  const segments = [...files]
    .filter(([path]) => path.endsWith(".seg"))
    .map(([, bytes]) => withoutZeros(bytes));
  const packed = segments.map((bytes) =>
    Buffer.concat([Buffer.from([bytes.length & 255, bytes.length >> 8]), bytes]),
  );
  const mark = files.get(MARK) ?? Buffer.alloc(2 * SLOT_STEP);
  const slots = [0, SLOT_STEP].map((at) => mark.subarray(at, at + SLOT_BYTES));
  const forged = [...packed, Buffer.concat(packed)].flatMap((bytes) => [
    Buffer.concat([Buffer.from([1]), bytes]),
    Buffer.concat([Buffer.from([3]), ...slots, bytes]),
  ]);
  const scripts = Array.from({ length: 32 }, (_, i) => Buffer.from([0, i, i >> 2, i * 37, i, i * 11, i * 5]));
  return [...forged, ...scripts];
}

export const target: Target = {
  name: "raft-log",
  inputBytesMax: 8_192,
  // Windows, scratch buffers and spare segments are of the log's own size.
  allocationMax: () => 4 * 1024 * 1024,
  seeds,
  dictionary: [
    "JNGF",
    "JNGLOG\r\n",
    "JNGE",
    '"commit":1',
    '"snapshot":null',
    Buffer.from([0, 0, 0, 0, 0, 0, 240, 63]),
  ],
  repair: (input) => {
    if (isDamage(input)) return;
    if (hasMark(input)) for (const at of [1, 1 + SLOT_BYTES]) repairSlot(input.subarray(at, at + SLOT_BYTES));
    for (let at = segmentsAt(input); at + 2 < input.length; ) {
      const end = Math.min(input.length, at + 2 + input.readUInt16LE(at));
      repairSegment(input.subarray(at + 2, end));
      at = end;
    }
  },
  run: (input) => (isDamage(input) ? tryDamage(input.subarray(1)) : tryForged(input)),
};
