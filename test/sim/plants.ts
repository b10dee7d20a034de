/**
 * Bugs planted through the seams, to show that the simulator finds them: each breaks one of the rules that the production code
 * keeps, and nothing else.
 */
import type { LogAppend, LogStore } from "../../cluster/log/log-store.js";
import { MemoryLog } from "../../cluster/log/memory-log.js";
import type { CommittedEntry, StateMachine } from "../../cluster/state-machine.js";
import { EntryKind, type SnapshotMeta } from "../../cluster/types.js";
import { decodeEnvelope, EnvelopeEncoder } from "../../src/commands/codec.js";
import type { Replica } from "../../src/replica/replica.js";
import type { TopicRef } from "../../src/state-machine/effects.js";
import type { ReadPage, ReadQuery, StoreMark } from "../../src/store/message-store.js";
import type { StateChange } from "../../src/store/state-store.js";
import { PartialView, type Plant, planted } from "./plant.js";
import { PLANTS_OF_MANY } from "./plants-of-many.js";
import type { Proposals } from "./seams.js";
import type { SimDisk } from "./sim-disk.js";
import { SimLog, SimMessageStore, SimStateStore } from "./sim-stores.js";

/** Says that an append is durable at once; it is so only after the sync. */
class LyingLog extends MemoryLog {
  readonly #disk: SimDisk;
  /** What a power loss would leave, while a sync is under way. */
  #before: Pick<SimDisk["log"], "hardState" | "snapshot" | "entries"> | null = null;
  #syncs = 0;

  constructor(disk: SimDisk) {
    super(disk.log);
    this.#disk = disk;
    disk.onPowerLoss = () => {
      if (this.#before === null) return;
      const { hardState, snapshot, entries } = this.#before;
      Object.assign(disk.log, { hardState, snapshot });
      disk.log.entries.splice(0, disk.log.entries.length, ...entries);
    };
  }

  override async append(batch: LogAppend): Promise<void> {
    const { log } = this.#disk;
    // A log that is being made is let be: without a base there is nothing to lose.
    if (log.snapshot !== null) this.#before ??= { ...log, entries: [...log.entries] };
    this.#syncs += 1;
    await super.append(batch);
    void this.#disk.wait().then(() => {
      this.#syncs -= 1;
      if (this.#syncs === 0) this.#before = null;
    });
  }

  /** Durable with everything before it. */
  override async compact(marker: SnapshotMeta): Promise<void> {
    await super.compact(marker);
    this.#before = null;
  }
}

/** Writes no term and no vote. */
class ForgetfulLog extends SimLog {
  readonly #disk: SimDisk;

  constructor(disk: SimDisk) {
    super(disk);
    this.#disk = disk;
  }

  override append(batch: LogAppend): Promise<void> {
    const { term, vote } = this.#disk.log.hardState;
    if (batch.hardState === undefined || batch.snapshot !== undefined) return super.append(batch);
    return super.append({ ...batch, hardState: { ...batch.hardState, term, vote } });
  }
}

/** A lone voter applies, and so answers, what is only on its way to the disk. */
function applyBeforePersist(log: LogStore, replica: Replica): { log: LogStore; machine: StateMachine } {
  let early = 0;
  const append = log.append.bind(log);
  log.append = (batch) => {
    const commands: CommittedEntry[] = batch.entries.map(({ index, term, kind, data }) => ({
      index,
      term,
      data: kind === EntryKind.Command ? data : new Uint8Array(0),
    }));
    const next = commands.filter(({ index }) => index > replica.appliedIndex);
    if (next[0]?.index === replica.appliedIndex + 1) {
      replica.apply(next);
      early = replica.appliedIndex;
    }
    return append(batch);
  };
  const machine: StateMachine = {
    get durableIndex() {
      return replica.durableIndex;
    },
    apply: (entries) => replica.apply(entries.filter(({ index }) => index > early)),
    canRead: (data) => replica.canRead(data),
    pin: () => replica.pin(),
    restore: (source) => replica.restore(source),
  };
  return { log, machine };
}

/** Takes the mark when the sync is over: it covers messages that the changes do not. */
class LateMark extends SimMessageStore {
  readonly #disk: SimDisk;

  constructor(disk: SimDisk) {
    super(disk);
    this.#disk = disk;
  }

  protected override async takeMark(): Promise<StoreMark> {
    await this.#disk.wait();
    return super.takeMark();
  }
}

/** Gives the mark before its messages are durable. */
class EarlyMark extends SimMessageStore {
  override async sync(): Promise<StoreMark> {
    const { lastPosition } = this;
    void super.sync();
    return { segment: Math.min(1, lastPosition), bytes: lastPosition, position: lastPosition };
  }
}

/** Keeps at start what is beyond the mark. */
class Uncut extends SimMessageStore {
  readonly #disk: SimDisk;

