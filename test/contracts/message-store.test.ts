/** The message store's contract, on memory and on segments: large ones, and ones so small that every few messages begin another. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";
import { type MemoryMessageImage, MemoryMessageStore } from "../../src/store/memory-store.js";
import type { MessageStore } from "../../src/store/message-store.js";
import { SegmentStore } from "../../src/store/segment-store.js";
import { describeMessageStore, type MessageStoreUnderTest } from "./message-store.contract.js";
import { describeHolds } from "./message-store.holds.contract.js";

const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const closing = <Store extends MessageStore>(store: Store): Store => {
  cleanups.push(() => store.close());
  return store;
};

const onDisk =
  (options: { segmentBytes?: number; recentBytesMax?: number }) =>
  async (): Promise<MessageStoreUnderTest> => {
    const dir = await mkdtemp(join(tmpdir(), "jangada-messages-"));
    cleanups.push(() => rm(dir, { recursive: true, force: true }));
    return {
      create: () => closing(new SegmentStore({ dir, ...options })),
      source: async (path, bytes) => (await readFile(path)).subarray(0, bytes),
    };
  };

const inMemory = async (): Promise<MessageStoreUnderTest> => {
  const image: MemoryMessageImage = { messages: [], floors: new Map(), syncedThrough: 0 };
  return {
    create: () => new MemoryMessageStore(image),
    source: async (path) => MemoryMessageStore.source(path),
  };
};

for (const [name, start] of [
  ["the memory twin", inMemory],
  ["segments", onDisk({})],
  ["segments that memory keeps nothing of", onDisk({ recentBytesMax: 0 })],
  ["tiny segments", onDisk({ segmentBytes: 400, recentBytesMax: 0 })],
] as const) {
  describeMessageStore(name, start);
  describeHolds(name, start);
}
