/**
 * The process dies, and the start after it is cut short by a power loss: that start has removed nothing on the strength of a name that was
 * not on the disk yet. Every call of the first life with every call of the second.
 */
import { describe, expect, it } from "vitest";
import type { Disk, DiskFile } from "../../../src/store/disk.js";
import type { StoreMark } from "../../../src/store/message-store.js";
import { SegmentStore } from "../../../src/store/segment-store.js";
import { EMPTY_MARK, policy, readAll, Stream, show, topicOf } from "../../contracts/message-store.stream.js";
import { Chance } from "../../sim/chance.js";
import { SimFiles } from "../../sim/sim-files.js";
import { namesDisk } from "./names-disk.js";

const DIR = "/d";

class Died extends Error {}

/** One life's disk, which takes so many calls and then no more. */
class Life implements Disk {
  readonly store: SegmentStore;
  readonly #disk: Disk;
  #callsLeft: number;

  constructor(files: SimFiles, chance: Chance, callsLeft = Number.POSITIVE_INFINITY) {
    this.#callsLeft = callsLeft;
    this.#disk = namesDisk(files, chance);
    this.store = new SegmentStore({ dir: DIR, disk: this, segmentBytes: 300, recentBytesMax: 0 });
  }

  /** Whether the task came to its end before the calls did. */
  async survives(task: () => Promise<unknown>): Promise<boolean> {
    try {
      await task();
      return true;
    } catch (error) {
      if (this.#callsLeft > 0) throw error;
      return false;
    }
  }

  async open(...args: Parameters<Disk["open"]>): Promise<DiskFile> {
    const file = await this.#call(() => this.#disk.open(...args));
    return {
      read: (target, at) => this.#call(() => file.read(target, at)),
      write: (bytes, at) => this.#call(() => file.write(bytes, at)),
      sync: () => this.#call(() => file.sync()),
      truncate: (bytes) => this.#call(() => file.truncate(bytes)),
      size: () => this.#call(() => file.size()),
      close: () => file.close(),
    };
  }

  list = (directory: string) => this.#call(() => this.#disk.list(directory));
  makeDirectory = (directory: string) => this.#call(() => this.#disk.makeDirectory(directory));
  rename = (from: string, to: string) => this.#call(() => this.#disk.rename(from, to));
  remove = (path: string) => this.#call(() => this.#disk.remove(path));
  removeTree = (directory: string) => this.#call(() => this.#disk.removeTree(directory));
  syncDirectory = (directory: string) => this.#call(() => this.#disk.syncDirectory(directory));

  async #call<T>(task: () => Promise<T>): Promise<T> {
    if (this.#callsLeft <= 0) throw new Died("this life is over");
    this.#callsLeft -= 1;
    return task();
  }
}

/** What one life found and did, as far as the state's mark says. */
interface Known {
  readonly mark: StoreMark;
  readonly stream: Stream;
}

async function disk(chance: Chance): Promise<{ readonly files: SimFiles; readonly known: Known }> {
  const files = new SimFiles();
  files.makeDirectory(DIR, true);
  const { store } = new Life(files, chance);
  await store.open(EMPTY_MARK, topicOf);
  const stream = new Stream();
  let mark = EMPTY_MARK;
  for (let i = 0; i < 3; i += 1) {
    store.append(stream.batch(1, 2));
    mark = await store.sync();
  }
  await store.close();
  return { files, known: { mark, stream } };
}

/** Everything up to the mark, but for a first part that retention may have taken. */
async function check(
  files: SimFiles,
  chance: Chance,
  { mark, stream }: Known,
  trimmedMax: number,
): Promise<void> {
  const { store } = new Life(files, chance);
  await store.open(mark, topicOf);
  expect(store.lastPosition).toBe(mark.position);
  const found = (await readAll(store)).messages.map(show);
  const all = stream.all.slice(0, mark.position).map(show);
  expect(found).toEqual(all.slice(all.length - found.length));
  expect(all.length - found.length).toBeLessThanOrEqual(trimmedMax);
  await store.close();
}

/**
 * Every number of calls of a life that does `task`, which gives what is known then, with every number of calls of the start after it.
 * A start that comes to its end takes a message more, and its mark counts.
 */
async function everyPair(
  seed: number,
  task: (life: Life, known: Known, tell: (known: Known) => void) => Promise<unknown>,
  trimmedMax: number,
): Promise<number> {
  let pairs = 0;
  for (let first = 1, isWhole = false; !isWhole; first += 1) {
    for (let second = 1, isOpen = false; !isOpen; second += 1) {
      const chance = new Chance(seed + first * 1_000 + second);
      const { files, known: before } = await disk(chance);
      let known = before;
      const dying = new Life(files, chance, first);
      isWhole = await dying.survives(() =>
        task(dying, before, (news) => {
          known = news;
        }),
      );
      files.crash(chance, false);
      const starting = new Life(files, chance, second);
      isOpen = await starting.survives(async () => {
        await starting.store.open(known.mark, topicOf);
        const { stream, mark } = known;
        stream.batch(1, 2, 3);
        starting.store.append(stream.from(mark.position));
        known = { stream, mark: await starting.store.sync() };
      });
      files.crash(chance, true);
      await check(files, chance, known, trimmedMax);
      pairs += 1;
    }
  }
  return pairs;
}

describe("the process dies and then the power goes", () => {
  it("while a snapshot is taken over", async () => {
    const chance = new Chance(1);
    const source = await disk(chance);
    const reader = new Life(source.files, chance);
    await reader.store.open(source.known.mark, topicOf);
    reader.store.append(source.known.stream.batch(3, 3, 3));
    const mark = await reader.store.sync();
    const given = reader.store.files(mark);
    const count = mark.position;
    const pairs = await everyPair(
      0,
      async (life, { mark: old }, tell) => {
        await life.store.open(old, topicOf);
        await life.store.replace(given, async (name, offset, length) => {
          const bytes = Buffer.alloc(length);
          const { path } = given.find((file) => file.name === name)!;
          return bytes.subarray(0, source.files.file(path).read(bytes, offset));
        });
        const stream = new Stream();
        for (const { topic } of source.known.stream.all.slice(0, count)) stream.batch(topic.id);
        tell({ mark, stream });
        await life.store.open(mark, topicOf);
      },
      0,
    );
    expect(pairs).toBeGreaterThan(500);
  });

  it("while retention takes what is old", async () => {
    const pairs = await everyPair(
      1_000_000,
      async (life, { mark, stream }, tell) => {
        await life.store.open(mark, topicOf);
        for (const bytesMax of [400, 100]) {
          await life.store.retain(policy({ bytesMax }));
          life.store.append(stream.batch(1, 2));
          tell({ stream, mark: await life.store.sync() });
        }
      },
      Number.POSITIVE_INFINITY,
    );
    expect(pairs).toBeGreaterThan(500);
  });
});
