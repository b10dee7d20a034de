/** Shares as records: the bytes of version 2 stay as they are, damage stops the node; and the backlog, whose chunks are records of their own. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FatalError } from "../../../src/errors.js";
import { Machine, type StateRecord } from "../../../src/state-machine/machine.js";
import { RecordBatch } from "../../../src/state-machine/record-batch.js";
import { SharedBacklog, type Waiting } from "../../../src/state-machine/shared-backlog.js";
import { decodeWaiting } from "../../../src/state-machine/shared-records.js";
import { readGolden } from "../../golden/read-golden.js";
import { ShareScript } from "./share-script.js";

/** Two shares; members that hold something of every kind, and one that holds nothing; what waits, with and without a holder. */
function goldenScript(): ShareScript {
  const script = new ShareScript({ sharedOutstandingMax: 3 });
  script.join("a", { qos: 2 });
  script.join("b", { share: "praça", filter: "t/1" });
  script.join("c", { share: "praça", filter: "t/1", qos: 0 });
  script.publish(2, 2);
  script.publish(1);
  script.received("a", 2);
  script.open("a");
  script.publish(2, 3);
  script.done("a", 1);
  script.done("a", 3);
  script.close("b");
  script.join("d", { qos: 1 }, { expirySeconds: 0 });
  script.publish(1, 6);
  script.publish(2);
  script.close("d");
  return script;
}

const golden = readGolden("state-v2-shares.txt");
const goldenRecords = (): StateRecord[] =>
  [...golden].map(([key, value]) => ({ key, value: Buffer.from(value) }));

/** The code of the error that loading gives, or "none". */
function codeOf(records: readonly StateRecord[]): string {
  try {
    Machine.load(records);
    return "none";
  } catch (error) {
    if (error instanceof FatalError) return error.code;
    throw error;
  }
}

const changed = (key: string, change: (value: Buffer) => Uint8Array): StateRecord[] =>
  goldenRecords().map((record) =>
    record.key === key ? { key, value: change(Buffer.from(record.value)) } : record,
  );

describe("records of shares, version 2", () => {
  it("are what they were", () => {
    const { driver } = goldenScript();
    driver.checkpoint();
    const hex = driver.records().map(({ key, value }) => `${key} ${Buffer.from(value).toString("hex")}`);
    expect(hex).toEqual([...golden].map(([key, value]) => `${key} ${value.toString("hex")}`));
  });

  it("give the state that they were written from, in any order", () => {
    const { machine } = goldenScript().driver;
    const loaded = Machine.load(goldenRecords().reverse());
    expect(loaded.stateHash()).toBe(machine.stateHash());
    expect(loaded.sharedCounts()).toMatchObject({ shares: 2, held: 3, waiting: 11 });
    expect([...loaded.sharedHolds()]).toEqual([...machine.sharedHolds()]);
    expect(loaded.sessions(0, 9).map(({ shared }) => shared)).toEqual(
      machine.sessions(0, 9).map(({ shared }) => shared),
    );
  });
});

