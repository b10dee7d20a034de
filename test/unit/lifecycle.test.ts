/** Whether a node serves: what its parts tell each other, and how long a group may be without a leader. */
import { beforeEach, expect, test } from "vitest";
import { Lifecycle, StoppedEarly } from "../../src/lifecycle.js";
import { limits } from "../../src/limits.js";
import { ManualClock } from "../support/manual-clock.js";

let clock: ManualClock;
let lifecycle: Lifecycle;

beforeEach(() => {
  clock = new ManualClock();
  lifecycle = new Lifecycle(clock);
});

test("a node that starts is not ready, and takes what its own parts submit", () => {
  expect(lifecycle.readiness()).toEqual({
    ready: false,
    reason: "the node is starting",
    canRead: false,
  });
  expect(lifecycle.refusal()).toBeNull();
});

test("an election is waited for; a group without a majority is not", () => {
  lifecycle.phase = "serving";
  lifecycle.leaderIs("2");
  clock.advance(60_000);
  expect([lifecycle.refusal(), lifecycle.readiness()]).toEqual([null, { ready: true }]);
  lifecycle.leaderIs("");
  clock.advance(limits.leaderlessMsMax);
  expect([lifecycle.refusal(), lifecycle.readiness()]).toEqual([null, { ready: true }]);
  clock.advance(1);
  expect(lifecycle.refusal()).toBe("no_leader");
  expect(lifecycle.readiness()).toEqual({ ready: false, reason: "the group has no leader", canRead: true });
  lifecycle.leaderIs("3");
  expect([lifecycle.refusal(), lifecycle.readiness()]).toEqual([null, { ready: true }]);
});

test("a node that never knew a leader is without one from its start on", () => {
  lifecycle.phase = "serving";
  clock.advance(limits.leaderlessMsMax + 1);
  expect(lifecycle.refusal()).toBe("no_leader");
});

test("each time without a leader is counted from its own beginning", () => {
  lifecycle.phase = "serving";
  for (let nth = 0; nth < 5; nth += 1) {
    lifecycle.leaderIs("");
    clock.advance(limits.leaderlessMsMax - 1);
    expect(lifecycle.refusal()).toBeNull();
    lifecycle.leaderIs("1");
    clock.advance(1_000);
  }
});

test("a node that is leaving is not ready, and takes what its clients have begun", () => {
  lifecycle.leaderIs("1");
  lifecycle.phase = "leaving";
  expect(lifecycle.readiness()).toEqual({ ready: false, reason: "the node is stopping", canRead: false });
  expect(lifecycle.refusal()).toBeNull();
});

test("a node that stops refuses, whoever leads, and a failure stops it", async () => {
  lifecycle.phase = "serving";
  lifecycle.leaderIs("1");
  const first = new Error("the disk is gone");
  lifecycle.fail(first);
  lifecycle.fail(new Error("and so is everything else"));
  expect(await lifecycle.failed).toBe(first);
  expect(lifecycle.refusal()).toBe("shutting_down");
  expect(lifecycle.readiness()).toEqual({
    ready: false,
    reason: "the node is stopping",
    canRead: false,
  });
});

test("a node that is told to stop ends its start, and nothing once it serves", async () => {
  lifecycle.stopAsked();
  expect(await lifecycle.failed).toBeInstanceOf(StoppedEarly);
  const other = new Lifecycle(clock);
  other.phase = "serving";
  other.stopAsked();
  expect(other.phase).toBe("serving");
});
