/**
 * What every Raft log does, on whatever it is kept. Run on the disk's log and on its memory twin.
 */
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import type { LogAppend, LogStore, RecoveredLog } from "../../cluster/log/log-store.js";
import { EMPTY_HARD_STATE, type Entry, EntryKind, type SnapshotMeta } from "../../cluster/types.js";

/** One place where a log is kept, which can be opened again and again. */
export interface LogPlace {
  /** A log on what is there; not opened. */
  create(): LogStore;
  remove(): Promise<void>;
}

export function entry(index: number, term: number, data: string | Uint8Array = `entry ${index}`): Entry {
  return { index, term, kind: EntryKind.Command, data: typeof data === "string" ? Buffer.from(data) : data };
}

export function marker(index: number, term: number): SnapshotMeta {
  const confState = {
    voters: ["1", "2"],
    learners: ["3"],
    votersOutgoing: [],
    learnersNext: [],
    autoLeave: false,
  };
  return { index, term, confState };
}

/** Entries as plain values, to compare. */
export function plain(entries: readonly Entry[]): unknown[] {
  return entries.map(({ index, term, kind, data }) => ({
    index,
    term,
    kind,
    data: Buffer.from(data).toString("hex"),
  }));
}

export function readAll(log: LogStore): readonly Entry[] {
  const all: Entry[] = [];
  for (let lo = log.firstIndex(); lo <= log.lastIndex(); ) {
    const some = log.entries(lo, log.lastIndex() + 1, 1000);
    all.push(...some);
    lo += some.length;
  }
  return all;
}

const BOOTSTRAP: LogAppend = {
  entries: [],
  hardState: { term: 1, vote: "", commit: 1 },
  snapshot: marker(1, 1),
};

