/** The leader asks for the voters' clocks and brings the time into a log where nothing happens. */
import { beforeEach, expect, it } from "vitest";
import type { Command } from "../../../src/commands/command.js";
import { LogClock } from "../../../src/commands/log-clock.js";
import { Timekeeper } from "../../../src/replica/timekeeper.js";
import { silentLogger } from "../../../src/runtime/logger.js";
import { ManualClock } from "../../support/manual-clock.js";

const START_MS = 1_780_000_000_000;
const HOUR_MS = 3_600_000;

let own: ManualClock;
let appliedMs: number;
let isLeader: boolean;
let majorityMs: () => number | null;
let asked: number;
let brought: { readonly kind: Command["kind"]; readonly atMs: number }[];
let clock: LogClock;
let keeper: Timekeeper;

beforeEach(() => {
  own = new ManualClock(START_MS);
  appliedMs = START_MS;
  isLeader = true;
  majorityMs = () => own.nowMs();
  asked = 0;
  brought = [];
  clock = new LogClock({
    clock: own,
    uptimeMs: () => own.monotonicMs(),
    appliedMs: () => appliedMs,
    onJump: () => undefined,
  });
  keeper = new Timekeeper({
    clock,
    submit: ({ kind }, done) => {
      appliedMs = clock.nowMs();
      brought.push({ kind, atMs: appliedMs });
      done({ kind: "done" });
    },
    appliedMs: () => appliedMs,
    isLeader: () => isLeader,
    agreedMs: async () => {
      asked += 1;
      return majorityMs();
    },
    logger: silentLogger,
  });
});

/** Second by second, so that answers come in between. */
async function pass(seconds: number): Promise<void> {
  for (let second = 0; second < seconds; second += 1) {
    own.advance(1_000);
    await Promise.resolve();
    await Promise.resolve();
  }
}

it("asks at once, and every ten seconds; one that does not lead asks nobody", async () => {
  await keeper.start();
  expect(asked).toBe(1);
  await pass(25);
  expect(asked).toBe(3);
  isLeader = false;
  await pass(30);
  expect(asked).toBe(3);
  isLeader = true;
  await pass(1);
  expect(asked).toBe(4);
});

it("asks again in a second when there is no majority", async () => {
  majorityMs = () => null;
  await keeper.start();
  await pass(3);
  expect(asked).toBe(4);
});

it("brings the time after the group was down, before it resolves", async () => {
  appliedMs = START_MS - 2 * HOUR_MS;
  await keeper.start();
  expect(brought).toEqual([{ kind: "tick", atMs: START_MS }]);
});

it("brings the time once a minute where nobody else does", async () => {
  await keeper.start();
  await pass(59);
  expect(brought).toEqual([]);
  await pass(2);
  expect(brought.map(({ kind }) => kind)).toEqual(["tick"]);
  appliedMs = clock.nowMs() + 30_000;
  await pass(60);
  expect(brought).toHaveLength(1);
});

it("stops", async () => {
  await keeper.start();
  keeper.stop();
  await pass(100);
  expect([asked, brought]).toEqual([1, []]);
});
