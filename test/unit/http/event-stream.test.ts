/** Server-Sent Events as bytes, held against the parser that browsers' stand-ins use. */
import { createParser, type EventSourceMessage } from "eventsource-parser";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ByteWriter } from "../../../src/edges/http/byte-writer.js";
import {
  deletedEvent,
  gapEvent,
  HEARTBEAT,
  idOnly,
  retryField,
  writePayload,
  writeRecord,
} from "../../../src/edges/http/event-stream.js";

function written(write: (writer: ByteWriter) => void): string {
  const writer = new ByteWriter();
  write(writer);
  return writer.toBuffer().toString("utf8");
}

function parsed(text: string): EventSourceMessage[] {
  const events: EventSourceMessage[] = [];
  createParser({ onEvent: (event) => events.push(event) }).feed(text);
  return events;
}

const payloadEvent = (payload: Uint8Array | string, id: string | null = "7-0-abcd"): string =>
  written((writer) => writePayload(writer, id, Buffer.from(payload)));

describe("a payload as an event", () => {
  it.each([
    ["text", "hello", "data: hello\n\n"],
    ["nothing", "", "data: \n\n"],
    ["a leading space, which one is taken off", " x", "data:  x\n\n"],
    ["LF", "a\nb", "data: a\ndata: b\n\n"],
    ["CRLF", "a\r\nb", "data: a\ndata: b\n\n"],
    ["CR", "a\rb", "data: a\ndata: b\n\n"],
    ["LF CR", "a\n\rb", "data: a\ndata: \ndata: b\n\n"],
    ["a line end at the end", "a\n", "data: a\ndata: \n\n"],
    ["CR at the end", "a\r", "data: a\ndata: \n\n"],
    ["only line ends", "\r\n\n", "data: \ndata: \ndata: \n\n"],
    ["what looks like fields", "x\nid: 9\nevent: evil", "data: x\ndata: id: 9\ndata: event: evil\n\n"],
    ["NUL and control characters", "\0\u0001\t", "data: \0\u0001\t\n\n"],
    ["more than ASCII", "praça ⛵", "data: praça ⛵\n\n"],
    ["a line separator that ends no line", "a\u2028b", "data: a\u2028b\n\n"],
  ])("%s", (_name, payload, expected) => {
    expect(payloadEvent(payload)).toBe(`id: 7-0-abcd\n${expected}`);
  });

  it("comes as base64 when it is not UTF-8", () => {
    expect(payloadEvent(Uint8Array.of(0xff, 0x00, 0x0a))).toBe("id: 7-0-abcd\nevent: binary\ndata: /wAK\n\n");
  });

  it("leaves the reader's last id alone when it has none", () => {
    expect(payloadEvent("x", null)).toBe("data: x\n\n");
  });

  it("gives a reader the same text back, with LF for every line end", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom("a", "\r", "\n", ":", " ", "é", "𝄞", "\0") }), (text) => {
        const events = parsed(`${HEARTBEAT}${payloadEvent(text)}`);
        expect(events).toEqual([{ id: "7-0-abcd", event: undefined, data: text.replace(/\r\n?/g, "\n") }]);
      }),
    );
  });

  it("gives a reader any bytes back", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const [event] = parsed(payloadEvent(bytes));
        const text = Buffer.from(bytes).toString("utf8").replace(/\r\n?/g, "\n");
        const encoding = event?.event === "binary" ? "base64" : "utf8";
        const expected = encoding === "base64" ? Buffer.from(bytes) : Buffer.from(text);
        expect(Buffer.from(event?.data ?? "", encoding)).toEqual(expected);
      }),
    );
  });

  it("stands apart from its neighbours", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "binary" }), { maxLength: 8 }), (texts) => {
        const stream = texts.map((text, at) => payloadEvent(Buffer.from(text), `${at}`)).join("");
        expect(parsed(stream).map(({ id }) => id)).toEqual(texts.map((_text, at) => `${at}`));
      }),
    );
  });
});

describe("the broker's own events", () => {
  it("a record is one line of data", () => {
    const json = JSON.stringify({ payload: "a\r\nb\u2028" });
    expect(written((writer) => writeRecord(writer, "1", json))).toBe(`id: 1\ndata: ${json}\n\n`);
    expect(written((writer) => writeRecord(writer, null, json))).toBe(`data: ${json}\n\n`);
  });

  it("a gap moves the last id to where it resumes", () => {
    expect(parsed(gapEvent("3-0-abcd", "9-0-abcd", true))).toEqual([
      { id: "9-0-abcd", event: "gap", data: '{"after":"3-0-abcd","resumedAt":"9-0-abcd"}' },
    ]);
  });

  it("a gap in a stream of several topics leaves the last id where it is: what others keep there still follows", () => {
    expect(gapEvent("3-0-abcd", "9-0-abcd", false)).not.toContain("id:");
  });

  it("a deletion names the topic, whatever is in it", () => {
    const [event] = parsed(deletedEvent('a"\n\rb'));
    expect(event?.event).toBe("deleted");
    expect(JSON.parse(event?.data ?? "")).toEqual({ topic: 'a"\n\rb' });
  });

  it("opening fields and comments are no events", () => {
    expect(parsed(`${retryField(1000)}${HEARTBEAT}${idOnly("4-0-abcd")}`)).toEqual([]);
  });
});
