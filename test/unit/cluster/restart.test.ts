/** What a node makes of what it finds when it starts: every state of log, snapshot and machine that a crash or a loss can leave. */
import { describe, expect, test, vi } from "vitest";
import { MemoryLog, type MemoryLogImage } from "../../../cluster/log/memory-log.js";
import { type MemorySnapshotImage, MemorySnapshotStore } from "../../../cluster/log/memory-snapshot-store.js";
import { Membership } from "../../../cluster/membership.js";
import { restart } from "../../../cluster/restart.js";
import {
  type ConfState,
  EMPTY_CONF_STATE,
  EMPTY_HARD_STATE,
  EntryKind,
  type SnapshotMeta,
} from "../../../cluster/types.js";
import { CountingMachine } from "../../support/counting-machine.js";

const conf = (...voters: string[]): ConfState => ({
  ...EMPTY_CONF_STATE,
  voters,
  roster: {
    clusterId: "c",
    members: Object.fromEntries(
      voters.map((id) => [id, { peer: `h${id}:1`, tag: `t${id}`, wantsVote: true }]),
    ),
    removed: [],
  },
});
const FOUNDERS = conf("1", "2", "3");
const LATER = conf("1", "2", "4");

interface Found {
  /** The log's base, `null` where there is no log; its entries up to `last`, of `term`; what it says is committed. */
  readonly log: {
    readonly base: number;
    readonly last: number;
    readonly commit: number;
    readonly term?: number;
  } | null;
  /** The newest snapshot's entry. */
  readonly snapshot?: { readonly index: number; readonly term?: number };
  /** What the state holds. */
  readonly durable?: number;
  readonly founding?: ConfState | null;
}

async function start({ log, snapshot, durable = 0, founding = FOUNDERS }: Found) {
  const image: MemoryLogImage = { hardState: EMPTY_HARD_STATE, snapshot: null, entries: [] };
  if (log !== null) {
    const { base, last, commit, term = 2 } = log;
    image.snapshot = { index: base, term: base === 1 ? 1 : term, confState: FOUNDERS };
    image.hardState = { term, vote: "2", commit };
    for (let index = base + 1; index <= last; index += 1)
      image.entries.push({ term, index, kind: EntryKind.Command, data: Buffer.from(`c${index}`) });
  }
  const kept: MemorySnapshotImage = { latest: null };
  const snapshots = new MemorySnapshotStore(kept);
  if (snapshot !== undefined) {
    const { index, term = 2 } = snapshot;
    const state = Buffer.from(JSON.stringify({ index, applied: [`up to ${index}`] }));
    await snapshots.create({ index, term, confState: LATER }, (sink) => sink.write("applied.json", state));
  }
  const machine = new CountingMachine();
  machine.durableIndex = durable;
  machine.appliedIndex = durable;
  const membership = new Membership();
  const stores = { log: new MemoryLog(image), snapshots, machine };
  const begin = () => restart(stores, founding, membership);
  return { begin, log: stores.log, image, kept, machine, membership };
}

