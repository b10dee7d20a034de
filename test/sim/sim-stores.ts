/** The memory twins on a disk that takes its time and can lose what it has not finished. */

import type { LogAppend } from "../../cluster/log/log-store.js";
import { MemoryLog } from "../../cluster/log/memory-log.js";
import { MemorySnapshotStore } from "../../cluster/log/memory-snapshot-store.js";
import type { SnapshotSink, SnapshotSource } from "../../cluster/log/snapshot-store.js";
import type { SnapshotMeta } from "../../cluster/types.js";
import type { StoredMessage, TopicRef } from "../../src/state-machine/effects.js";
import { MemoryStateStore } from "../../src/store/memory-state-store.js";
import { type MemoryMessageImage, MemoryMessageStore } from "../../src/store/memory-store.js";
import type { RetentionOutcome, RetentionPolicy, StoreMark } from "../../src/store/message-store.js";
import type { StateChange } from "../../src/store/state-store.js";
import type { SimDisk } from "./sim-disk.js";

export class SimLog extends MemoryLog {
  readonly #disk: SimDisk;

  constructor(disk: SimDisk) {
    super(disk.log);
    this.#disk = disk;
  }

  override append(batch: LogAppend): Promise<void> {
    return this.#disk.write(() => super.append(batch));
  }

  override compact(marker: SnapshotMeta): Promise<void> {
    return this.#disk.write(() => super.compact(marker));
  }
}

type Chunks = Parameters<MemoryStateStore["replace"]>[0];
type ChunkOf<Iterable> = Iterable extends AsyncIterable<infer Chunk> ? Chunk : never;

async function* again<Item>(items: readonly Item[]): AsyncGenerator<Item> {
  yield* items;
}

export class SimStateStore extends MemoryStateStore {
  readonly #disk: SimDisk;

  constructor(disk: SimDisk) {
    super(disk.state);
    this.#disk = disk;
  }

  override commit(changes: readonly StateChange[]): Promise<void> {
    return this.#disk.write(() => super.commit(changes));
  }

  /** Read to their end first: whoever writes them after a crash cannot wait for the life that they came from. */
  override async replace(chunks: Chunks): Promise<void> {
    const all: ChunkOf<Chunks>[] = [];
    for await (const chunk of chunks) all.push(chunk);
    await this.#disk.write(() => super.replace(again(all)));
  }
}

/** Messages reach the disk behind; what is certain is what was synced. */
export class SimMessageStore extends MemoryMessageStore {
  readonly #disk: SimDisk;
  /** What the twin believes to be durable at once. */
  readonly #believed: MemoryMessageImage;

  constructor(disk: SimDisk, believed: MemoryMessageImage = { ...disk.messages }) {
    super(believed);
    this.#disk = disk;
    this.#believed = believed;
  }

  /** A replacement that fits the mark is taken, as its messages and the mark belong together. */
  override async open(mark: StoreMark, resolve: (topicId: number) => TopicRef | undefined): Promise<void> {
    const { staged, messages } = this.#disk;
    if (staged !== null && staged.position === mark.position) {
      const files = [{ name: staged.name, bytes: staged.bytes.byteLength }];
      await super.replace(files, async () => staged.bytes);
    }
    await super.open(mark, resolve);
    this.#disk.staged = null;
    Object.assign(messages, this.#believed);
    this.#disk.unsynced = [];
  }

  override append(messages: readonly StoredMessage[]): void {
    super.append(messages);
    this.#disk.unsynced.push(...messages);
  }

  override async sync(): Promise<StoreMark> {
    const mark = await this.takeMark();
    const { messages, syncedThrough, floors } = this.#believed;
    await this.#disk.write(() => {
      Object.assign(this.#disk.messages, { messages, syncedThrough, floors });
      this.#disk.unsynced = this.#disk.unsynced.filter(({ position }) => position > syncedThrough);
    });
    return mark;
  }

  /** Where everything appended so far ends; what it covers is what `sync` makes durable. */
  protected takeMark(): Promise<StoreMark> {
    return super.sync();
  }

  override async retain(policy: RetentionPolicy): Promise<RetentionOutcome> {
    const outcome = await super.retain(policy);
    const { floors } = this.#believed;
    await this.#disk.write(() => {
      this.#disk.messages.floors = floors;
    });
    return outcome;
  }

  override async replace(
    files: readonly { readonly name: string; readonly bytes: number }[],
    read: (name: string, offset: number, length: number) => Promise<Uint8Array>,
  ): Promise<void> {
    await super.replace(files, read);
    const file = files[0];
    if (file === undefined) return;
    const bytes = await read(file.name, 0, file.bytes);
    const { position } = JSON.parse(Buffer.from(bytes).toString("utf8"));
    await this.#disk.write(() => {
      this.#disk.staged = { position, name: file.name, bytes };
    });
  }
}

export class SimSnapshotStore extends MemorySnapshotStore {
  readonly #disk: SimDisk;

  constructor(disk: SimDisk) {
    super(disk.snapshots, MemoryMessageStore.source);
    this.#disk = disk;
  }

  override create(
    meta: SnapshotMeta,
    fill: (sink: SnapshotSink) => Promise<unknown>,
  ): Promise<SnapshotSource> {
    const disk = this.#disk;
    return super.create(meta, async (sink) => {
      await fill({
        write: async (name, bytes) => {
          await disk.wait();
          await sink.write(name, bytes);
        },
        link: (name, path, bytes) => sink.link(name, path, bytes),
      });
      await disk.wait();
    });
  }
}
