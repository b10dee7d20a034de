/** Packets out of chunks: whatever the cuts, the same packets; nothing is buffered for a header that is refused. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Framer } from "../../../src/edges/mqtt/framer.js";
import { PacketRefused } from "../../../src/edges/mqtt/refusal.js";
import { packet } from "../../mqtt/support/raw-client.js";

interface Log {
  readonly headers: [number, number][];
  readonly frames: string[];
}

function framerInto(log: Log, ceiling = Number.POSITIVE_INFINITY): Framer {
  return new Framer({
    header(first, length) {
      log.headers.push([first, length]);
      if (length > ceiling) throw new PacketRefused("packet_too_large", "too large");
    },
    frame(first, bytes, start, end) {
      log.frames.push(`${first.toString(16)} ${bytes.toString("hex", start, end)}`);
    },
  });
}

function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...at, bytes.length].map((end, index) => bytes.subarray(index === 0 ? 0 : at[index - 1], end));
}

describe("whole packets", () => {
  const rows: readonly (readonly [string, Buffer, string[]])[] = [
    ["one", packet(0x30, Buffer.from("abc")), ["30 616263"]],
    ["an empty one", packet(0xc0), ["c0 "]],
    ["two in a chunk", Buffer.concat([packet(0xc0), packet(0x40, Buffer.from([0, 1]))]), ["c0 ", "40 0001"]],
    ["a length in more bytes than it needs", Buffer.from([0x40, 0x82, 0x00, 0, 1]), ["40 0001"]],
  ];
  it.each(rows)("%s", (_what, bytes, frames) => {
    const log: Log = { headers: [], frames: [] };
    framerInto(log).push(bytes);
    expect(log.frames).toEqual(frames);
  });

  it("are handed on as ranges of the chunk itself", () => {
    const chunk = Buffer.concat([packet(0xc0), packet(0x30, Buffer.from("abc"))]);
    const seen: Buffer[] = [];
    const framer = new Framer({ header: () => undefined, frame: (_first, bytes) => seen.push(bytes) });
    framer.push(chunk);
    expect(seen.every((bytes) => bytes === chunk)).toBe(true);
  });
});

it("gives the same packets however the bytes are cut, and judges each header once", () => {
  const packets = fc.array(fc.tuple(fc.integer({ min: 0x10, max: 255 }), fc.uint8Array({ maxLength: 300 })), {
    minLength: 1,
    maxLength: 12,
  });
  fc.assert(
    fc.property(packets, fc.array(fc.nat(4_000), { maxLength: 40 }), (contents, cuts) => {
      const bytes = Buffer.concat(contents.map(([first, body]) => packet(first, Buffer.from(body))));
      const log: Log = { headers: [], frames: [] };
      const framer = framerInto(log);
      for (const chunk of split(bytes, cuts)) framer.push(chunk);
      expect(log.frames).toEqual(
        contents.map(([first, body]) => `${first.toString(16)} ${Buffer.from(body).toString("hex")}`),
      );
      expect(log.headers).toEqual(contents.map(([first, body]) => [first, body.length]));
    }),
  );
});

it("a packet of a mebibyte, byte by byte", () => {
  const log: Log = { headers: [], frames: [] };
  const framer = framerInto(log);
  const bytes = packet(0x30, Buffer.alloc(1024 * 1024, 0x61));
  for (let at = 0; at < bytes.length; at += 1) framer.push(bytes.subarray(at, at + 1));
  expect(log.headers).toEqual([[0x30, 1024 * 1024]]);
  expect(log.frames.map((frame) => frame.length)).toEqual([3 + 2 * 1024 * 1024]);
});

describe("a header is refused before anything is buffered", () => {
  it.each([
    ["in one chunk", [Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f])]],
    ["byte by byte", [0x10, 0xff, 0xff, 0xff, 0x7f].map((byte) => Buffer.from([byte]))],
  ])("above the ceiling, %s", (_how, chunks) => {
    const framer = framerInto({ headers: [], frames: [] }, 1_000);
    expect(() => {
      for (const chunk of chunks) framer.push(chunk);
    }).toThrow(expect.objectContaining({ code: "packet_too_large" }));
  });

  it.each([
    ["in one chunk", [Buffer.from([0x30, 0x80, 0x80, 0x80, 0x80])]],
    ["byte by byte", [0x30, 0x80, 0x80, 0x80, 0x80].map((byte) => Buffer.from([byte]))],
  ])("with five bytes of remaining length (2.2.3), %s", (_how, chunks) => {
    const framer = framerInto({ headers: [], frames: [] });
    expect(() => {
      for (const chunk of chunks) framer.push(chunk);
    }).toThrow(expect.objectContaining({ code: "malformed_packet" }));
  });
});

it("hands on nothing after it was stopped, not even from the chunk in hand", () => {
  const frames: number[] = [];
  const framer: Framer = new Framer({
    header: () => undefined,
    frame(first) {
      frames.push(first);
      framer.stop();
    },
  });
  framer.push(Buffer.concat([packet(0xe0), packet(0xc0)]));
  expect(frames).toEqual([0xe0]);
});

describe("held between two packets", () => {
  it("gives the same packets, wherever it is held and however the bytes are cut", () => {
    const packets = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(
        packets,
        fc.array(fc.nat(4_000), { maxLength: 40 }),
        fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
        (bodies, cuts, holds) => {
          const frames: string[] = [];
          let isHeld = false;
          const framer: Framer = new Framer({
            header: () => undefined,
            frame(_first, bytes, start, end) {
              expect(isHeld).toBe(false);
              if (holds[frames.length] === true) {
                isHeld = true;
                framer.hold();
              }
              frames.push(bytes.toString("hex", start, end));
            },
          });
          const all = Buffer.concat(bodies.map((body) => packet(0x30, Buffer.from(body))));
          for (const chunk of split(all, cuts)) {
            framer.push(chunk);
            // Every other hold lasts for a chunk more.
            if (frames.length % 2 === 0) continue;
            while (isHeld) {
              isHeld = false;
              framer.release();
              framer.goOn();
            }
          }
          while (isHeld) {
            isHeld = false;
            framer.release();
            framer.goOn();
          }
          expect(frames).toEqual(bodies.map((body) => Buffer.from(body).toString("hex")));
        },
      ),
    );
  });

  it("and released before the handler returns, it was not held", () => {
    const frames: number[] = [];
    const framer: Framer = new Framer({
      header: () => undefined,
      frame(first) {
        frames.push(first);
        framer.hold();
        framer.release();
      },
    });
    framer.push(Buffer.concat([packet(0xe0), packet(0xc0)]));
    expect(frames).toEqual([0xe0, 0xc0]);
  });

  it("and stopped, it hands on nothing any more", () => {
    const frames: number[] = [];
    const framer: Framer = new Framer({
      header: () => undefined,
      frame(first) {
        frames.push(first);
        framer.hold();
      },
    });
    framer.push(Buffer.concat([packet(0xe0), packet(0xc0)]));
    framer.stop();
    framer.release();
    framer.goOn();
    expect(frames).toEqual([0xe0]);
  });
});
