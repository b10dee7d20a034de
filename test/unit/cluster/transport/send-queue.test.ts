/** What waits on a lane: its order, its ceiling, and how it is joined. */
import { describe, expect, test } from "vitest";
import { SendQueue } from "../../../../cluster/transport/send-queue.js";

function frame(...sizes: number[]) {
  const parts = sizes.map((size, i) => new Uint8Array(size).fill(i + 1));
  return { parts, byteLength: sizes.reduce((sum, size) => sum + size, 0) };
}

describe("the send queue", () => {
  test("joins small parts and leaves large ones alone", () => {
    const queue = new SendQueue(1_000_000);
    const large = frame(10, 20_000, 5);
    queue.push(frame(3));
    queue.push(large);
    queue.push(frame(4));
    const buffers = queue.take(1_000_000);
    expect(buffers.map(({ byteLength }) => byteLength)).toEqual([13, 20_000, 9]);
    expect(buffers[1]).toBe(large.parts[1]);
    expect(queue.isEmpty).toBe(true);
    expect(queue.take(100)).toEqual([]);
  });

  test("gives everything in order, however it is taken", () => {
    const queue = new SendQueue(1_000_000);
    const sent: number[] = [];
    const taken: number[] = [];
    for (let i = 0; i < 500; i += 1) {
      const size = (i * 37) % 300;
      const parts = [new Uint8Array(size).fill(i), new Uint8Array([i])];
      for (const part of parts) sent.push(...part);
      expect(queue.push({ parts, byteLength: size + 1 })).toBe(true);
      if (i % 7 === 0) for (const buffer of queue.take(900)) taken.push(...buffer);
    }
    while (!queue.isEmpty) for (const buffer of queue.take(900)) taken.push(...buffer);
    expect(taken).toEqual(sent);
  });

  test("takes at least one part, however large", () => {
    const queue = new SendQueue(1_000_000);
    queue.push(frame(50_000));
    queue.push(frame(50_000));
    expect(queue.take(10)).toHaveLength(1);
    expect(queue.take(10)).toHaveLength(1);
  });

  test("refuses what would take it past its ceiling, and recovers", () => {
    const queue = new SendQueue(100);
    expect(queue.push(frame(60))).toBe(true);
    expect(queue.push(frame(41))).toBe(false);
    expect(queue.push(frame(40))).toBe(true);
    expect(queue.isFull).toBe(true);
    queue.take(1_000);
    expect(queue.push(frame(100))).toBe(true);
    expect(queue.clear()).toBe(true);
    expect(queue.clear()).toBe(false);
    expect(queue.isEmpty).toBe(true);
  });
});
