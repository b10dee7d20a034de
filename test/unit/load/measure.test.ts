/** What the benchmark's figures rest on: statistics, the proof of delivery, cutting packets and answers out of bytes. */
import { describe, expect, it } from "vitest";
import { judgeSamples } from "../../../load/bench/http.js";
import { judgeFanout } from "../../../load/bench/mqtt.js";
import { AnswerReader } from "../../../load/lib/http-answers.js";
import { PacketReader, publishPacket, readPublish } from "../../../load/lib/mqtt-packets.js";
import {
  MEASURED_BASE,
  numberedPayload,
  readSequence,
  SEQUENCE_AT,
  SequenceTally,
  sequenceIn,
  writeSequence,
} from "../../../load/lib/sequence.js";
import { LatencyHistogram, median, percentile, spread } from "../../../load/lib/statistics.js";
import { seededRandom } from "../../../load/lib/support.js";
import { formatNumber, renderMarkdown, renderText } from "../../../load/lib/table.js";
import { type CpuProfile, topSelfTimes } from "../../../load/profile.js";

describe("statistics", () => {
  it.each([
    [[3, 1, 2], 2],
    [[4, 1, 2, 3], 2.5],
    [[7], 7],
  ])("median of %j is %d", (values, expected) => {
    expect(median(values)).toBe(expected);
  });

  it("has no median of nothing", () => {
    expect(median([])).toBeNaN();
  });

  it("interpolates percentiles", () => {
    expect(percentile([0, 10], 0.75)).toBe(7.5);
  });

  it("tells how far rounds lie apart", () => {
    expect([spread([90, 100, 120]), spread([100])]).toEqual([0.3, 0]);
  });

  it("keeps latencies within 3 percent", () => {
    const histogram = new LatencyHistogram();
    for (let ms = 1; ms <= 1000; ms++) histogram.add(ms);
    expect(histogram.count).toBe(1000);
    expect(histogram.percentile(0.5) / 500).toBeCloseTo(1, 1.5);
    expect(histogram.percentile(0.99) / 990).toBeCloseTo(1, 1.5);
  });

  it("gives the same numbers for the same seed", () => {
    const [one, same, other] = [seededRandom(7), seededRandom(7), seededRandom(8)];
    const first = one();
    expect(same()).toBe(first);
    expect(other()).not.toBe(first);
    expect(first).toBeGreaterThanOrEqual(0);
    expect(first).toBeLessThan(1);
  });
});

describe("numbered payloads", () => {
  it("have exactly the bytes that were asked for, and their number back", () => {
    const payload = numberedPayload(MEASURED_BASE, 100);
    expect(payload).toHaveLength(100);
    expect(JSON.parse(payload)).toMatchObject({ seq: MEASURED_BASE });
    expect(sequenceIn(payload)).toBe(MEASURED_BASE);
    expect(sequenceIn(`{"id":"1","payload":{"seq":123456789}}`)).toBe(123_456_789);
    expect(sequenceIn("nothing")).toBe(-1);
  });

  it("are renumbered in place", () => {
    const bytes = Buffer.from(numberedPayload(MEASURED_BASE, 60));
    writeSequence(bytes, SEQUENCE_AT, 512_345_678);
    expect(readSequence(bytes, SEQUENCE_AT)).toBe(512_345_678);
    expect(sequenceIn(bytes.toString())).toBe(512_345_678);
  });

  it("are tallied: repeats, order, and nothing of earlier runs", () => {
    const tallyOf = (...sequences: number[]): SequenceTally => {
      const tally = new SequenceTally();
      tally.begin(100);
      for (const sequence of sequences) tally.add(sequence);
      return tally;
    };
    expect(tallyOf(99, 100, 101, 101).report()).toMatchObject({ received: 3, doubled: 1, largest: 101 });
    expect(tallyOf(100, 101).report().fingerprint).not.toBe(tallyOf(101, 100).report().fingerprint);
    expect(tallyOf(100, 101).report()).toEqual(tallyOf(100, 101).report());
    expect(tallyOf(100 + 200_000).report()).toMatchObject({ received: 1, largest: 200_100 });
  });
});

