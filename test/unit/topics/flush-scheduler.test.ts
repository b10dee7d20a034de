/** The flush policy by script: what waits how long. */
import { describe, expect, test } from "vitest";
import { FlushScheduler } from "../../../src/topics/flush-scheduler.js";
import { ManualClock } from "../../support/manual-clock.js";

/** A scheduler whose turns take `costMs` each; `turns` says when they ended. */
function script(costMs: number) {
  const clock = new ManualClock();
  const turns: number[] = [];
  const urgent: number[] = [];
  const spend = (into: number[]) => (): void => {
    clock.spend(costMs);
    into.push(clock.monotonicMs());
  };
  const scheduler = new FlushScheduler({
    clock,
    delayMsMax: 50,
    turn: spend(turns),
    urgentTurn: spend(urgent),
  });
  const publish = (): void => {
    scheduler.published();
    scheduler.request();
  };
  return { clock, scheduler, turns, urgent, publish };
}

describe("when turns come", () => {
  test("idle: at the end of the present turn, one for however many asked", () => {
    const { clock, publish, turns } = script(0);
    publish();
    publish();
    expect(turns).toEqual([]);
    clock.turn();
    expect(turns).toEqual([0]);
    expect(clock.nextTimerMs).toBe(null);
  });

  test.each([
    [0.03, 0],
    [0.3, 3],
    [1, 7],
    [4, 28],
    [30, 50],
  ])("publishers busy: after a turn of %f ms the next waits %f ms", (costMs, waitMs) => {
    const { clock, publish } = script(costMs);
    publish();
    clock.turn();
    publish();
    expect(clock.hasSoon).toBe(waitMs === 0);
    expect(clock.nextTimerMs ?? 0).toBeCloseTo(waitMs);
  });

  test("the wait is counted from the turn's end, and what has passed of it counts", () => {
    const { clock, publish, turns } = script(4);
    publish();
    clock.turn();
    clock.advance(5);
    publish();
    expect(clock.nextTimerMs).toBe(23);
    clock.advance(23);
    expect(turns).toEqual([4, 36]);
  });

  test("under steady load fan-out has an eighth of the time", () => {
    const { clock, publish, turns } = script(2);
    while (clock.monotonicMs() < 1_000) {
      publish();
      clock.advance(1);
    }
    const share = (turns.length * 2) / clock.monotonicMs();
    expect(share).toBeGreaterThan(0.1);
    expect(share).toBeLessThanOrEqual(0.13);
  });

  test("without publishers there is nobody to wait for", () => {
    const { clock, scheduler, turns } = script(9);
    scheduler.request();
    clock.turn();
    scheduler.request();
    expect(clock.hasSoon).toBe(true);
    clock.turn();
    expect(turns).toEqual([9, 18]);
  });

  test("urgent: at the end of the present turn whatever the load, and its time is counted", () => {
    const { clock, publish, scheduler, turns, urgent } = script(2);
    publish();
    clock.turn();
    publish();
    scheduler.requestUrgent();
    scheduler.requestUrgent();
    clock.turn();
    expect(urgent).toEqual([4]);
    // The turn that was set for 16 ms stays there: urgent ones must not put off everybody else for ever.
    expect(clock.nextTimerMs).toBe(12);
    clock.advance(12);
    expect(turns).toEqual([2, 18]);
    // But the one after it rests for all three: until 2 + 7 * (2 + 2 + 2) ms.
    publish();
    expect(clock.nextTimerMs).toBe(26);
  });

  test("debts never add up to more than the longest wait", () => {
    const { clock, scheduler } = script(0);
    for (let i = 0; i < 10; i += 1) scheduler.measured(() => clock.spend(20));
    scheduler.request();
    expect(clock.nextTimerMs).toBe(50);
  });

  test("stopped: nothing comes any more", () => {
    const { clock, publish, scheduler, turns, urgent } = script(1);
    publish();
    scheduler.requestUrgent();
    scheduler.stop();
    clock.advance(100);
    expect([turns, urgent]).toEqual([[], []]);
  });
});
