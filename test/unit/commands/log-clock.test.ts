/** The clock that envelopes are stamped with: the monotonic clock from the log's time on, whatever a wall clock does. */
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { reachedByMajority } from "../../../cluster/wall-clocks.js";
import { LogClock, SLEW } from "../../../src/commands/log-clock.js";
import { ManualClock } from "../../support/manual-clock.js";

const START_MS = 1_780_000_000_000;
const HOUR_MS = 3_600_000;

describe("a log clock", () => {
  let own: ManualClock;
  let suspendedMs: number;
  let appliedMs: number;
  let jumps: number[];
  let clock: LogClock;

  const create = (): LogClock =>
    new LogClock({
      clock: own,
      uptimeMs: () => own.monotonicMs() + suspendedMs,
      appliedMs: () => appliedMs,
      onJump: (jumpMs) => jumps.push(jumpMs),
    });
  /** Somebody asks every second, as its keeper does. */
  const pass = (ms: number): void => {
    for (let left = ms; left > 0; left -= 1_000) {
      own.advance(Math.min(left, 1_000));
      clock.nowMs();
    }
  };
  /** As a leader whose majority is right. */
  const lead = (ms: number, offsetMs: number): void => {
    for (let left = ms; left > 0; left -= 10_000) {
      clock.agreed(START_MS + own.monotonicMs() + offsetMs);
      pass(Math.min(left, 10_000));
    }
  };

  beforeEach(() => {
    own = new ManualClock(START_MS);
    suspendedMs = 0;
    appliedMs = START_MS;
    jumps = [];
    clock = create();
  });

  it("is the wall clock before there is a log", () => {
    appliedMs = 0;
    clock = create();
    expect(clock.nowMs()).toBe(START_MS);
    own.jump(HOUR_MS);
    expect(clock.nowMs()).toBe(START_MS + HOUR_MS);
    // The log began elsewhere meanwhile.
    appliedMs = START_MS + 5;
    expect(clock.nowMs()).toBe(START_MS + 5);
  });

  it.each([
    ["forward", HOUR_MS, 1],
    ["back", -HOUR_MS, 1 - SLEW],
  ])("does not jump with a wall clock that is set %s, and says so once", (_way, jumpMs, rate) => {
    pass(5_000);
    own.jump(jumpMs);
    pass(10_000);
    expect(jumps).toEqual([jumpMs]);
    expect(clock.nowMs()).toBeCloseTo(START_MS + 6_000 + 9_000 * rate, -3);
    expect(clock.wallOffsetMs).toBeCloseTo(jumpMs, -3);
  });

  it("starts from the log's time, not from a wall clock that is wrong", () => {
    own.jump(HOUR_MS);
    clock = create();
    pass(2_000);
    expect(clock.nowMs()).toBe(START_MS + 2_000);
    expect(jumps).toEqual([]);
  });

  it("goes on from what is applied, and never goes back", () => {
    pass(2_000);
    appliedMs = START_MS + 60_000;
    expect(clock.nowMs()).toBe(START_MS + 60_000);
    pass(500);
    expect(clock.nowMs()).toBe(START_MS + 60_500);
    appliedMs = START_MS;
    expect(clock.nowMs()).toBe(START_MS + 60_500);
  });

  describe("of a leader", () => {
    it("makes up for the time that the whole group was down, once", () => {
      own.jump(2 * HOUR_MS);
      clock = create();
      pass(1_000);
      expect(clock.agreed(own.nowMs())).toBeCloseTo(2 * HOUR_MS, -3);
      expect(clock.nowMs()).toBe(own.nowMs());
      own.jump(HOUR_MS);
      expect(clock.agreed(own.nowMs())).toBe(0);
      expect(clock.nowMs()).toBe(own.nowMs() - HOUR_MS);
    });

    it("may still do so when a bare majority was held back by one wrong clock", () => {
      expect(clock.agreed(START_MS - HOUR_MS)).toBe(0);
      expect(clock.agreed(START_MS + HOUR_MS)).toBe(HOUR_MS);
    });

    it.each([
      ["forward", HOUR_MS, SLEW],
      ["back", -HOUR_MS, -SLEW],
    ])("follows a majority that was set %s a twentieth faster or slower", (_way, offsetMs, slew) => {
      lead(10_000, 0);
      lead(1_000_000, offsetMs);
      const passedMs = own.monotonicMs();
      expect(clock.nowMs() - START_MS - passedMs).toBeCloseTo(1_000_000 * slew, -4);
      lead(HOUR_MS / SLEW, offsetMs);
      expect(Math.abs(clock.nowMs() - START_MS - own.monotonicMs() - offsetMs)).toBeLessThan(2_000);
    });

    it("hurries no more when it leads no more", () => {
      lead(10_000, 0);
      own.jump(HOUR_MS);
      lead(100_000, HOUR_MS);
      clock.forgetAgreed();
      pass(2_000);
      const beforeMs = clock.nowMs();
      pass(10_000);
      expect(clock.nowMs() - beforeMs).toBe(10_000);
    });

    it("sets a log right at once whose time is from before there was such a log", () => {
      appliedMs = 40_000;
      clock = create();
      clock.agreed(40_000);
      pass(1_000);
      expect(clock.agreed(START_MS)).toBeCloseTo(START_MS - 41_000, -3);
      expect(clock.nowMs()).toBe(START_MS);
    });
  });

  it("catches up after the machine was suspended, which is no jump", () => {
    pass(3_000);
    suspendedMs = 8 * HOUR_MS;
    own.jump(8 * HOUR_MS);
    pass(1_000);
    expect(clock.nowMs()).toBe(START_MS + 4_000 + 8 * HOUR_MS);
    expect(jumps).toEqual([]);
  });
});