export function describeLogStore(name: string, createPlace: () => Promise<LogPlace>): void {
  describe(`log store: ${name}`, () => {
    const cleanups: (() => Promise<void>)[] = [];
    afterEach(async () => {
      for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
    });

    /** A log in a new place, and a function that closes it and opens the place again. */
    async function start(place?: LogPlace): Promise<{
      log: LogStore;
      found: RecoveredLog;
      again: () => Promise<{ log: LogStore; found: RecoveredLog }>;
    }> {
      const kept = place ?? (await createPlace());
      cleanups.push(() => kept.remove());
      let log = kept.create();
      const found = await log.open();
      let open = true;
      cleanups.push(async () => {
        if (open) await log.close();
      });
      return {
        log,
        found,
        again: async () => {
          await log.close();
          open = false;
          log = kept.create();
          const foundAgain = await log.open();
          open = true;
          return { log, found: foundAgain };
        },
      };
    }

    async function bootstrapped(): ReturnType<typeof start> {
      const started = await start();
      await started.log.append(BOOTSTRAP);
      return started;
    }

    it("is empty at first", async () => {
      const { log, found } = await start();
      expect(found).toEqual({
        hardState: EMPTY_HARD_STATE,
        snapshot: null,
        firstIndex: 1,
        lastIndex: 0,
        tornBytes: 0,
      });
      expect(log.term(0)).toBe(0);
      expect(log.entries(1, 1, 100)).toEqual([]);
      expect(log.bytes()).toBe(0);
      expect(() => log.term(1)).toThrow(expect.objectContaining({ code: "log_unavailable" }));
    });

    it("begins behind the snapshot that it is bootstrapped with", async () => {
      const { log, again } = await bootstrapped();
      expect([log.firstIndex(), log.lastIndex(), log.term(1)]).toEqual([2, 1, 1]);
      const { found } = await again();
      expect(found).toEqual({
        hardState: { term: 1, vote: "", commit: 1 },
        snapshot: marker(1, 1),
        firstIndex: 2,
        lastIndex: 1,
        tornBytes: 0,
      });
    });

    it("gives back what was appended, before and after it is opened again", async () => {
      const { log, again } = await bootstrapped();
      const change: Entry = { index: 4, term: 2, kind: EntryKind.ConfChange, data: Buffer.from("{}") };
      await log.append({ entries: [entry(2, 1), entry(3, 2, "")] });
      await log.append({ entries: [change], hardState: { term: 2, vote: "2", commit: 3 } });
      const expected = plain([entry(2, 1), entry(3, 2, ""), change]);
      expect(plain(log.entries(2, 5, 1e6))).toEqual(expected);
      const { log: reopened, found } = await again();
      expect(found.hardState).toEqual({ term: 2, vote: "2", commit: 3 });
      expect(plain(reopened.entries(2, 5, 1e6))).toEqual(expected);
      expect([1, 2, 3, 4].map((index) => reopened.term(index))).toEqual([1, 1, 2, 2]);
    });

    it("keeps entries of every size", async () => {
      const { log, again } = await bootstrapped();
      const sizes = [0, 1, 7, 8, 9, 4000, 65_535, 65_536, 65_537, 300_001];
      const entries = sizes.map((bytes, nth) => entry(2 + nth, 1, Buffer.alloc(bytes, nth + 1)));
      await log.append({ entries });
      for (const single of sizes.keys()) {
        await log.append({ entries: [{ ...entries[single]!, index: 12 + single }] });
      }
      const expected = plain([...entries, ...entries.map((each) => ({ ...each, index: each.index + 10 }))]);
      expect(plain(log.entries(2, 22, 1e9))).toEqual(expected);
      const { log: reopened } = await again();
      expect(plain(reopened.entries(2, 22, 1e9))).toEqual(expected);
    });

    it("gives at least one entry, then as many as fit", async () => {
      const { log, again } = await bootstrapped();
      await log.append({ entries: [2, 3, 4, 5].map((index) => entry(index, 1, Buffer.alloc(100))) });
      const check = (from: LogStore): void => {
        const counts = [0, 99, 100, 199, 200, 399, 400].map((max) => from.entries(2, 6, max).length);
        expect(counts).toEqual([1, 1, 1, 1, 2, 3, 4]);
        expect(from.entries(3, 5, 1e6).map(({ index }) => index)).toEqual([3, 4]);
      };
      check(log);
      check((await again()).log);
    });

    it("says when an entry is compacted or not there yet", async () => {
      const { log } = await bootstrapped();
      await log.append({ entries: [2, 3, 4].map((index) => entry(index, 1)) });
      await log.compact(marker(2, 1));
      const compacted = expect.objectContaining({ code: "log_compacted" });
      const unavailable = expect.objectContaining({ code: "log_unavailable" });
      expect(() => log.entries(2, 4, 100)).toThrow(compacted);
      expect(() => log.term(1)).toThrow(compacted);
      expect(log.term(2)).toBe(1);
      expect(() => log.entries(3, 6, 100)).toThrow(unavailable);
      expect(() => log.term(5)).toThrow(unavailable);
    });

    it("replaces what an entry at a lower index contradicts", async () => {
      const { log, again } = await bootstrapped();
      await log.append({ entries: [2, 3, 4, 5].map((index) => entry(index, 1, `old ${index}`)) });
      await log.append({ entries: [entry(3, 2, "new 3")] });
      const check = (from: LogStore): void => {
        expect(plain(readAll(from))).toEqual(plain([entry(2, 1, "old 2"), entry(3, 2, "new 3")]));
        expect([from.lastIndex(), from.term(3)]).toEqual([3, 2]);
      };
      check(log);
      await log.append({ entries: [entry(4, 2)] });
      await log.append({ entries: [entry(4, 3, "newest")] });
      const { log: reopened } = await again();
      expect(reopened.term(4)).toBe(3);
      expect(plain(reopened.entries(4, 5, 100))).toEqual(plain([entry(4, 3, "newest")]));
    });

    it("keeps a hard state that comes alone", async () => {
      const { log, again } = await bootstrapped();
      await log.append({ entries: [], hardState: { term: 9, vote: "12345", commit: 1 } });
      const { found } = await again();
      expect(found.hardState).toEqual({ term: 9, vote: "12345", commit: 1 });
    });

    it("starts afresh behind an installed snapshot, whatever was there", async () => {
      const { log, again } = await bootstrapped();
      await log.append({ entries: [2, 3, 4, 5, 6].map((index) => entry(index, 1)) });
      await log.append({ entries: [], snapshot: marker(4, 2), hardState: { term: 2, vote: "", commit: 4 } });
      expect([log.firstIndex(), log.lastIndex(), log.term(4), log.bytes()]).toEqual([5, 4, 2, 0]);
      await log.append({ entries: [entry(5, 2)], snapshot: marker(4, 2) });
      const { log: reopened, found } = await again();
      expect([found.firstIndex, found.lastIndex, found.snapshot]).toEqual([5, 5, marker(4, 2)]);
      expect(plain(readAll(reopened))).toEqual(plain([entry(5, 2)]));
    });

    it("installs a snapshot beyond its end", async () => {
      const { log, again } = await bootstrapped();
      await log.append({
        entries: [],
        snapshot: marker(1000, 7),
        hardState: { term: 7, vote: "", commit: 1000 },
      });
      await log.append({ entries: [entry(1001, 7)] });
      const { log: reopened } = await again();
      expect([reopened.firstIndex(), reopened.lastIndex(), reopened.term(1000)]).toEqual([1001, 1001, 7]);
    });

    it("lets go of what a marker covers and keeps the rest", async () => {
      const { log, again } = await bootstrapped();
      for (const index of [2, 3, 4, 5])
        await log.append({ entries: [entry(index, index, Buffer.alloc(1000))] });
      const before = log.bytes();
      await log.compact(marker(4, 4));
      await log.compact(marker(3, 3));
      const check = (from: LogStore): void => {
        expect([from.firstIndex(), from.lastIndex(), from.term(4), from.term(5)]).toEqual([5, 5, 4, 5]);
        expect(plain(readAll(from))).toEqual(plain([entry(5, 5, Buffer.alloc(1000))]));
      };
      check(log);
      expect(log.bytes()).toBeLessThan(before / 2);
      await log.compact(marker(5, 5));
      expect([log.firstIndex(), log.lastIndex(), log.bytes()]).toEqual([6, 5, 0]);
      const { log: reopened, found } = await again();
      expect(found.snapshot).toEqual(marker(5, 5));
      expect([reopened.firstIndex(), reopened.lastIndex(), reopened.term(5)]).toEqual([6, 5, 5]);
    });

    it.each<[string, (log: LogStore) => Promise<void>]>([
      ["a hole before the entries", (log) => log.append({ entries: [entry(5, 1)] })],
      ["a hole among the entries", (log) => log.append({ entries: [entry(4, 1), entry(6, 1)] })],
      ["an entry at the base", (log) => log.append({ entries: [entry(1, 1)] })],
      [
        "a commit beyond the end",
        (log) => log.append({ entries: [], hardState: { term: 1, vote: "", commit: 4 } }),
      ],
      ["a marker beyond the end", (log) => log.compact(marker(4, 1))],
      ["a marker of another term", (log) => log.compact(marker(3, 2))],
    ])("refuses %s, and goes on", async (_what, bad) => {
      const { log, again } = await bootstrapped();
      await log.append({ entries: [entry(2, 1), entry(3, 1)] });
      await expect(bad(log)).rejects.toMatchObject({ code: "invariant" });
      await log.append({ entries: [entry(4, 1)] });
      const { log: reopened } = await again();
      expect(plain(readAll(reopened))).toEqual(plain([2, 3, 4].map((index) => entry(index, 1))));
    });

    it("takes a marker while an append is on its way", async () => {
      const { log, again } = await bootstrapped();
      await log.append({ entries: [entry(2, 1), entry(3, 1)] });
      await Promise.all([log.append({ entries: [entry(4, 1)] }), log.compact(marker(3, 1))]);
      const { log: reopened } = await again();
      expect([reopened.firstIndex(), reopened.lastIndex()]).toEqual([4, 4]);
    });

    it("counts what it holds", async () => {
      const { log } = await bootstrapped();
      let before = log.bytes();
      for (const index of [2, 3, 4]) {
        await log.append({ entries: [entry(index, 1, Buffer.alloc(500))] });
        expect(log.bytes()).toBeGreaterThanOrEqual(before + 500);
        expect(log.bytes()).toBeLessThan(before + 700);
        before = log.bytes();
      }
    });

    it("agrees with a list, whatever is done to it", { timeout: 60_000 }, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(stepArbitrary, { minLength: 1, maxLength: 40 }), async (steps) => {
          const place = await createPlace();
          try {
            await runAgainstModel(place, steps);
          } finally {
            await place.remove();
          }
        }),
        { numRuns: 40 },
      );
    });
  });
}

