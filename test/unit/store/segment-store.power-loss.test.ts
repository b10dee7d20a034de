/** The store over a file system that keeps of names and bytes only what was synced, as POSIX allows it to. */
import { expect, test } from "vitest";
import { SegmentStore } from "../../../src/store/segment-store.js";
import { EMPTY_MARK, Stream, topicOf } from "../../contracts/message-store.stream.js";
import { Chance } from "../../sim/chance.js";
import { SimFiles } from "../../sim/sim-files.js";
import { namesDisk } from "./names-disk.js";

function storeOn(files: SimFiles, chance: Chance): SegmentStore {
  return new SegmentStore({
    dir: "/d",
    disk: namesDisk(files, chance),
    segmentBytes: 1_000,
    recentBytesMax: 0,
  });
}

test.each(Array.from({ length: 20 }, (_, seed) => seed + 1))(
  "what was synced is there after a power loss, also in a directory that the store made itself (seed %i)",
  async (seed) => {
    const chance = new Chance(seed);
    const files = new SimFiles();
    files.makeDirectory("/d", true);
    const store = storeOn(files, chance);
    await store.open(EMPTY_MARK, topicOf);
    const stream = new Stream();
    store.append(stream.batch(1, 2, 3));
    const mark = await store.sync();
    files.crash(chance, true);
    const next = storeOn(files, chance);
    await next.open(mark, topicOf);
    expect(next.lastPosition).toBe(mark.position);
    await next.close();
  },
);
