/** A segment store on a disk in memory, filled or not, for the tests beside this. */
import { afterEach, expect } from "vitest";
import type { StoreMark } from "../../../src/store/message-store.js";
import { SegmentStore, type SegmentStoreOptions } from "../../../src/store/segment-store.js";
import { EMPTY_MARK, Stream, topicOf } from "../../contracts/message-store.stream.js";
import { CrashingDisk } from "./crashing-disk.js";

const open: SegmentStore[] = [];

export async function opened(
  disk: CrashingDisk,
  mark: StoreMark = EMPTY_MARK,
  options: Partial<SegmentStoreOptions> & {
    resolve?: (id: number) => ReturnType<typeof topicOf> | undefined;
  } = {},
): Promise<SegmentStore> {
  const { resolve = topicOf, ...rest } = options;
  const store = new SegmentStore({ dir: "/d", disk, segmentBytes: 1_000, recentBytesMax: 0, ...rest });
  await store.open(mark, resolve);
  open.push(store);
  return store;
}

afterEach(async () => {
  for (const store of open.splice(0)) await store.close();
});

export const path = (number: number, kind: string): string =>
  `/d/messages/${String(number).padStart(12, "0")}.${kind}`;
export const keepOnly = (disk: CrashingDisk, name: string, bytes: number): void => {
  const file = disk.file(name);
  file.bytes = file.bytes.subarray(0, bytes);
};
export const segmentsOf = (disk: CrashingDisk): number[] =>
  disk
    .paths()
    .filter((name) => name.endsWith(".seg"))
    .map((name) => Number(name.slice("/d/messages/".length, -4)));

/** Several sealed segments and one that is being written, everything synced. */
export async function filled(): Promise<{
  disk: CrashingDisk;
  stream: Stream;
  mark: StoreMark;
  marks: StoreMark[];
}> {
  const disk = new CrashingDisk();
  const store = await opened(disk);
  const stream = new Stream();
  const marks: StoreMark[] = [];
  for (let i = 0; i < 30; i += 1) {
    store.append(stream.batch(1, 2, 3, 1 + (i % 5)));
    marks.push(await store.sync());
  }
  await store.close();
  const mark = marks.at(-1)!;
  expect(mark.segment).toBeGreaterThan(4);
  return { disk, stream, mark, marks };
}

/** The same contents on a disk of its own. */
export const copy = (disk: CrashingDisk): CrashingDisk => disk.afterCrash(() => 0.9);