describe("the judge of sampled subscribers", () => {
  const sample = { received: 10, doubled: 0, fingerprint: 1, largest: MEASURED_BASE + 9 };
  const report = {
    drainedBytes: 500,
    drainedStreams: 5,
    sampledBytes: 200,
    samples: [sample, sample],
    closed: 0,
  };

  it("says ok when all is there", () => {
    expect(judgeSamples(report, 10)).toBe("ok");
  });

  it.each([
    ["a lost message", { ...report, samples: [sample, { ...sample, received: 9 }] }, "LOST 1"],
    [
      "a hole that answers do not show",
      { ...report, samples: [sample, { ...sample, largest: MEASURED_BASE + 99 }] },
      "LOST 90",
    ],
    ["a doubled message", { ...report, samples: [sample, { ...sample, doubled: 1 }] }, "DOUBLED"],
    ["two orders", { ...report, samples: [sample, { ...sample, fingerprint: 2 }] }, "ORDER DIFFERS"],
    ["a closed stream", { ...report, closed: 1 }, "1 CLOSED"],
    ["streams with fewer bytes", { ...report, drainedBytes: 450 }, "UNEVEN"],
  ])("finds %s", (_, planted, expected) => {
    expect(judgeSamples(planted, 10)).toBe(expected);
  });

  it("counts what a QoS 0 broker dropped", () => {
    const fanout = { deliveriesPerSecond: 1, published: 10, delivered: 18, samples: [sample], closed: 0 };
    expect(judgeFanout(fanout, 2)).toBe("2 dropped");
    expect(judgeFanout({ ...fanout, delivered: 20 }, 2)).toBe("ok");
  });
});

describe("PacketReader", () => {
  it("cuts packets at any split of the bytes", () => {
    const payloads = ["", "x".repeat(200), "praça", "y".repeat(20_000)];
    const bytes = Buffer.concat(
      payloads.map((payload, at) => publishPacket("t/ç", Buffer.from(payload), at === 0 ? undefined : at)),
    );
    for (const step of [1, 2, 3, 127, 4096, bytes.length]) {
      const got: string[] = [];
      const reader = new PacketReader((firstByte, body) => {
        const publish = readPublish(firstByte, body);
        expect(publish).toMatchObject({ topic: "t/ç", packetId: got.length, qos: got.length === 0 ? 0 : 1 });
        got.push(body.toString("utf8", publish.payloadAt));
      });
      for (let at = 0; at < bytes.length; at += step) reader.feed(bytes.subarray(at, at + step));
      expect(got).toEqual(payloads);
    }
  });
});

describe("AnswerReader", () => {
  const withLength = "HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello";
  const chunked = "HTTP/1.1 503 No\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";

  it("finds the statuses at any split of the bytes", () => {
    const text = withLength + chunked + withLength;
    for (const step of [1, 7, text.length]) {
      const reader = new AnswerReader();
      const statuses: number[] = [];
      for (let at = 0; at < text.length; at += step) statuses.push(...reader.feed(text.slice(at, at + step)));
      expect(statuses).toEqual([201, 503, 201]);
    }
  });

  it("refuses an answer whose end cannot be known", () => {
    expect(() => new AnswerReader().feed("HTTP/1.1 200 OK\r\n\r\n")).toThrow("without length");
  });
});

describe("topSelfTimes", () => {
  it("adds up a function's nodes and leaves idle time out", () => {
    const frame = (functionName: string, lineNumber: number) => ({
      functionName,
      url: "file:///x.js",
      lineNumber,
    });
    const profile: CpuProfile = {
      nodes: [
        { id: 1, callFrame: { functionName: "(idle)", url: "", lineNumber: -1 } },
        { id: 2, callFrame: frame("hot", 9) },
        { id: 3, callFrame: frame("hot", 9) },
        { id: 4, callFrame: frame("", 20) },
      ],
      samples: [1, 2, 3, 4],
      timeDeltas: [50_000, 1_000, 2_000, 1_000],
    };
    expect(topSelfTimes(profile, 5)).toEqual({
      busyMs: 4,
      top: [
        { name: "hot", place: "/x.js:10", ms: 3, share: 0.75 },
        { name: "(anonymous)", place: "/x.js:21", ms: 1, share: 0.25 },
      ],
    });
    expect(topSelfTimes(profile, 1).top).toHaveLength(1);
  });
});

describe("tables", () => {
  const table = {
    title: "T",
    columns: ["who", "n"],
    rows: [
      ["a|b", "1"],
      ["c", "22"],
    ],
    notes: ["Note."],
  };

  it("are padded for the terminal", () => {
    expect(renderText(table)).toBe(["T", "who   n", "---  --", "a|b   1", "c    22", "Note."].join("\n"));
  });

  it("are escaped for Markdown", () => {
    expect(renderMarkdown(table)).toContain("| a\\|b | 1 |");
  });

  it.each([
    [1_234_567, "1,234,567"],
    [46.04, "46.0"],
    [46, "46"],
    [Number.NaN, "-"],
    [null, "-"],
  ])("write %s as %s", (value, expected) => {
    expect(formatNumber(value)).toBe(expected);
  });
});
