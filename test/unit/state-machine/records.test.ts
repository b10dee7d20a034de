/** The state as records: the bytes of version 1 stay as they are, each change is given once, and damage stops the node. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FatalError } from "../../../src/errors.js";
import { Machine, type StateRecord } from "../../../src/state-machine/machine.js";
import { RECORD_VERSION, RECORD_VERSION_GONE } from "../../../src/state-machine/records.js";
import { readGolden } from "../../golden/read-golden.js";
import { publishOf } from "../commands/arbitrary-command.js";
import { Driver, START_MS } from "./driver.js";
import { firstGoldenDriver, goldenDriver, goneDriver } from "./golden-state.js";

const goldenRecords = (file = "state-v2.txt"): StateRecord[] => {
  return [...readGolden(file)].map(([key, value]) => ({ key, value }));
};

const hex = (records: readonly StateRecord[]): string[] =>
  records.map(({ key, value }) => `${key} ${Buffer.from(value).toString("hex")}`);

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

describe("records of version 1", () => {
  it("give the state that they were written from", () => {
    const written = firstGoldenDriver().machine;
    const loaded = Machine.load(goldenRecords("state-v1.txt"));
    expect(loaded.stateHash()).toBe(written.stateHash());
    expect(loaded).toMatchObject({ appliedIndex: 6, timeMs: START_MS, streamTag: "k3x9", head: 2 });
    expect(loaded.listTopics("", null, 9)).toEqual(
      written.listTopics("", null, 9).map((topic) => ({ ...topic, changed: false })),
    );
    expect(loaded.retained("praça/1", START_MS)).toEqual(written.retained("praça/1", START_MS));
  });
});

describe("records of version 2", () => {
  it("are what they were", () => {
    const driver = goldenDriver();
    driver.checkpoint();
    expect(hex(driver.records())).toEqual(hex(goldenRecords()));
  });

  it("give the state that they were written from", () => {
    const driver = goldenDriver();
    driver.checkpoint();
    const written = driver.machine;
    const loaded = Machine.load(goldenRecords());
    expect(loaded.stateHash()).toBe(written.stateHash());
    expect(loaded.stateHash()).toBe("a9a94f7da696495f");
    expect(loaded.sessions(0, 9)).toEqual(written.sessions(0, 9));
    expect(loaded.nodesUp()).toEqual(written.nodesUp());
    expect(loaded.sessionCounts()).toEqual(written.sessionCounts());
    expect(loaded.nextDueMs()).toBe(written.nextDueMs());
  });

  it("load in any order", () => {
    const records = goldenRecords();
    expect(Machine.load(records.reverse()).stateHash()).toBe(goldenDriver().machine.stateHash());
  });

  it("are copied: the store may use its bytes again", () => {
    const records = goldenRecords();
    const loaded = Machine.load(records);
    const before = loaded.stateHash();
    for (const { value } of records) value.fill(0xee);
    expect(loaded.stateHash()).toBe(before);
  });

  it("leave the host's own keys alone", () => {
    const host = { key: "mark", value: Buffer.from("anything") };
    expect(codeOf([host])).toBe("none");
    expect(Machine.load([host]).appliedIndex).toBe(0);
    expect(codeOf([host, ...goldenRecords()])).toBe("none");
  });

  it("keep keys short, however long the names are", () => {
    const driver = new Driver();
    const idempotency = { key: "k".repeat(255), digest: "d" };
    driver.apply(publishOf("ç".repeat(512), "x", { idempotency }, { retain: true }));
    const keys = driver.checkpoint();
    expect(keys.map((key) => key[0])).toEqual(["m", "t", "r", "i", "o"]);
    expect(Math.max(...keys.map((key) => key.length))).toBeLessThan(511);
    driver.restart();
    expect(driver.machine.topicById(1)?.name).toBe("ç".repeat(512));
  });
});

describe("records of version 3", () => {
  it("are what they were, and give the state that they were written from", () => {
    const driver = goneDriver();
    driver.checkpoint();
    expect(hex(driver.records())).toEqual(hex(goldenRecords("state-v3.txt")));
    const loaded = Machine.load(goldenRecords("state-v3.txt"));
    expect(loaded.stateHash()).toBe(driver.machine.stateHash());
    expect(loaded.session(1)?.passes.map(({ gone }) => gone)).toEqual([[], [2, 3]]);
  });

  it("are only those of passes of which something is gone", () => {
    const versions = goldenRecords("state-v3.txt").map(({ key, value }) => `${key[0]}${value[0]}`);
    expect(new Set(versions)).toEqual(new Set(["m2", "n2", "t2", "r2", "o2", "s2", "p3"]));
  });

  it("cut short or too long are damaged", () => {
    const records = goldenRecords("state-v3.txt");
    const { value } = records.find(({ key }) => key.startsWith("p/"))!;
    const others = records.filter(({ key }) => !key.startsWith("p/"));
    for (let end = 0; end < value.length; end += 1) {
      expect(codeOf([...others, { key: "p/00000001", value: value.subarray(0, end) }])).toBe("store_corrupt");
    }
    const longer = Buffer.concat([value, Buffer.of(0)]);
    expect(codeOf([...others, { key: "p/00000001", value: longer }])).toBe("store_corrupt");
  });
});

describe("changes", () => {
  it("are given once, one a key", () => {
    const driver = new Driver();
    for (let i = 0; i < 50; i += 1)
      driver.apply(publishOf("a", "1", {}, { retain: true }), publishOf("b", "2"));
    expect(driver.checkpoint()).toEqual(["m", "t/00000001", "t/00000002", "r/00000001", "o/1"]);
    expect(driver.checkpoint()).toEqual([]);
    driver.apply(publishOf("b", "3"));
    expect(driver.checkpoint()).toEqual(["m", "t/00000002", "o/1"]);
  });

  it("have the index alone when entries changed nothing else", () => {
    const { machine } = new Driver();
    machine.skip(7);
    const [meta, ...others] = machine.takeChanges();
    expect(others).toEqual([]);
    expect(Machine.load([{ key: meta!.key, value: meta!.value! }]).appliedIndex).toBe(7);
  });

  it("delete what a topic leaves behind", () => {
    const driver = new Driver();
    const idempotency = { key: "k", digest: "d" };
    driver.apply(publishOf("a", "1", { idempotency }, { retain: true }));
    driver.checkpoint();
    driver.apply({ kind: "delete-topic", topic: "a" });
    expect(driver.checkpoint()).toEqual(["m", "-t/00000001", "-r/00000001", "-i/00000001", "o/1"]);
    expect(driver.records().map(({ key }) => key)).toEqual(["m", "o/1"]);
  });

  it("share one buffer that nobody touches afterwards", () => {
    const driver = new Driver();
    driver.apply(publishOf("a", "1"));
    const changes = driver.machine.takeChanges();
    const copies = changes.map(({ value }) => Buffer.from(value!));
    driver.apply(publishOf("a", "2"), publishOf("b", "3"));
    driver.machine.takeChanges();
    expect(changes.map(({ value }) => value)).toEqual(copies);
  });
});

describe("damaged records", () => {
  const without = (key: string): StateRecord[] => goldenRecords().filter((record) => record.key !== key);
  const changed = (key: string, change: (value: Buffer) => Uint8Array): StateRecord[] =>
    goldenRecords().map((record) =>
      record.key === key ? { key, value: change(Buffer.from(record.value)) } : record,
    );
  const keys = goldenRecords().map(({ key }) => key);

  it.each(keys)("%s of a newer version asks for a newer release", (key) => {
    const newest = key.startsWith("p/") ? RECORD_VERSION_GONE : RECORD_VERSION;
    const newer = changed(key, (value) => Buffer.concat([Buffer.of(newest + 1), value.subarray(1)]));
    expect(codeOf(newer)).toBe("store_version");
  });

  it.each(keys)("%s cut short or too long", (key) => {
    const { length } = readGolden("state-v2.txt").get(key)!;
    for (let end = 0; end < length; end += 1) {
      expect(codeOf(changed(key, (value) => value.subarray(0, end)))).toBe("store_corrupt");
    }
    expect(codeOf(changed(key, (value) => Buffer.concat([value, Buffer.of(0)])))).toBe("store_corrupt");
  });

  it.each([
    ["no meta record", without("m")],
    ["the topic of a retained message is missing", without("t/00000001")],
    ["a key that is no number", [...goldenRecords(), { key: "t/zz zz", value: Buffer.of(1) }]],
    [
      "a topic twice",
      [...goldenRecords(), { key: "t/00000002", value: readGolden("state-v2.txt").get("t/00000001")! }],
    ],
    [
      "a topic from the future",
      [...without("t/00000003"), { key: "t/00000009", value: readGolden("state-v2.txt").get("t/00000003")! }],
    ],
    [
      "an idempotency key from the future",
      [...without("i/00000001"), { key: "i/00000009", value: readGolden("state-v2.txt").get("i/00000001")! }],
    ],
  ])("%s", (_, records) => {
    expect(codeOf(records)).toBe("store_corrupt");
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

describe("the state's hash", () => {
  it("tells states apart that differ in one thing", () => {
    const variants = [
      publishOf("a", "1"),
      publishOf("b", "1"),
      publishOf("a", "1", {}, { retain: true }),
      publishOf("a", "2", {}, { retain: true }),
      publishOf("a", "1", { idempotency: { key: "k", digest: "d" } }),
      publishOf("a", "1", { idempotency: { key: "k", digest: "e" } }),
    ];
    const hashes = variants.map((command) => {
      const driver = new Driver();
      driver.apply(command);
      return driver.machine.stateHash();
    });
    expect(new Set([new Machine().stateHash(), ...hashes]).size).toBe(variants.length + 1);
  });

  it("does not change by being asked, nor by a checkpoint", () => {
    const driver = goldenDriver();
    const before = driver.machine.stateHash();
    driver.checkpoint();
    expect(driver.machine.stateHash()).toBe(before);
  });

  it("is the same for a state of many portions", () => {
    const driver = new Driver();
    const payload = Buffer.alloc(100_000, "x");
    for (let i = 0; i < 30; i += 1) driver.apply(publishOf(`t/${i}`, "", {}, { retain: true, payload }));
    driver.checkpoint();
    const before = driver.machine.stateHash();
    driver.restart();
    expect(driver.machine.stateHash()).toBe(before);
  });
});
