/** Lines into batches: cut by count, by bytes, when the input pauses, and at its end. */
import { PassThrough } from "node:stream";
import { describe, expect, it, test } from "vitest";
import { ClientFailure } from "../../src/cli/failure.js";
import { lineBatches, readAll } from "../../src/cli/stdin.js";

async function* chunks(...parts: string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part);
}

async function batchesOf(parts: string[], linesMax: number, bytesMax = 1_000): Promise<string[]> {
  const batches: string[] = [];
  for await (const { body, lines } of lineBatches(chunks(...parts), {
    linesMax,
    bytesMax,
    lineBytesMax: 8,
    idleMs: null,
  })) {
    expect(lines).toBe(Buffer.from(body).toString().split("\n").length - 1);
    batches.push(Buffer.from(body).toString());
  }
  return batches;
}

describe("lineBatches", () => {
  test.each<[string, string[], number, number, string[]]>([
    ["nothing", [], 10, 100, []],
    ["one line", ["a\n"], 10, 100, ["a\n"]],
    ["a last line without its end", ["a\nb"], 10, 100, ["a\nb\n"]],
    ["a line in pieces", ["a", "b", "c\nd", "\n"], 10, 100, ["abc\nd\n"]],
    ["empty lines", ["\n\r\n \na\n\n"], 10, 100, ["a\n"]],
    ["cut by count", ["a\nb\nc\n"], 2, 100, ["a\nb\n", "c\n"]],
    ["cut by bytes", ["aaa\nbbb\nc\n"], 10, 8, ["aaa\nbbb\n", "c\n"]],
    ["a long line alone", ["a\nbbbbbb\nc\n"], 10, 4, ["a\n", "bbbbbb\n", "c\n"]],
    ["bytes that are not UTF-8 stay", ["\u00ff\n"], 10, 100, ["\u00ff\n"]],
  ])("%s", async (_what, parts, linesMax, bytesMax, expected) => {
    expect(await batchesOf(parts, linesMax, bytesMax)).toEqual(expected);
  });

  it("refuses a line above the limit", async () => {
    await expect(batchesOf(["aaaa", "bbbb", "\n"], 10)).rejects.toBeInstanceOf(ClientFailure);
  });

  it("gives what it has when the input pauses", async () => {
    const input = new PassThrough();
    const batches = lineBatches(input, { linesMax: 10, bytesMax: 100, lineBytesMax: 100, idleMs: 1 });
    input.write("a\nb\nc");
    expect((await batches.next()).value).toMatchObject({ lines: 2 });
    input.end("d\n");
    expect((await batches.next()).value).toEqual({ body: Buffer.from("cd\n"), lines: 1 });
    expect(await batches.next()).toMatchObject({ done: true });
  });

  it("passes a failure of the input on", async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield Buffer.from("a\n");
      throw new Error("torn");
    }
    const batches = lineBatches(failing(), { linesMax: 1, bytesMax: 100, lineBytesMax: 100, idleMs: 1 });
    expect((await batches.next()).value).toMatchObject({ lines: 1 });
    await expect(batches.next()).rejects.toThrow("torn");
  });
});

describe("readAll", () => {
  it("joins the chunks", async () => {
    expect(Buffer.from(await readAll(chunks("a", "b"), 2)).toString()).toBe("ab");
  });

  it("stops above the limit", async () => {
    await expect(readAll(chunks("a", "bc"), 2)).rejects.toMatchObject({ code: "payload_too_large" });
  });
});