  constructor(disk: SimDisk) {
    super(disk);
    this.#disk = disk;
  }

  override open(mark: StoreMark, resolve: (topicId: number) => TopicRef | undefined): Promise<void> {
    const { syncedThrough } = this.#disk.messages;
    return super.open({ ...mark, position: Math.max(mark.position, syncedThrough) }, resolve);
  }
}

/** Pages that were cut short go on one too far. */
class SkippingPages extends SimMessageStore {
  override readRecent(query: ReadQuery): ReadPage {
    const page = super.readRecent(query);
    return page.next < query.through ? { ...page, next: page.next + 1 } : page;
  }
}

/** Leaves records of one kind out of checkpoints. */
class PartialCheckpoints extends SimStateStore {
  readonly #without: string;

  constructor(disk: SimDisk, without: string) {
    super(disk);
    this.#without = without;
  }

  override commit(changes: readonly StateChange[]): Promise<void> {
    return super.commit(changes.filter(({ key }) => !key.startsWith(this.#without)));
  }
}

/** Passes records of one kind over when it is loaded. */
class PartialLoad extends SimStateStore {
  override load(): ReturnType<SimStateStore["load"]> {
    return [...super.load()].filter(({ key }) => !key.startsWith("o/"));
  }
}

/** Every tenth batch is given to Raft again under the next sequence, as if the first had been lost. */
function resubmitting(): Proposals {
  let sent = 0;
  let given = 0;
  /** Sequences as Raft sees them, and which of the submitter's they answer. */
  const answers = new Map<number, number>();
  const renumbered = (payload: Uint8Array): Uint8Array => {
    const { origin, incarnation, timeMs, commands } = decodeEnvelope(payload);
    const encoder = new EnvelopeEncoder();
    encoder.begin(origin, incarnation);
    for (const command of commands) encoder.add(command);
    given += 1;
    return encoder.finish(given, timeMs);
  };
  return {
    propose(payload, toRaft) {
      sent += 1;
      const bytes = renumbered(payload);
      answers.set(given, sent);
      const taken = toRaft(bytes);
      if (taken && sent % 10 === 0) toRaft(renumbered(payload));
      return taken;
    },
    applied(applied) {
      const sequence = answers.get(applied.sequence);
      return sequence === undefined ? null : { ...applied, sequence };
    },
  };
}

export const PLANTS: readonly Plant[] = [
  planted(
    "an append resolves before it is durable",
    1,
    { log: (disk) => new LyingLog(disk) },
    /applies another entry|the log lost its end/,
  ),
  planted(
    "a lone voter applies before it persists",
    1,
    { consensus: applyBeforePersist },
    /were applied|were seen|another entry|a hole|the log lost its end|is not in the log/,
  ),
  planted(
    "the mark is taken after the changes",
    1,
    { messageStore: (disk) => new LateMark(disk) },
    /the store ends elsewhere/,
  ),
  planted(
    "the mark is given before its messages are durable",
    1,
    { messageStore: (disk) => new EarlyMark(disk) },
    /was made durable/,
  ),
  planted(
    "the store is not cut back to the mark",
    1,
    { messageStore: (disk) => new Uncut(disk) },
    /the store ends elsewhere/,
  ),
  planted(
    "a page goes on one too far",
    1,
    { messageStore: (disk) => new SkippingPages(disk) },
    /never got position|has lost/,
  ),
  planted(
    "checkpoints leave idempotency out",
    1,
    { stateStore: (disk) => new PartialCheckpoints(disk, "i/") },
    /another state|was seen before/,
  ),
  planted(
    "checkpoints leave retained messages out",
    1,
    { stateStore: (disk) => new PartialCheckpoints(disk, "r/") },
    /another state/,
  ),
  planted(
    "the state comes back without its origins",
    1,
    { stateStore: (disk) => new PartialLoad(disk) },
    /another state|a second time|was seen before/,
  ),
  planted(
    "snapshots leave retained messages out",
    1,
    { stateStore: (disk) => new PartialView(disk, "r/") },
    /another state/,
  ),
  planted(
    "checkpoints leave the progress of sessions out",
    1,
    { stateStore: (disk) => new PartialCheckpoints(disk, "p/") },
    /another state|does not start/,
  ),
  planted(
    "snapshots leave the progress of sessions out",
    1,
    { stateStore: (disk) => new PartialView(disk, "p/") },
    /another state|does not start/,
  ),
  planted(
    "a batch is submitted again under another sequence",
    1,
    { proposals: resubmitting },
    /a second time/,
  ),
  planted("term and vote are not written", 3, { log: (disk) => new ForgetfulLog(disk) }, /has two leaders/),
  planted(
    "an append resolves before it is durable, three voters",
    3,
    { log: (disk) => new LyingLog(disk) },
    /out of range|the log lost its end|another entry/,
  ),
  ...PLANTS_OF_MANY,
];
