/** How many sockets a process may have when it needs descriptors for its own files. */
import { describe, expect, it } from "vitest";
import { openFilesMax, socketsWithin } from "../../../src/runtime/open-files.js";

const LIMITS = `Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max open files            1024                 524288               files
`;

describe("the ceiling of open files", () => {
  it.each([
    ["a number", LIMITS, 1_024],
    ["none", LIMITS.replace("1024  ", "unlimited"), Number.POSITIVE_INFINITY],
    ["something else", "?", Number.POSITIVE_INFINITY],
  ])("is %s", (_what, text, files) => {
    expect(openFilesMax(() => text)).toBe(files);
  });

  it("is none where the system does not tell", () => {
    const fails = (): string => {
      throw new Error("ENOENT");
    };
    expect(openFilesMax(fails)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("sockets", () => {
  const needs = {
    retentionBytes: 1_000,
    messageSegmentBytes: 100,
    snapshotLogBytes: 200,
    logSegmentBytes: 100,
  };

  it("leave room for segments with their indexes, and more of it when more is kept", () => {
    expect(socketsWithin(1_024, needs)).toBe(1_024 - 64 - 22 - 6);
    expect(socketsWithin(1_024, { ...needs, retentionBytes: 2_000 })).toBe(1_024 - 64 - 42 - 6);
  });

  it("are a few at least, and any number without a ceiling", () => {
    expect(socketsWithin(60, needs)).toBe(16);
    expect(socketsWithin(Number.POSITIVE_INFINITY, needs)).toBe(Number.POSITIVE_INFINITY);
  });
});
