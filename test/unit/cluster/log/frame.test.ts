/** Frames and what they hold: what goes in comes out, and nothing that was touched or belongs elsewhere passes. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bodyChecks,
  FRAME_HEADER_BYTES,
  FrameEncoder,
  readFrameHeader,
} from "../../../../cluster/log/frame.js";
import {
  type LogRecord,
  measureRecord,
  type RecordView,
  readRecord,
} from "../../../../cluster/log/record.js";
import { decodeHeader, encodeHeader, type SegmentHeader } from "../../../../cluster/log/segment-header.js";
import type { Entry } from "../../../../cluster/types.js";
import { marker, plain } from "../../../contracts/log-store.contract.js";

const encoder = new FrameEncoder();

function encoded(record: LogRecord, sequence = 1, seed = 7): Buffer {
  return Buffer.concat(encoder.encode(measureRecord(record), sequence, seed));
}

function decoded(frame: Buffer, seed = 7): { sequence: number; record: RecordView } | null {
  const header = readFrameHeader(frame, 0, seed);
  if (header === null) return null;
  const body = frame.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + header.bodyBytes);
  if (!bodyChecks(body, header, seed)) return null;
  const record = readRecord(body);
  return record === null ? null : { sequence: header.sequence, record };
}

const index = fc.nat({ max: Number.MAX_SAFE_INTEGER - 1000 });
const payload = fc.oneof(
  { weight: 8, arbitrary: fc.uint8Array({ maxLength: 300 }) },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 65_530, max: 65_540 }).map((bytes) => new Uint8Array(bytes).fill(3)),
  },
);
const recordArbitrary: fc.Arbitrary<LogRecord> = fc
  .record(
    {
      first: index,
      contents: fc.array(
        fc.record({ term: index, kind: fc.constantFrom(0 as const, 1 as const), data: payload }),
        {
          maxLength: 8,
        },
      ),
      hardState: fc.record({ term: index, vote: fc.nat().map(String), commit: index }),
      marker: fc.record({ index, term: index }).map((at) => marker(at.index, at.term)),
      installs: fc.boolean(),
    },
    { requiredKeys: ["first", "contents"] },
  )
  .map(({ first, contents, ...rest }) => ({
    ...rest,
    entries: contents.map((each, nth): Entry => ({ ...each, index: first + nth })),
  }));

describe("a frame", () => {
  it("gives back what it was made of", () => {
    fc.assert(
      fc.property(recordArbitrary, index, fc.nat(0xffffffff), (record, sequence, seed) => {
        const frame = encoded(record, sequence, seed);
        expect(frame.byteLength % 8).toBe(0);
        expect(frame.byteLength).toBe(FRAME_HEADER_BYTES + measureRecord(record).bodyBytes);
        const read = decoded(frame, seed)!;
        expect(read.sequence).toBe(sequence);
        const { count } = read.record;
        expect(plain(read.record.entries(0, count))).toEqual(plain(record.entries));
        expect(record.entries.map((_, nth) => read.record.term(nth))).toEqual(
          record.entries.map(({ term }) => term),
        );
        expect(read.record.hardState).toEqual(record.hardState ?? null);
        expect(read.record.marker).toEqual(record.marker ?? null);
        expect(read.record.installs).toBe(record.marker !== undefined && record.installs === true);
      }),
    );
  });

  it("gives any of its entries", () => {
    const entries = [3, 0, 70_000, 5].map((bytes, nth) => ({
      index: 10 + nth,
      term: 1,
      kind: 0 as const,
      data: Buffer.alloc(bytes, nth),
    }));
    const { record } = decoded(encoded({ entries }))!;
    expect(plain(record.entries(1, 3))).toEqual(plain(entries.slice(1, 3)));
    expect(plain(record.entries(3, 4))).toEqual(plain(entries.slice(3)));
  });

  it("does not pass with any bit flipped", () => {
    const frame = encoded({
      entries: [{ index: 5, term: 2, kind: 0, data: Buffer.from("a payload") }],
      hardState: { term: 2, vote: "1", commit: 4 },
    });
    for (let bit = 0; bit < frame.byteLength * 8; bit += 1) {
      const hurt = Buffer.from(frame);
      hurt[bit >> 3]! ^= 1 << (bit & 7);
      expect(decoded(hurt), `bit ${bit}`).toBeNull();
    }
  });

  it("does not pass when it is cut short, or belongs to another segment", () => {
    const frame = encoded({ entries: [{ index: 5, term: 2, kind: 0, data: Buffer.from("a payload") }] });
    for (let bytes = 0; bytes < frame.byteLength; bytes += 1)
      expect(decoded(frame.subarray(0, bytes))).toBeNull();
    expect(decoded(frame, 8)).toBeNull();
  });
});

describe("a body", () => {
  it("is not read when its parts do not fill it, whatever its checksum says", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const record = readRecord(Buffer.from(bytes));
        if (record !== null) expect(record.entries(0, record.count)).toHaveLength(record.count);
      }),
      { numRuns: 2000 },
    );
    const whole = encoded({ entries: [{ index: 1, term: 1, kind: 0, data: Buffer.alloc(40) }] });
    const body = whole.subarray(FRAME_HEADER_BYTES);
    expect(readRecord(body)?.count).toBe(1);
    expect(readRecord(body.subarray(0, body.byteLength - 8))).toBeNull();
    expect(readRecord(Buffer.concat([body, Buffer.alloc(8)]))).toBeNull();
    const unknown = Buffer.from(body);
    unknown.writeUInt32LE(8, 0);
    expect(readRecord(unknown)).toBeNull();
  });
});

describe("a segment's header", () => {
  const header: SegmentHeader = {
    group: 3,
    number: 2 ** 40,
    salt: [0xffffffff, 1],
    capacity: 4096,
    recycled: true,
    firstSequence: 77,
    lastIndex: 2 ** 45,
    hardState: { term: 8, vote: "12", commit: 5 },
    snapshot: marker(4, 2),
  };
  const read = (bytes: Buffer): ReturnType<typeof decodeHeader> =>
    decodeHeader("a.seg", (length) => bytes.subarray(0, length));

  it("gives back what it was made of", () => {
    expect(read(encodeHeader(header))).toMatchObject({ ...header, salt: [...header.salt] });
    expect(read(encodeHeader({ ...header, snapshot: null, recycled: false }))).toMatchObject({
      snapshot: null,
      recycled: false,
    });
  });

  it("grows with the membership", () => {
    const voters = Array.from({ length: 500 }, (_, nth) => String(nth + 1));
    const snapshot = { index: 1, term: 1, confState: { ...marker(1, 1).confState, voters } };
    const bytes = encodeHeader({ ...header, snapshot });
    expect(bytes.byteLength % 512).toBe(0);
    expect(read(bytes).snapshot).toEqual(snapshot);
  });

  it("is refused with any bit flipped", () => {
    const bytes = encodeHeader(header);
    for (let bit = 0; bit < bytes.byteLength * 8; bit += 1) {
      const hurt = Buffer.from(bytes);
      hurt[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => read(hurt), `bit ${bit}`).toThrow(expect.objectContaining({ code: "log_corrupt" }));
    }
  });

  it("seeds the checksums of its frames by its number and its salt", () => {
    const others: Partial<SegmentHeader>[] = [
      {},
      { number: 5 },
      { salt: [0xfffffffe, 1] },
      { salt: [0xffffffff, 0] },
    ];
    const seeds = others.map((other) => read(encodeHeader({ ...header, ...other })).seed);
    expect(new Set(seeds).size).toBe(4);
  });
});
