/** What the cluster benchmark rests on: frames that peers understand, answers cut out of bytes anyhow split, honest verdicts. */
import { describe, expect, it } from "vitest";
import { type ClusterContestant, judgeStored } from "../../../load/bench-cluster/contestant.js";
import { CELLS } from "../../../load/bench-cluster/plan.js";
import { ratioTable, resultTables, targetTable, worstProof } from "../../../load/bench-cluster/report.js";
import type { RowOutcome, Sample } from "../../../load/bench-cluster/rounds.js";
import { DeliveryTags } from "../../../load/bench-cluster/wires/amqp.js";
import {
  AmqpReader,
  methodFrame,
  octets,
  publishHead,
} from "../../../load/bench-cluster/wires/amqp-frames.js";
import { putHead } from "../../../load/bench-cluster/wires/etcd.js";
import { FrameReader, frame, windowUpdate } from "../../../load/bench-cluster/wires/http2-frames.js";
import { NatsReader } from "../../../load/bench-cluster/wires/nats.js";
import { RespReader, respCommand } from "../../../load/bench-cluster/wires/redis.js";
import { PublishTemplate, writeDigits } from "../../../load/bench-cluster/wires/wire.js";
import { withPart } from "../../../load/lib/results-page.js";
import { numberedPayload, WARM_UP_BASE } from "../../../load/lib/sequence.js";
import type { ClusterPublishReport } from "../../../load/loaders/cluster-publish.js";

/** Feeds the bytes in pieces of every length from 1 to all at once, and gives what was heard each time. */
function fedInPieces(
  bytes: Buffer,
  reader: (heard: unknown[]) => { feed(bytes: Buffer): void },
): readonly unknown[][] {
  return Array.from({ length: bytes.length }, (_, index) => {
    const heard: unknown[] = [];
    const fed = reader(heard);
    for (let at = 0; at < bytes.length; at += index + 1) fed.feed(bytes.subarray(at, at + index + 1));
    return heard;
  });
}

describe("publishes built once", () => {
  it("get their number, and keep head and tail", () => {
    const template = new PublishTemplate(Buffer.from("head "), 100, Buffer.from(" tail"));
    const target = Buffer.alloc(template.size * 2);
    template.put(target, template.size, WARM_UP_BASE + 7);
    expect(target.toString("latin1", template.size)).toBe(
      `head ${numberedPayload(WARM_UP_BASE + 7, 100)} tail`,
    );
    expect(target.subarray(0, template.size).every((byte) => byte === 0)).toBe(true);
  });

  it("get digits where they are asked for", () => {
    const bytes = Buffer.from("a----b");
    writeDigits(bytes, 1, 4, 42);
    expect(bytes.toString()).toBe("a0042b");
  });
});

describe("NATS", () => {
  it("cuts messages and lines out of any pieces", () => {
    const bytes = Buffer.from(
      'INFO {"a":1}\r\nMSG _INBOX.j.0012 1 5\r\nM\r\nxy\r\nMSG s 1 0\r\n\r\nPING\r\n',
    );
    const reader = (heard: unknown[]): NatsReader =>
      new NatsReader({
        onMessage: (subject, payload) => heard.push([subject.toString(), payload.toString()]),
        onLine: (line) => heard.push(line),
      });
    for (const heard of fedInPieces(bytes, reader)) {
      expect(heard).toEqual(['INFO {"a":1}', ["_INBOX.j.0012", "M\r\nxy"], ["s", ""], "PING"]);
    }
  });
});

describe("RESP", () => {
  it("writes commands and cuts answers out of any pieces", () => {
    expect(respCommand("WAIT", "2", "0").toString()).toBe("*3\r\n$4\r\nWAIT\r\n$1\r\n2\r\n$1\r\n0\r\n");
    const reader = (heard: unknown[]): RespReader =>
      new RespReader({
        onText: (text) => heard.push(text),
        onInteger: (value) => heard.push(value),
        onError: (message) => heard.push({ message }),
      });
    for (const heard of fedInPieces(Buffer.from("$4\r\n1\r\n0\r\n:2\r\n+OK\r\n-ERR no\r\n"), reader)) {
      expect(heard).toEqual(["1\r\n0", 2, "OK", { message: "ERR no" }]);
    }
  });
});