type Step =
  | { readonly do: "append"; readonly back: number; readonly sizes: readonly number[] }
  | { readonly do: "compact"; readonly part: number }
  | { readonly do: "install"; readonly ahead: number }
  | { readonly do: "reopen" };

const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("append" as const),
      back: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(5) }),
      sizes: fc.array(fc.oneof(fc.nat(40), fc.nat(3000)), { maxLength: 6 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("compact" as const), part: fc.nat(100) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("install" as const), ahead: fc.integer({ min: -3, max: 5 }) }),
  },
  { weight: 2, arbitrary: fc.constant({ do: "reopen" as const }) },
);

async function runAgainstModel(place: LogPlace, steps: readonly Step[]): Promise<void> {
  let log = place.create();
  await log.open();
  let base = 1;
  let term = 1;
  let entries: Entry[] = [];
  await log.append(BOOTSTRAP);
  for (const step of steps) {
    const last = base + entries.length;
    if (step.do === "append") {
      const first = Math.max(base + 1, last + 1 - step.back);
      if (first <= last) term += 1;
      const added = step.sizes.map((bytes, nth) =>
        entry(first + nth, term, Buffer.alloc(bytes, first + nth)),
      );
      await log.append({ entries: added });
      if (added.length > 0) entries = [...entries.slice(0, first - base - 1), ...added];
    } else if (step.do === "compact") {
      const index = base + Math.floor((entries.length * step.part) / 100);
      await log.compact(marker(index, index === base ? 1 : entries[index - base - 1]!.term));
      entries = entries.slice(index - base);
      base = index;
    } else if (step.do === "install") {
      base = Math.max(base, last + step.ahead);
      entries = [];
      term += 1;
      await log.append({ entries: [], snapshot: marker(base, term) });
    } else {
      await log.close();
      log = place.create();
      await log.open();
    }
    expect([log.firstIndex(), log.lastIndex()]).toEqual([base + 1, base + entries.length]);
    expect(plain(readAll(log))).toEqual(plain(entries));
    expect(entries.map(({ index }) => log.term(index))).toEqual(entries.map((each) => each.term));
  }
  await log.close();
}
