/** Collecting the body of a publish from the pieces in which it comes. */
import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import fc from "fast-check";
import { expect, it } from "vitest";
import { BodyReader } from "../../../src/edges/http/body.js";

/** A chunked request whose pieces come as the test gives them. */
function request(): {
  readonly reader: BodyReader;
  readonly give: (piece: Buffer) => void;
  readonly end: () => Buffer;
} {
  const incoming = new IncomingMessage(new Socket());
  incoming.headers["transfer-encoding"] = "chunked";
  const reader = new BodyReader();
  const taken: Buffer[] = [];
  reader.read(
    incoming,
    new ServerResponse(incoming),
    1_000_000,
    (body) => taken.push(body),
    (code) => {
      throw new Error(code);
    },
  );
  return {
    reader,
    give: (piece) => void incoming.emit("data", piece),
    end: () => {
      incoming.emit("end");
      return taken[0] ?? Buffer.alloc(0);
    },
  };
}

it("of any pieces is those pieces joined", () => {
  const size = fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 16_000, max: 40_000 }));
  fc.assert(
    fc.property(fc.array(size, { maxLength: 12 }), (sizes) => {
      const pieces = sizes.map((length, index) => Buffer.alloc(length, index + 65));
      const body = request();
      for (const piece of pieces) body.give(piece);
      expect(body.reader.bytesUnderWay).toBeGreaterThanOrEqual(
        pieces.reduce((sum, { length }) => sum + length, 0),
      );
      expect(body.end().equals(Buffer.concat(pieces))).toBe(true);
      expect(body.reader.bytesUnderWay).toBe(0);
    }),
  );
});

it("of many small pieces holds none of them: a body in chunks of one byte costs about its size", () => {
  const body = request();
  const piece = Buffer.from("x");
  for (let i = 0; i < 100_000; i += 1) {
    piece[0] = 97 + (i % 26);
    body.give(piece);
  }
  expect(body.reader.bytesUnderWay).toBeLessThan(140_000);
  expect(body.end().toString("latin1", 0, 28)).toBe("abcdefghijklmnopqrstuvwxyzab");
});
