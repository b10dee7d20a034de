/** The list of what retention took away, as bytes. */
import { crc32 } from "node:zlib";
import { expect, test } from "vitest";
import { decodeTrims, encodeTrims, type Trims } from "../../../src/store/trims.js";

const PATH = "messages/trims";
const TRIMS: Trims = {
  floors: Float64Array.of(1, 20, 7, 300),
  droppedThrough: 3,
  dropped: new Set([5, 9]),
};

/** The same with another number at `at`, and a checksum that fits. */
function with32(at: number, value: number): Buffer {
  const bytes = encodeTrims(TRIMS);
  bytes.writeUInt32LE(value, at);
  bytes.writeUInt32LE(crc32(bytes.subarray(12)), 8);
  return bytes;
}

test("what is written is read", () => {
  expect(decodeTrims(encodeTrims(TRIMS), PATH)).toEqual(TRIMS);
});

test.each([
  ["nothing", Buffer.alloc(0)],
  ["something else", Buffer.alloc(64, 7)],
  ["one bit is another", Buffer.from(encodeTrims(TRIMS).map((byte, at) => (at === 40 ? byte ^ 1 : byte)))],
  ["its end is missing", encodeTrims(TRIMS).subarray(0, -8)],
  ["more topics than there is room for, checksum and all", with32(12, 0xffff_ffff)],
  ["fewer topics than there are", with32(12, 1)],
  ["more dropped segments than there are", with32(16, 0x7fff_ffff)],
])("%s: store_corrupt", (_what, bytes) => {
  expect(() => decodeTrims(bytes, PATH)).toThrow(expect.objectContaining({ code: "store_corrupt" }));
});
