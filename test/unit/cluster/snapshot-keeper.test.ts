/** When snapshots are taken, and how far the log is cut behind them. */
import { beforeEach, describe, expect, test } from "vitest";
import { ClusterError } from "../../../cluster/errors.js";
import { MemoryLog } from "../../../cluster/log/memory-log.js";
import { MemorySnapshotStore } from "../../../cluster/log/memory-snapshot-store.js";
import { Membership } from "../../../cluster/membership.js";
import { SnapshotKeeper, type SnapshotKeeperOptions } from "../../../cluster/snapshot-keeper.js";
import { EMPTY_CONF_STATE, EntryKind, type SnapshotMeta } from "../../../cluster/types.js";
import { CountingMachine } from "../../support/counting-machine.js";
import { turnOfLoop } from "../../support/memory-group.js";

const CONF = { ...EMPTY_CONF_STATE, voters: ["1", "2", "3"] };
/** Payload of an entry; with its framing it takes a hundred bytes of the log. */
const PAYLOAD_BYTES = 84;
/** A snapshot for every hundred entries. */
const LOG_BYTES = 10_000;

let log: MemoryLog;
let snapshots: MemorySnapshotStore;
let machine: CountingMachine;
let membership: Membership;
let keeper: SnapshotKeeper;
let taken: SnapshotMeta[];
let warnings: number;
let beyondRepair: unknown[];
let neededFrom: number | null;
let isAlone: boolean;
let isReceiving: boolean;

beforeEach(async () => {
  log = new MemoryLog();
  await log.append({
    entries: [],
    hardState: { term: 1, vote: "", commit: 1 },
    snapshot: { index: 1, term: 1, confState: CONF },
  });
  snapshots = new MemorySnapshotStore();
  machine = new CountingMachine();
  machine.appliedIndex = 1;
  membership = new Membership();
  membership.reset(1, CONF);
  taken = [];
  warnings = 0;
  beyondRepair = [];
  [neededFrom, isAlone, isReceiving] = [null, false, false];
  keeper = createKeeper();
});

function createKeeper(overrides: Partial<SnapshotKeeperOptions> = {}): SnapshotKeeper {
  return new SnapshotKeeper({
    log,
    snapshots,
    machine,
    membership,
    snapshotLogBytes: LOG_BYTES,
    neededFrom: () => neededFrom,
    isAlone: () => isAlone,
    isReceiving: () => isReceiving,
    onTaken: (meta) => taken.push(meta),
    onWarning: () => {
      warnings += 1;
    },
    onBeyondRepair: (error) => beyondRepair.push(error),
    crashPoint: () => undefined,
    ...overrides,
  });
}

/** So many entries are appended and, unless told otherwise, applied; a round for each ten. */
async function write(count: number, { isApplied = true, rounds = true } = {}): Promise<void> {
  for (let done = 0; done < count; done += 10) {
    const from = log.lastIndex() + 1;
    const entries = Array.from({ length: Math.min(10, count - done) }, (_, nth) => ({
      term: 1,
      index: from + nth,
      kind: EntryKind.Command,
      data: Buffer.alloc(PAYLOAD_BYTES, "x"),
    }));
    await log.append({ entries });
    keeper.appended(entries.length * PAYLOAD_BYTES);
    if (isApplied) machine.apply(entries);
    if (rounds) await round();
  }
}

async function round(): Promise<void> {
  keeper.takeWhenDue();
  await keeper.idle();
  await keeper.compactWhenDue();
}

const indexes = (): number[] => taken.map(({ index }) => index);

describe("a snapshot", () => {
  test("is due when the log has grown by so many bytes, and again as much later", async () => {
    await write(90);
    expect(indexes()).toEqual([]);
    await write(10);
    expect(indexes()).toEqual([101]);
    await write(90);
    expect(taken).toHaveLength(1);
    // The log was cut meanwhile, and grows from there.
    await write(70);
    expect(indexes()).toEqual([101, 261]);
  });

  test("is wanted after a change of membership however short the log is, and knows the members as of its entry", async () => {
    await write(20);
    const grown = { ...CONF, learners: ["4"] };
    membership.changed(12, grown, { kind: "add-learner", id: "4", member: null });
    keeper.want(12);
    await round();
    expect(indexes()).toEqual([21]);
    expect(taken[0]?.confState).toEqual(grown);
    keeper.want(12);
    await write(10);
    expect(taken).toHaveLength(1);
  });

  test("covers what is applied and no more", async () => {
    await write(100, { rounds: false });
    await write(50, { isApplied: false });
    expect(indexes()).toEqual([101]);
    expect(snapshots.latest()?.meta.term).toBe(1);
  });

  test("is not taken while one comes from a peer, nor of what that covers", async () => {
    isReceiving = true;
    await write(150);
    expect(indexes()).toEqual([]);
    await snapshots.create({ index: 500, term: 3, confState: CONF }, async () => undefined);
    isReceiving = false;
    await write(10);
    expect(indexes()).toEqual([]);
    expect(snapshots.latest()?.meta.index).toBe(500);
  });

  test("that cannot be taken is told and tried again, and not at every round", async () => {
    let fails = true;
    let attempts = 0;
    const create = snapshots.create.bind(snapshots);
    snapshots.create = async (meta, fill) => {
      attempts += 1;
      if (fails) throw new Error("no room");
      return await create(meta, fill);
    };
    await write(10);
    keeper.want(5);
    for (let nth = 0; nth < 200; nth += 1) await round();
    expect([attempts, warnings]).toEqual([1, 1]);
    fails = false;
    for (let nth = 0; nth < 100; nth += 1) await round();
    expect([attempts, indexes()]).toEqual([2, [11]]);
  });

  test("lets go of the state whether or not it worked", async () => {
    let [pinned, released] = [0, 0];
    const pin = machine.pin.bind(machine);
    machine.pin = async () => {
      pinned += 1;
      const state = await pin();
      return {
        ...state,
        release: () => {
          released += 1;
        },
      };
    };
    snapshots.create = async () => {
      throw new Error("no room");
    };
    await write(110);
    expect(pinned).toBeGreaterThan(0);
    expect(released).toBe(pinned);
  });

  test("that is under way when the node stops is waited for, and none is begun after", async () => {
    let letGo: () => void = () => undefined;
    const create = snapshots.create.bind(snapshots);
    snapshots.create = async (meta, fill) => {
      await new Promise<void>((resolve) => {
        letGo = resolve;
      });
      return await create(meta, fill);
    };
    await write(100, { rounds: false });
    keeper.takeWhenDue();
    let isStopped = false;
    const stopped = keeper.stop().then(() => {
      isStopped = true;
    });
    await turnOfLoop();
    expect(isStopped).toBe(false);
    letGo();
    await stopped;
    expect(indexes()).toEqual([101]);
    keeper.want(1_000);
    keeper.takeWhenDue();
    await turnOfLoop();
    expect(taken).toHaveLength(1);
  });
});

