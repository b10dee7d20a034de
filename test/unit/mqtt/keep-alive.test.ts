/** Silence, measured. */
import { expect, it } from "vitest";
import { KeepAlive } from "../../../src/edges/mqtt/keep-alive.js";
import { ManualClock } from "../../support/manual-clock.js";

function create(keepAliveSeconds: number): {
  clock: ManualClock;
  keepAlive: KeepAlive;
  silences: number[];
  held: { is: boolean };
} {
  const clock = new ManualClock();
  const silences: number[] = [];
  const held = { is: false };
  const keepAlive = new KeepAlive({
    clock,
    keepAliveSeconds,
    isHeld: () => held.is,
    onSilent: () => silences.push(clock.monotonicMs()),
  });
  return { clock, keepAlive, silences, held };
}

it("is one and a half times the keep-alive, once (MQTT-3.1.2-24)", () => {
  const { clock, silences } = create(2);
  clock.advance(2_999);
  expect(silences).toEqual([]);
  clock.advance(100_000);
  expect(silences).toEqual([3_000]);
});

it("begins again with each packet, without a timer for each", () => {
  const { clock, keepAlive, silences } = create(2);
  for (let i = 0; i < 10; i += 1) {
    clock.advance(1_000);
    keepAlive.heard();
  }
  clock.advance(100_000);
  expect(silences).toEqual([13_000]);
});

it("is none while the server does not read", () => {
  const { clock, silences, held } = create(2);
  held.is = true;
  clock.advance(10_000);
  expect(silences).toEqual([]);
  held.is = false;
  clock.advance(10_000);
  expect(silences).toEqual([12_000]);
});

it("is never any at keep-alive 0", () => {
  const { clock } = create(0);
  expect(clock.nextTimerMs).toBeNull();
});

it("ends with the connection", () => {
  const { clock, keepAlive, silences } = create(2);
  keepAlive.stop();
  clock.advance(10_000);
  expect(silences).toEqual([]);
  expect(clock.nextTimerMs).toBeNull();
});
