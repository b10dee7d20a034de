/**
 * The disk under one life of a node: images of what is durable, and the writes that are under way. A crash loses each of those or
 * keeps it whole, as chance has it; the next life gets copies, so that nothing of the dead one can reach it.
 */
import { emptyLogImage, type MemoryLogImage } from "../../cluster/log/memory-log.js";
import type { MemorySnapshotImage } from "../../cluster/log/memory-snapshot-store.js";
import type { StoredMessage } from "../../src/state-machine/effects.js";
import type { MemoryStateImage } from "../../src/store/memory-state-store.js";
import type { MemoryMessageImage } from "../../src/store/memory-store.js";
import type { Chance } from "./chance.js";
import { type FileBase, GROUP_DIRECTORY } from "./file-stores.js";
import { SimFiles } from "./sim-files.js";

/** A snapshot's messages, written aside, not yet in use. */
export interface StagedMessages {
  readonly position: number;
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface Images {
  readonly log: MemoryLogImage;
  readonly snapshots: MemorySnapshotImage;
  readonly state: MemoryStateImage;
  readonly messages: MemoryMessageImage;
  readonly staged: StagedMessages | null;
  /** Of the stores of production. The same for all lives on this disk: a dead one's calls do not come through. */
  readonly files: SimFiles;
}

export function emptyImages(): Images {
  const files = new SimFiles();
  files.makeDirectory(GROUP_DIRECTORY, true);
  return {
    files,
    log: emptyLogImage(),
    snapshots: { latest: null },
    state: { entries: new Map() },
    messages: { messages: [], floors: new Map(), syncedThrough: 0 },
    staged: null,
  };
}

function copyOf({ log, snapshots, state, messages, staged, files }: Images): Images {
  return {
    files,
    log: { ...log, entries: [...log.entries] },
    snapshots: { ...snapshots },
    state: { ...state },
    messages: { ...messages },
    staged,
  };
}

interface Write {
  readonly finish: () => void | Promise<void>;
}

export class SimDisk {
  readonly log: MemoryLogImage;
  readonly snapshots: MemorySnapshotImage;
  readonly state: MemoryStateImage;
  readonly messages: MemoryMessageImage;
  staged: StagedMessages | null;
  readonly files: SimFiles;
  /** Where this life opens the stores of production; `null` where it has their twins. */
  readonly base: FileBase | null;
  /** Messages that were appended and not synced: the operating system writes them when it likes. */
  unsynced: StoredMessage[] = [];
  readonly #wait: () => Promise<void>;
  readonly #underWay = new Set<Write>();
  /** Called when the power goes, before anything else: what was only said to be durable is not. */
  onPowerLoss: () => void = () => undefined;

  /** `wait`: as long as one sync takes. */
  constructor(images: Images, wait: () => Promise<void>, base: FileBase | null = null) {
    const { log, snapshots, state, messages, staged, files } = copyOf(images);
    this.files = files;
    this.base = base;
    this.log = log;
    this.snapshots = snapshots;
    this.state = state;
    this.messages = messages;
    this.staged = staged;
    this.#wait = wait;
  }

  /** A write that is durable, whole, when the promise resolves. */
  async write(finish: () => void | Promise<void>): Promise<void> {
    const write = { finish };
    this.#underWay.add(write);
    await this.#wait();
    try {
      await finish();
    } finally {
      this.#underWay.delete(write);
    }
  }

  wait(): Promise<void> {
    return this.#wait();
  }

  /** What the next life finds. Called once, when this one is over. */
  async afterCrash(chance: Chance, isPowerLoss: boolean): Promise<Images> {
    this.onPowerLoss();
    this.files.crash(chance, isPowerLoss);
    for (const { finish } of [...this.#underWay]) if (chance.of(0.5)) await finish();
    const { syncedThrough, messages } = this.messages;
    const durableThrough = Math.max(syncedThrough, messages.at(-1)?.position ?? 0);
    const tail = this.unsynced.filter(({ position }) => position > durableThrough);
    const kept = tail.slice(0, chance.whole(0, tail.length));
    this.messages.messages = [...messages, ...kept];
    return copyOf(this);
  }
}
