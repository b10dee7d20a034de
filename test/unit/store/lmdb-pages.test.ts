/** Which pages of an LMDB file have a use, and what its lists of free pages may say. */
import { describe, expect, it } from "vitest";
import { LmdbPages } from "../../../src/store/lmdb-pages.js";

function listOf(...entries: readonly number[]): Buffer {
  const list = Buffer.alloc(entries.length * 8);
  for (const [place, entry] of entries.entries()) list.writeBigInt64LE(BigInt(entry), place * 8);
  return list;
}

describe("a page", () => {
  it.each<[string, number, number, boolean]>([
    ["the first of a tree", 2, 1, true],
    ["the last", 9, 1, true],
    ["several", 5, 5, true],
    ["of the first two", 1, 1, false],
    ["beyond the last", 10, 1, false],
    ["and some beyond the last", 8, 3, false],
    ["none", 5, 0, false],
    ["that is no number", Number.NaN, 1, false],
    ["too large a number to be one", 2 ** 60, 1, false],
  ])("is taken: %s", (_what, first, count, expected) => {
    expect(new LmdbPages(9).take(first, count)).toBe(expected);
  });

  it("has one use", () => {
    const pages = new LmdbPages(9);
    expect([pages.take(4, 3), pages.take(7, 1), pages.take(3, 2), pages.take(5, 1)]).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
});

describe("a list of free pages", () => {
  it.each<[string, Buffer, boolean]>([
    ["nothing", listOf(0), true],
    ["pages", listOf(3, 8, 2, 9), true],
    ["places that are empty", listOf(4, 0, 8, 0, 0), true],
    ["several in a row", listOf(3, -3, 6, 2), true],
    ["less than there is room for", listOf(1, 8, 4, 4), true],
    ["one that is in use", listOf(1, 4), false],
    ["several, of which one is in use", listOf(2, -3, 3), false],
    ["one twice", listOf(2, 8, 8), false],
    ["one beyond the file", listOf(1, 10), false],
    ["one of the first two", listOf(1, 1), false],
    ["more than there is room for", listOf(3, 8, 9), false],
    ["fewer than none", listOf(-1, 8), false],
    ["a count without a page", listOf(2, 8, -2), false],
    ["no length at all", Buffer.alloc(0), false],
    ["half an entry", Buffer.alloc(12), false],
  ])("names %s", (_what, list, expected) => {
    const pages = new LmdbPages(9);
    pages.take(4, 1);
    expect(pages.takeFree(list)).toBe(expected);
  });
});
