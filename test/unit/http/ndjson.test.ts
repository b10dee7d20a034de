/** Lines in, lines out. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { deletedLine, gapLine, splitLines } from "../../../src/edges/http/ndjson.js";

const lines = (body: string, max = 100): string[] | null =>
  splitLines(Buffer.from(body), max)?.map((line) => line.toString()) ?? null;

describe("splitting a body", () => {
  it.each([
    ["", []],
    ["a", ["a"]],
    ["a\n", ["a"]],
    ["a\nb", ["a", "b"]],
    ["a\r\nb\r\n", ["a", "b"]],
    ["\n\na\n\n\nb\n\n", ["a", "b"]],
    ["  \n\t\r\na", ["a"]],
    [" a ", [" a "]],
    ["a\rb\n", ["a\rb"]],
    ["\r\n", []],
    ["\r", []],
  ])("%j", (body, expected) => {
    expect(lines(body)).toEqual(expected);
  });

  it("refuses more lines than allowed, and not blank ones", () => {
    expect(lines("a\n\nb\n\n", 2)).toEqual(["a", "b"]);
    expect(lines("a\nb\nc", 2)).toBeNull();
  });

  it("takes every JSON document apart again", () => {
    fc.assert(
      fc.property(fc.array(fc.json()), fc.constantFrom("\n", "\r\n", "\n\n"), (documents, end) => {
        expect(lines(documents.join(end), documents.length)).toEqual(documents);
      }),
    );
  });

  it("copies nothing", () => {
    const body = Buffer.from("a\nb");
    expect(splitLines(body, 2)?.[1]?.buffer).toBe(body.buffer);
  });
});

it("notices are one line each", () => {
  expect(gapLine("1-0-abcd", "5-0-abcd")).toBe('{"gap":{"after":"1-0-abcd","resumedAt":"5-0-abcd"}}\n');
  expect(deletedLine('a"b')).toBe('{"deleted":{"topic":"a\\"b"}}\n');
});
