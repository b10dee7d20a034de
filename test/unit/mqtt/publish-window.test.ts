/** Publishes that wait for commit: acknowledged in order, bounded in number and bytes. */
import { describe, expect, it } from "vitest";
import { PublishWindow } from "../../../src/edges/mqtt/publish-window.js";
import type { CommandResult } from "../../../src/state-machine/effects.js";

const DONE: CommandResult = { kind: "done" };
const FAILED: CommandResult = { kind: "failed", code: "disk_full" };

function create(
  publishesMax = 10,
  bytesMax = 1_000,
): { window: PublishWindow; refused: [number, string][]; asked: () => number } {
  const refused: [number, string][] = [];
  let asked = 0;
  const window = new PublishWindow({
    publishesMax,
    bytesMax,
    onSettled: () => {
      asked += 1;
    },
    onRefused: (packetId, { code }) => refused.push([packetId, code]),
  });
  return { window, refused, asked: () => asked };
}

function acknowledged(window: PublishWindow): number[] {
  const bytes = window.flush().acknowledgements ?? Buffer.alloc(0);
  const ids: number[] = [];
  for (let at = 0; at < bytes.length; at += 4) {
    expect(bytes.readUInt16BE(at)).toBe(0x4002);
    ids.push(bytes.readUInt16BE(at + 2));
  }
  return ids;
}

describe("acknowledgements", () => {
  it("come in the order of the publishes, whatever the order in which they are settled (MQTT-4.6.0-2)", () => {
    const { window } = create();
    const [first, second, third] = [7, 8, 9].map((id) => window.open(id, 1));
    third?.(DONE);
    expect(acknowledged(window)).toEqual([]);
    first?.(DONE);
    expect(acknowledged(window)).toEqual([7]);
    second?.(DONE);
    expect(acknowledged(window)).toEqual([8, 9]);
    expect(window.isEmpty).toBe(true);
  });

  it("leave out QoS 0 and what was refused, and count what was published", () => {
    const { window, refused } = create();
    window.open(0, 5)(DONE);
    window.open(1, 6)(FAILED);
    window.open(2, 7)(DONE);
    window.open(0, 8)(FAILED);
    const settled = window.flush();
    expect(settled.acknowledgements).toEqual(Buffer.from([0x40, 2, 0, 2]));
    expect([settled.messages, settled.bytes]).toEqual([2, 12]);
    expect(refused).toEqual([
      [1, "disk_full"],
      [0, "disk_full"],
    ]);
  });

  it("of more publishes than it was made for, settled while it grows", () => {
    const { window } = create(10_000, 1_000_000);
    const settles = Array.from({ length: 200 }, (_, i) => window.open(i + 1, 1));
    for (const settle of settles.slice(0, 50)) settle(DONE);
    expect(acknowledged(window)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
    const more = Array.from({ length: 200 }, (_, i) => window.open(i + 201, 1));
    for (const settle of [...settles.slice(50), ...more].reverse()) settle(DONE);
    expect(acknowledged(window)).toEqual(Array.from({ length: 350 }, (_, i) => i + 51));
  });
});

describe("ceilings", () => {
  it("in number: full at the ceiling, room at half of it", () => {
    const { window } = create(4);
    const settles = [1, 2, 3, 4].map((id) => window.open(id, 0));
    expect([window.isFull, window.hasRoom]).toEqual([true, false]);
    settles[0]?.(DONE);
    window.flush();
    expect([window.isFull, window.hasRoom]).toEqual([false, false]);
    settles[1]?.(DONE);
    window.flush();
    expect(window.hasRoom).toBe(true);
  });

  it("in bytes: full at the ceiling, room at half of it", () => {
    const { window } = create(100, 10);
    const first = window.open(1, 6);
    expect(window.isFull).toBe(false);
    window.open(2, 4);
    expect([window.isFull, window.hasRoom]).toEqual([true, false]);
    first(DONE);
    window.flush();
    expect([window.isFull, window.hasRoom]).toEqual([false, true]);
  });
});

it("asks to be flushed whenever something is settled", () => {
  const { window, asked } = create();
  const settle = window.open(1, 1);
  expect(asked()).toBe(0);
  settle(FAILED);
  expect(asked()).toBe(1);
});