describe("damaged records of shares", () => {
  const keys = [...golden.keys()].filter((key) => key.startsWith("g/"));

  it.each(keys)("%s cut short or too long", (key) => {
    for (let end = 0; end < golden.get(key)!.length; end += 1) {
      expect(codeOf(changed(key, (value) => value.subarray(0, end)))).toBe("store_corrupt");
    }
    expect(codeOf(changed(key, (value) => Buffer.concat([value, Buffer.of(0)])))).toBe("store_corrupt");
  });

  it.each([
    ["a share is missing whose members are there", (key: string) => (key === keys[0] ? null : key)],
    ["a share from the future", (key: string) => key.replace("g/00000001", "g/00000009")],
    ["a chunk from the future", (key: string) => key.replace("/q/00000001", "/q/00000009")],
    ["a member that is no session", (key: string) => key.replace("/m/00000001", "/m/00000009")],
    ["a part that is none", (key: string) => key.replace("/m/", "/x/")],
    ["a session that is in no share", (key: string) => (key.startsWith("g/") ? null : key)],
    ["shares whose members are gone", (key: string) => (/^[sp]\//.test(key) ? null : key)],
  ])("%s", (_, rename) => {
    const records = goldenRecords().flatMap(({ key, value }) => {
      const renamed = rename(key);
      return renamed === null ? [] : [{ key: renamed, value }];
    });
    expect(codeOf(records)).toBe("store_corrupt");
  });

  it("two shares of one name", () => {
    const first = golden.get(keys[0]!)!;
    expect(codeOf(changed("g/00000002", () => first))).toBe("store_corrupt");
  });

  it("a member that holds what was never published", () => {
    const item = (asOf: number): StateRecord[] =>
      changed("g/00000001/m/00000001", () => Buffer.of(2, 1, 0, asOf, 0, 1));
    expect(codeOf(item(3))).toBe("none");
    expect(codeOf(item(99))).toBe("store_corrupt");
  });

  it("whatever the bytes are, there is a machine or that error", () => {
    const allowed = ["none", "store_corrupt", "store_version"];
    fc.assert(
      fc.property(fc.constantFrom(...keys), fc.nat(), fc.nat(255), (key, at, byte) => {
        const records = changed(key, (value) => value.fill(byte, at % value.length, (at % value.length) + 1));
        expect(allowed).toContain(codeOf(records));
      }),
      { numRuns: 1000 },
    );
  });
});

describe("what waits", () => {
  const waiting = (position: number): Waiting => ({ position, topicId: 1, qos: 1, holder: 0 });
  /** How many come at the end, how many are taken from the front, and which of those come back. */
  const step = fc.record({
    added: fc.nat(300),
    taken: fc.nat(300),
    back: fc.array(fc.nat(299), { maxLength: 250 }),
  });

  it("comes out in position order, whatever comes back, and its records say the same", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12, size: "max" }), (steps) => {
        const backlog = new SharedBacklog();
        const records = new Map<string, Uint8Array>();
        let model: number[] = [];
        let next = 1;
        for (const { added, taken, back } of steps) {
          for (let i = 0; i < added; i += 1, next += 1) {
            backlog.add(waiting(next));
            model.push(next);
          }
          const out: number[] = [];
          for (let i = 0; i < taken && model.length > 0; i += 1) {
            expect(backlog.first?.position).toBe(model[0]);
            out.push(backlog.shift()?.position ?? 0);
            expect(out.at(-1)).toBe(model.shift());
          }
          const returned = [...new Set(back)]
            .map((at) => out[at])
            .filter((position) => position !== undefined);
          for (const position of returned) backlog.add(waiting(position));
          model = [...model, ...returned].sort((a, b) => a - b);
          expect(backlog.size).toBe(model.length);
          store(backlog, records);
          expect(positionsOf(records)).toEqual(model);
        }
      }),
      { numRuns: 50 },
    );
  });

  it("is written chunk by chunk: what does not change is not written again", () => {
    const backlog = new SharedBacklog();
    for (let position = 1; position <= 1000; position += 1) backlog.add(waiting(position));
    expect(store(backlog, new Map())).toEqual(["1", "2", "3", "4"]);
    backlog.add(waiting(1001));
    backlog.shift();
    expect(store(backlog, new Map())).toEqual(["1", "4"]);
    expect(store(backlog, new Map())).toEqual([]);
  });

  function store(backlog: SharedBacklog, records: Map<string, Uint8Array>): string[] {
    const out = new RecordBatch();
    backlog.writeChanges(out, String);
    const changes = out.take();
    for (const { key, value } of changes) {
      if (value === null) records.delete(key);
      else records.set(key, value);
    }
    return changes.map(({ key }) => key);
  }

  function positionsOf(records: Map<string, Uint8Array>): number[] {
    const chunks = [...records].map(([number, value]) => ({
      number: Number(number),
      items: decodeWaiting(value),
    }));
    const loaded = new SharedBacklog();
    loaded.nextChunk = 1 + Math.max(0, ...chunks.map(({ number }) => number));
    expect(loaded.load(chunks)).toBe(true);
    const positions: number[] = [];
    for (let item = loaded.shift(); item !== undefined; item = loaded.shift()) positions.push(item.position);
    return positions;
  }
});