describe("a node that finds", () => {
  test("nothing founds a group: it begins at entry 1, the same for all members", async () => {
    const { begin, image, membership } = await start({ log: null });
    expect(await begin()).toEqual({
      hardState: { term: 1, vote: "", commit: 1 },
      from: 1,
      offer: { index: 1, term: 1, confState: FOUNDERS },
    });
    expect(image).toEqual({
      hardState: { term: 1, vote: "", commit: 1 },
      snapshot: { index: 1, term: 1, confState: FOUNDERS },
      entries: [],
    });
    expect(membership.current).toEqual(FOUNDERS);
  });

  test("nothing and joins waits: it belongs to nothing and promises nothing", async () => {
    const { begin, image, membership } = await start({ log: null, founding: null });
    expect(await begin()).toEqual({ hardState: EMPTY_HARD_STATE, from: 0, offer: null });
    expect(image.snapshot).toBeNull();
    expect(membership.current).toEqual(EMPTY_CONF_STATE);
  });

  test("a snapshot that was received before it had a log waits for its leader", async () => {
    const { begin, membership } = await start({ log: null, founding: null, snapshot: { index: 50 } });
    const { from, offer } = await begin();
    expect([from, offer?.index, membership.current]).toEqual([0, 50, EMPTY_CONF_STATE]);
  });

  test.each<[string, Found, { readonly commit: number; readonly from: number; readonly members: ConfState }]>(
    [
      ["a log alone", { log: { base: 1, last: 9, commit: 7 } }, { commit: 7, from: 1, members: FOUNDERS }],
      [
        "a state beyond what the log knows to be committed",
        { log: { base: 1, last: 9, commit: 4 }, durable: 8 },
        { commit: 8, from: 1, members: FOUNDERS },
      ],
      [
        "a snapshot within its log and its state",
        { log: { base: 1, last: 90, commit: 80 }, snapshot: { index: 50 }, durable: 60 },
        { commit: 80, from: 50, members: LATER },
      ],
      [
        "a snapshot of a peer beyond its state, not installed yet",
        { log: { base: 1, last: 90, commit: 40 }, snapshot: { index: 50 }, durable: 40 },
        { commit: 40, from: 1, members: FOUNDERS },
      ],
      [
        "a snapshot of a peer beyond its log, and all of its own",
        { log: { base: 1, last: 90, commit: 40 }, snapshot: { index: 500 }, durable: 40 },
        { commit: 40, from: 1, members: FOUNDERS },
      ],
      [
        "a log that begins where its snapshot ends",
        { log: { base: 50, last: 90, commit: 80 }, snapshot: { index: 50 }, durable: 60 },
        { commit: 80, from: 50, members: FOUNDERS },
      ],
    ],
  )("%s goes on from there", async (_what, found, { commit, from, members }) => {
    const { begin, membership, machine } = await start(found);
    const again = await begin();
    expect([again.hardState, again.from]).toEqual([{ term: 2, vote: "2", commit }, from]);
    expect(membership.current).toEqual(members);
    expect(machine.durableIndex).toBe(found.durable ?? 0);
  });

  test("no state where the log begins later takes it from the snapshot", async () => {
    const { begin, machine } = await start({
      log: { base: 50, last: 90, commit: 80 },
      snapshot: { index: 60 },
    });
    expect(await begin()).toMatchObject({ hardState: { commit: 80 }, from: 60 });
    expect(machine.applied).toEqual(["up to 60"]);
  });

  test("a log that was begun behind a snapshot, and a crash before that was installed, installs it", async () => {
    const { begin, machine } = await start({
      log: { base: 50, last: 50, commit: 50 },
      snapshot: { index: 50 },
      durable: 20,
    });
    expect(await begin()).toMatchObject({ hardState: { commit: 50 }, from: 50 });
    expect(machine.durableIndex).toBe(50);
  });

  const beyond: readonly [string, Found, SnapshotMeta["index"]][] = [
    [
      "a snapshot beyond the log that the lost state needs",
      { log: { base: 50, last: 90, commit: 80 }, snapshot: { index: 120, term: 5 } },
      120,
    ],
    [
      "a snapshot whose entry the log never had, but another one",
      { log: { base: 50, last: 90, commit: 55, term: 2 }, snapshot: { index: 70, term: 5 } },
      70,
    ],
  ];

  test.each(beyond)("%s begins its log anew behind it", async (_what, found, index) => {
    const { begin, image, membership } = await start(found);
    const { hardState, from } = await begin();
    expect(hardState).toEqual({ term: 5, vote: "", commit: index });
    expect(from).toBe(index);
    expect(image.snapshot).toEqual({ index, term: 5, confState: LATER });
    expect(image.entries).toEqual([]);
    expect(membership.current).toEqual(LATER);
  });

  test.each(
    beyond.flatMap(([what, found, index]) =>
      (["the log", "the state"] as const).map((part) => [what, part, found, index] as const),
    ),
  )(
    "%s, and crashes before it has changed %s, does so at its next start",
    async (_what, part, found, index) => {
      const { begin, log, machine, image } = await start(found);
      const crash = new Error("power is gone");
      if (part === "the log") vi.spyOn(log, "append").mockRejectedValueOnce(crash);
      else vi.spyOn(machine, "restore").mockRejectedValueOnce(crash);
      await expect(begin()).rejects.toThrow("power is gone");
      expect(await begin()).toMatchObject({ hardState: { term: 5, commit: index }, from: index });
      expect([image.snapshot?.index, machine.durableIndex]).toEqual([index, index]);
    },
  );
});

describe("a node does not start that finds", () => {
  test.each<[string, Found, string]>([
    ["a state and no log", { log: null, durable: 9 }, "there is no log"],
    ["a snapshot and no log, as a founder", { log: null, snapshot: { index: 50 } }, "there is no log"],
    [
      "a state beyond the end of its log",
      { log: { base: 1, last: 9, commit: 9 }, durable: 12 },
      "lost its end",
    ],
    [
      "a gap between state and log",
      { log: { base: 50, last: 90, commit: 80 }, durable: 20 },
      "no snapshot covers",
    ],
    [
      "a gap that its snapshot does not fill",
      { log: { base: 50, last: 90, commit: 80 }, snapshot: { index: 40 }, durable: 20 },
      "no snapshot covers",
    ],
  ])("%s", async (_what, found, text) => {
    const { begin } = await start(found);
    const failure = begin();
    await expect(failure).rejects.toMatchObject({ code: "log_corrupt" });
    await expect(failure).rejects.toThrow(text);
  });

  test("a snapshot that it needs and that is damaged", async () => {
    const { begin, kept } = await start({ log: { base: 50, last: 90, commit: 80 }, snapshot: { index: 60 } });
    kept.latest!.contents.get("applied.json")![2]! ^= 1;
    await expect(begin()).rejects.toMatchObject({ code: "snapshot_corrupt" });
  });
});