describe("the log", () => {
  test("keeps a tail behind the snapshot for those who are a little behind", async () => {
    await write(100);
    expect(log.firstIndex()).toBe(2);
    await write(40);
    expect(log.firstIndex()).toBe(2);
    await write(20);
    expect(log.firstIndex()).toBe(102);
    expect(membership.asOf(101)).toEqual(CONF);
    expect(() => membership.asOf(100)).toThrow("not known any more");
  });

  test("of a node that is alone is cut to the snapshot at once", async () => {
    isAlone = true;
    await write(100);
    expect(log.firstIndex()).toBe(102);
  });

  test("is held back by who still needs it, up to a bound", async () => {
    neededFrom = 61;
    await write(200);
    expect(log.firstIndex()).toBe(61);
    neededFrom = 80;
    await write(10);
    expect(log.firstIndex()).toBe(80);
    // Eight times what is between two snapshots: it will have to get a snapshot.
    await write(900);
    expect(log.firstIndex()).toBeGreaterThan(500);
  });

  test("is held back for as much as a snapshot is, where that is more: what is logged while one travels is needed behind it", async () => {
    neededFrom = 61;
    const create = snapshots.create.bind(snapshots);
    snapshots.create = async (meta) =>
      await create(meta, async (sink) => await sink.write("state", Buffer.alloc(20 * LOG_BYTES)));
    await write(1_500);
    expect(log.firstIndex()).toBe(61);
    await write(900);
    expect(log.firstIndex()).toBeGreaterThan(1_000);
  });

  test("is not held back by who needs only what is behind the cut", async () => {
    neededFrom = 140;
    await write(160);
    expect(log.firstIndex()).toBe(102);
  });

  test("begins behind an installed snapshot, and nothing from before is a place to cut", async () => {
    await write(100);
    await snapshots.create({ index: 500, term: 3, confState: CONF }, async () => undefined);
    const snapshot = { index: 500, term: 3, confState: CONF };
    await log.append({ entries: [], hardState: { term: 3, vote: "", commit: 500 }, snapshot });
    membership.reset(500, CONF);
    machine.appliedIndex = 500;
    keeper.installed();
    await write(90);
    expect([log.firstIndex(), taken.length]).toEqual([501, 1]);
  });

  test("of a node that starts is cut to its snapshot, and not to one that is not applied yet", async () => {
    isAlone = true;
    await write(60, { rounds: false });
    await snapshots.create({ index: 50, term: 1, confState: CONF }, async () => undefined);
    machine.durableIndex = 40;
    keeper = createKeeper();
    await round();
    expect(log.firstIndex()).toBe(2);
    machine.durableIndex = 55;
    keeper = createKeeper();
    await round();
    expect(log.firstIndex()).toBe(51);
  });
});

describe("a snapshot that was found damaged", () => {
  const found = new ClusterError("snapshot_corrupt", "state.bin is damaged");

  test("is replaced, though nothing was applied since", async () => {
    await write(150);
    const [index] = indexes();
    machine.appliedIndex = index ?? 0;
    keeper.renew(found);
    await round();
    expect(indexes()).toEqual([index, index]);
    await round();
    expect(indexes()).toHaveLength(2);
    expect(warnings).toBe(1);
  });

  test("is told again and again while there is no room for another", async () => {
    await write(150);
    let isFull = true;
    const pin = machine.pin.bind(machine);
    machine.pin = async () => {
      if (isFull) throw new ClusterError("disk_full", "no room");
      return await pin();
    };
    keeper.renew(found);
    for (let i = 0; i < 300; i += 1) await round();
    expect([indexes().length, beyondRepair.length, warnings]).toEqual([1, 0, 3]);
    isFull = false;
    for (let i = 0; i < 300; i += 1) await round();
    expect(indexes()).toHaveLength(2);
  });

  test("stops the node when what it was made of is damaged as well", async () => {
    await write(150);
    const damage = new ClusterError("snapshot_corrupt", "a segment is damaged");
    machine.pin = () => Promise.reject(damage);
    keeper.renew(found);
    await round();
    expect(beyondRepair).toEqual([damage]);
  });
});
