/** The state store's contract, on memory and on LMDB. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";
import { LmdbStateStore } from "../../src/store/lmdb-state-store.js";
import { type MemoryStateImage, MemoryStateStore } from "../../src/store/memory-state-store.js";
import type { StateStore } from "../../src/store/state-store.js";
import { describeStateStore } from "./state-store.contract.js";

const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const opened = async (store: StateStore): Promise<StateStore> => {
  await store.open();
  cleanups.push(() => store.close());
  return store;
};

describeStateStore("the memory twin", async () => {
  const image: MemoryStateImage = { entries: new Map() };
  return { reopen: () => opened(new MemoryStateStore(image)) };
});

describeStateStore("LMDB", async () => {
  const dir = await mkdtemp(join(tmpdir(), "jangada-state-"));
  cleanups.push(() => rm(dir, { recursive: true, force: true }));
  return { reopen: () => opened(new LmdbStateStore({ dir })) };
});