describe("what a majority's clocks have reached", () => {
  it.each<[string, readonly number[], number, number | null]>([
    ["one voter", [7], 1, 7],
    ["two, one ahead", [10, 70], 2, 10],
    ["two, one silent", [10], 2, null],
    ["three, one ahead", [10, 11, 70], 3, 11],
    ["three, one behind", [10, 11, -50], 3, 10],
    ["three, one silent and one ahead", [10, 70], 3, 10],
    ["three, two silent", [70], 3, null],
    ["five, two ahead", [10, 11, 12, 70, 80], 5, 12],
    ["nobody", [], 3, null],
  ])("%s", (_name, clocks, voters, expected) => {
    expect(reachedByMajority(clocks, voters)).toBe(expected);
  });
});

/** Three nodes with one log, time and chance by hand. */
class Trio {
  realMs = START_MS;
  logMs = START_MS;
  leader = 0;
  readonly owns = [0, 1, 2].map(() => new ManualClock(START_MS));
  readonly clocks: LogClock[];

  constructor() {
    this.clocks = this.owns.map((_own, at) => this.#born(at));
  }

  #own(at: number): ManualClock {
    const own = this.owns[at];
    if (own === undefined) throw new Error(`there is no node ${at}`);
    return own;
  }

  #born(at: number): LogClock {
    const own = this.#own(at);
    return new LogClock({
      clock: own,
      uptimeMs: () => own.monotonicMs(),
      appliedMs: () => this.logMs,
      onJump: () => undefined,
    });
  }

  pass(ms: number): void {
    this.realMs += ms;
    for (const own of this.owns) own.advance(ms);
    for (const clock of this.clocks) clock.nowMs();
  }

  stamp(at: number): void {
    this.logMs = Math.max(this.logMs, this.clocks[at]?.nowMs() ?? 0);
  }

  restart(at: number): void {
    this.clocks[at] = this.#born(at);
  }

  lead(at: number): void {
    if (at !== this.leader) this.clocks[this.leader]?.forgetAgreed();
    this.leader = at;
    const agreed = reachedByMajority(
      this.owns.map((own) => own.nowMs()),
      3,
    );
    this.clocks[at]?.agreed(agreed ?? 0);
    this.stamp(at);
  }

  set(at: number, offsetMs: number): void {
    const own = this.#own(at);
    own.jump(this.realMs + offsetMs - own.nowMs());
  }
}

type Stroke =
  | { readonly kind: "pass"; readonly ms: number }
  | { readonly kind: "stamp" | "restart" | "lead"; readonly at: number }
  | { readonly kind: "set"; readonly offsetMs: number };

const at = fc.integer({ min: 0, max: 2 });
const stroke: fc.Arbitrary<Stroke> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("pass"), ms: fc.integer({ min: 1, max: 30_000 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom("stamp", "restart", "lead"), at }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("set"), offsetMs: fc.constantFrom(0, HOUR_MS, -HOUR_MS) }),
  },
) as fc.Arbitrary<Stroke>;

describe("the log's time of three nodes, one of which has a clock that jumps an hour", () => {
  it("is never ahead of the real time, and where it is while somebody leads", () => {
    fc.assert(
      fc.property(at, fc.array(stroke, { minLength: 5, maxLength: 60 }), (faulty, strokes) => {
        const trio = new Trio();
        for (const one of strokes) {
          if (one.kind === "pass") trio.pass(one.ms);
          else if (one.kind === "set") trio.set(faulty, one.offsetMs);
          else trio[one.kind](one.at);
          expect(trio.logMs - trio.realMs).toBeLessThanOrEqual(0);
        }
        // Every node leads once: what one of them had missed is made up for.
        for (const next of [0, 1, 2]) trio.lead(next);
        expect(trio.realMs - trio.logMs).toBeLessThanOrEqual(1_000 + (trio.realMs - START_MS) * SLEW);
      }),
      {
        numRuns: 300,
        // Nobody looks for so long that a twentieth more would be too much.
        examples: [
          [
            0,
            [
              { kind: "set", offsetMs: -HOUR_MS },
              { kind: "pass", ms: 1_000 },
              { kind: "lead", at: 0 },
              { kind: "pass", ms: 20_001 },
              { kind: "pass", ms: 20_021 },
              { kind: "stamp", at: 0 },
            ],
          ],
        ],
      },
    );
  });
});