describe("AMQP", () => {
  it("cuts methods out of any pieces and passes over content", () => {
    const content = Buffer.concat([publishHead(1, "q", 3), Buffer.from("abc"), octets(0xce)]);
    const bytes = Buffer.concat([methodFrame(1, 60, 80, octets(1, 2)), content, methodFrame(0, 10, 41)]);
    const reader = (heard: unknown[]): AmqpReader =>
      new AmqpReader((classId, methodId, args) => heard.push([classId, methodId, ...args]));
    for (const heard of fedInPieces(bytes, reader)) {
      expect(heard.map((method) => (method as number[]).slice(0, 2))).toEqual([
        [60, 80],
        [60, 40],
        [10, 41],
      ]);
      expect(heard[0]).toEqual([60, 80, 1, 2]);
    }
  });

  it("knows the slots of delivery tags, one by one or all up to one", () => {
    const tags = new DeliveryTags(10);
    for (const slot of [5, 6, 7, 8]) tags.add(slot);
    const settle = (tag: number, multiple: boolean): number[] => {
      const slots: number[] = [];
      tags.settle(tag, multiple, (slot) => slots.push(slot));
      return slots;
    };
    expect(settle(2, false)).toEqual([6]);
    expect(settle(2, false)).toEqual([]);
    expect(settle(3, true)).toEqual([5, 7]);
    tags.add(6);
    expect(settle(5, true)).toEqual([8, 6]);
  });
});

describe("gRPC over HTTP/2", () => {
  it("cuts frames out of any pieces", () => {
    const bytes = Buffer.concat([windowUpdate(0, 5), frame(0, 1, 3, Buffer.from("ab"))]);
    const reader = (heard: unknown[]): FrameReader =>
      new FrameReader((...[type, flags, stream, body]) =>
        heard.push([type, flags, stream, body.toString("hex")]),
      );
    for (const heard of fedInPieces(bytes, reader)) {
      expect(heard).toEqual([
        [8, 0, 0, "00000005"],
        [0, 1, 3, "6162"],
      ]);
    }
  });

  it("puts a key and a value of more than 127 bytes", () => {
    const head = putHead("key", 300);
    expect(head.readUInt32BE(1)).toBe(head.length - 5 + 300);
    expect(head.subarray(5).toString("hex")).toBe("0a036b657912ac02");
  });
});

const report: ClusterPublishReport = {
  acknowledgedPerSecond: 100,
  p50Ms: 1,
  p99Ms: 2,
  published: 10,
  acknowledged: 10,
  failure: null,
  clientCpuShare: 0.1,
};

describe("what is stored", () => {
  it.each([
    ["ok", report, 10],
    ["node 1: -1", report, 9],
    ["node 1: 2", report, 12],
    ["2 UNACKNOWLEDGED", { ...report, acknowledged: 8 }, 8],
    ["FAILED: closed", { ...report, failure: "closed" }, 10],
  ])("is %s", (verdict, given, count) => {
    expect(judgeStored(given, [{ where: "node 1", count }])).toBe(verdict);
  });

  it("is as bad as its worst sample", () => {
    const proofs = ["ok", "node 1: -1"].map((proof) => ({ proof }) as Sample);
    expect(worstProof(proofs)).toBe("node 1: -1");
    expect(worstProof([])).toBe("-");
  });
});

function outcomeOf(key: string, perSecond: number | null, p50Ms = 1): RowOutcome {
  const contestant = { key, fsync: "yes" } as ClusterContestant;
  const samples = CELLS.map((cell) => ({
    ...report,
    ...{ cell, proof: "ok", serverCpuShare: 1, acknowledgedPerSecond: perSecond ?? 0, p50Ms },
  }));
  const missing = perSecond === null;
  return {
    contestant,
    row: `${key} row`,
    samples: missing ? [] : samples,
    failure: missing ? "not here" : null,
  };
}

describe("the tables", () => {
  const outcomes = [
    outcomeOf("jangada", 1000, 2.5),
    outcomeOf("etcd", 200),
    outcomeOf("rabbitmq", 900),
    outcomeOf("nats", null),
  ];
  const options = { rounds: 1, warmUpMs: 500, measureMs: 1000 };

  it("say which targets are met, which are not and which were not measured", () => {
    const verdicts = targetTable(outcomes).rows.map((cells) => cells.slice(2));
    expect(verdicts).toEqual([
      ["5.00x", "met"],
      ["1.11x", "NOT MET"],
      ["-", "not measured"],
      ["2.50 ms", "NOT MET"],
    ]);
  });

  it("have a ratio for each cell, and the reason where there is none", () => {
    expect(ratioTable(outcomes).rows[0]).toEqual(["etcd row", "jangada row", ...CELLS.map(() => "5.00x")]);
    const rows = resultTables(outcomes, options).flatMap((table) => table.rows);
    expect(rows.filter(([row]) => row === "nats row")).toEqual([
      ["nats row", "yes", "not here"],
      ["nats row", "yes", "not here"],
    ]);
  });
});

describe("the results page", () => {
  const page = "# Results\n\nfirst\n";

  it("gets a part without losing the others", () => {
    const both = withPart(page, "bench:cluster", "# Three nodes\n\nsecond");
    expect(both).toContain("first\n\n<!-- part: npm run bench:cluster -->\n\n# Three nodes\n\nsecond\n");
    const again = withPart(both, "bench", "# Results\n\nanew");
    expect(again).toBe(both.replace("first", "anew"));
    expect(withPart(again, "bench:cluster", "third")).not.toContain("second");
    expect(withPart(page, "bench", "# Results\n\nfirst")).toBe(page);
  });
});
