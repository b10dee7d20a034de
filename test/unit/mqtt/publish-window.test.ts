/** Publishes that wait for commit: acknowledged in order, bounded in number and bytes. */
import { describe, expect, it } from "vitest";
import type { AckType } from "../../../src/edges/mqtt/packets/acknowledgement.js";
import { LEVEL_3_1_1, LEVEL_5, PacketType } from "../../../src/edges/mqtt/packets/protocol.js";
import { Reason } from "../../../src/edges/mqtt/packets/reason-codes.js";
import { type PublishAnswer, PublishWindow } from "../../../src/edges/mqtt/publish-window.js";
import type { CommandResult } from "../../../src/state-machine/effects.js";

const DONE: CommandResult = { kind: "done" };
const FAILED: CommandResult = { kind: "failed", code: "disk_full" };
const PUBLISHED: CommandResult = {
  kind: "published",
  topic: "a",
  count: 1,
  firstPosition: 1,
  lastPosition: 1,
  firstOffset: 0,
  lastOffset: 0,
  timestampMs: 0,
  replayed: false,
};
const { Puback, Pubrec, Pubcomp } = PacketType;

function create(
  publishesMax = 10,
  bytesMax = 1_000,
  answer: PublishAnswer | null = null,
): { window: PublishWindow; refused: [number, string][]; asked: () => number } {
  const refused: [number, string][] = [];
  let asked = 0;
  const window = new PublishWindow({
    level: answer === null ? LEVEL_3_1_1 : LEVEL_5,
    publishesMax,
    bytesMax,
    onSettled: () => {
      asked += 1;
    },
    onRefused: (_type, packetId, { code }) => {
      refused.push([packetId, code]);
      return answer;
    },
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
    const [first, second, third] = [7, 8, 9].map((id) => window.open(Puback, id, 1));
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
    window.open(0, 0, 5)(PUBLISHED);
    window.open(Puback, 1, 6)(FAILED);
    window.open(Puback, 2, 7)(PUBLISHED);
    window.open(0, 0, 8)(FAILED);
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
    const settles = Array.from({ length: 200 }, (_, i) => window.open(Puback, i + 1, 1));
    for (const settle of settles.slice(0, 50)) settle(DONE);
    expect(acknowledged(window)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
    const more = Array.from({ length: 200 }, (_, i) => window.open(Puback, i + 201, 1));
    for (const settle of [...settles.slice(50), ...more].reverse()) settle(DONE);
    expect(acknowledged(window)).toEqual(Array.from({ length: 350 }, (_, i) => i + 51));
  });
});

describe("of QoS 2", () => {
  it("PUBREC and PUBCOMP stand in one order with PUBACK, and only messages are counted", () => {
    const { window } = create();
    const settles = ([Pubrec, Puback, Pubcomp] as const).map((type, i) => window.open(type, i + 1, 3));
    for (const settle of settles.slice(0, 2)) settle(PUBLISHED);
    settles[2]?.(DONE);
    const { acknowledgements, messages, bytes } = window.flush();
    expect(acknowledgements?.toString("hex")).toBe("50020001" + "40020002" + "70020003");
    expect([messages, bytes]).toEqual([2, 6]);
  });

  it("one that was received before is answered and not counted", () => {
    const { window } = create();
    window.open(Pubrec, 1, 3)({ ...PUBLISHED, replayed: true });
    const first = window.open(Pubrec, 2, 3);
    window.answer(Pubrec, 2);
    expect(window.flush()).toMatchObject({ acknowledgements: Buffer.from([0x50, 2, 0, 1]), messages: 0 });
    first(PUBLISHED);
    expect(window.flush().acknowledgements?.toString("hex")).toBe("50020002" + "50020002");
  });
});

describe("of MQTT 5", () => {
  it.each<[string, AckType, PublishAnswer, string]>([
    ["a reason", Puback, { reason: Reason.QuotaExceeded, words: "" }, "4003000997"],
    [
      "a reason and words",
      Pubrec,
      { reason: Reason.QuotaExceeded, words: "no" },
      "500900099705" + "1f00026e6f",
    ],
  ])("a refused publish is answered with %s, between its neighbours", (_what, type, answer, hex) => {
    const { window } = create(10, 1_000, answer);
    window.open(Puback, 8, 1)(PUBLISHED);
    window.open(type, 9, 1)(FAILED);
    window.open(Puback, 10, 1)(PUBLISHED);
    const { acknowledgements, messages } = window.flush();
    expect(acknowledgements?.toString("hex")).toBe(`40020008${hex}4002000a`);
    expect(messages).toBe(2);
  });

  it("knows how many PUBACKs are due", () => {
    const { window } = create(10, 1_000, { reason: Reason.QuotaExceeded, words: "" });
    const settles = ([Puback, Pubrec, Puback] as const).map((type, i) => window.open(type, i + 1, 1));
    window.open(0, 0, 1);
    expect(window.pubacksDue).toBe(2);
    settles[0]?.(FAILED);
    window.flush();
    expect(window.pubacksDue).toBe(1);
  });
});

describe("ceilings", () => {
  it("in number: full at the ceiling, room at half of it", () => {
    const { window } = create(4);
    const settles = [1, 2, 3, 4].map((id) => window.open(Puback, id, 0));
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
    const first = window.open(Puback, 1, 6);
    expect(window.isFull).toBe(false);
    window.open(Puback, 2, 4);
    expect([window.isFull, window.hasRoom]).toEqual([true, false]);
    first(DONE);
    window.flush();
    expect([window.isFull, window.hasRoom]).toEqual([false, true]);
  });
});

it("asks to be flushed whenever something is settled", () => {
  const { window, asked } = create();
  const settle = window.open(Puback, 1, 1);
  expect(asked()).toBe(0);
  settle(FAILED);
  expect(asked()).toBe(1);
});
