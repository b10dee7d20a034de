/** The leader asks the voters for their clocks: who is silent does not count, and does not make the others late. */
import { beforeEach, expect, test } from "vitest";
import { WallClocks } from "../../../cluster/wall-clocks.js";
import { CallingPeers } from "../../support/calling-peers.js";
import { HandTicker } from "../../support/memory-group.js";
import { outcomeOf } from "../../support/played-member.js";

const VOTERS = ["1", "2", "3"];

let ticker: HandTicker;
let peers: CallingPeers;
let walls: Record<string, number>;
let leader: WallClocks;

function join(id: string): WallClocks {
  const nowMs = (): number => (walls[id] ?? 0) + ticker.monotonicMs();
  return new WallClocks(id, peers.join(id), { nowMs, monotonicMs: ticker.monotonicMs }, () => VOTERS);
}

beforeEach(() => {
  ticker = new HandTicker();
  peers = new CallingPeers(ticker);
  walls = { "1": 1_000_000, "2": 1_000_010, "3": 9_000_000 };
  leader = join("1");
});

test("one clock that is far ahead does not count", async () => {
  join("2");
  join("3");
  expect(await outcomeOf(ticker, leader.agreedMs())).toBe(1_000_010 + ticker.monotonicMs());
});

test("with one silent, the two others must both have reached it; the wait is made up for", async () => {
  join("2");
  const agreed = await outcomeOf(ticker, leader.agreedMs());
  expect(ticker.monotonicMs()).toBeGreaterThanOrEqual(1_000);
  expect(agreed).toBe(1_000_000 + ticker.monotonicMs());
});

test("alone it knows nothing", async () => {
  expect(await outcomeOf(ticker, leader.agreedMs())).toBe(null);
});
