/** What the soak's probe says of a process is what that holds: not what it has thrown away, and all that it has not. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Child } from "../../../load/lib/children.js";
import { memoryOf, probeArgs } from "../../../load/soak/memory.js";

const PROGRAM = `
const held = [];
require("node:readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const [what, count] = line.split(" ");
  for (let at = 0; at < Number(count); at++) {
    const piece = what === "buffers" ? Buffer.alloc(1024 * 1024, 1) : { a: at, b: 2, c: 3, d: 4, e: 5 };
    if (what !== "waste") held.push(piece);
  }
  console.log("done");
});
console.log("done");
`;
const TIMEOUT_MS = 30_000;

describe("the probe", () => {
  let child: Child;
  const done = (): Promise<true> =>
    child.waitForLine((line) => (line === "done" ? true : undefined), TIMEOUT_MS, "its word");
  const tell = async (line: string): Promise<void> => {
    const heard = done();
    child.write(line);
    await heard;
  };

  beforeEach(async () => {
    child = await Child.start(process.execPath, [...probeArgs(), "-e", PROGRAM]);
    await done();
  });

  afterEach(async () => {
    await child.stop("SIGKILL");
  });

  it("sees a leak of some bytes each, and no garbage", async () => {
    await tell("waste 200000");
    const before = await memoryOf(child);
    await tell("waste 500000");
    const wasted = await memoryOf(child);
    await tell("objects 100000");
    const leaked = await memoryOf(child);
    expect(Math.abs(wasted.heapMiB - before.heapMiB)).toBeLessThan(1);
    // 100,000 objects of 64 bytes, and a slot for each.
    expect(leaked.heapMiB - wasted.heapMiB).toBeGreaterThan(6);
  });

  it("sees buffers beside the heap", async () => {
    const before = await memoryOf(child);
    await tell("buffers 20");
    const after = await memoryOf(child);
    expect(after.buffersMiB - before.buffersMiB).toBeCloseTo(20, 0);
    expect(after.outsideMiB - before.outsideMiB).toBeGreaterThan(15);
    expect(Math.abs(after.heapMiB - before.heapMiB)).toBeLessThan(1);
  });
});
