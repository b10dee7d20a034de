/** What counts as failed: everything that is not failed on purpose, and a suite that did not run counts for nothing. */
import { describe, expect, it } from "vitest";
import { DEVIATIONS, deviationOf } from "../../../../load/conformance/deviations.js";
import { Outcomes, testLine } from "../../../../load/conformance/mqttjs/lines.js";
import { MQTTJS_TESTS } from "../../../../load/conformance/names.js";
import { notRun, type SuiteReport, verdictOf } from "../../../../load/conformance/report.js";

const clean: SuiteReport = { suite: "s", passed: 3, failures: [], skipped: [], notRun: null, notes: [] };

describe("a run is clean", () => {
  it("when all that failed is failed on purpose, and says by which clause", () => {
    const name = "client.ts connecting > should emit error on invalid clientId";
    const verdict = verdictOf([{ ...clean, suite: MQTTJS_TESTS, failures: [{ name, detail: "no error" }] }]);
    expect(verdict.clean).toBe(true);
    expect(verdict.table.rows).toEqual([[MQTTJS_TESTS, "3", "0", "1", "0", "75.0%"]]);
    expect(verdict.lines.join("\n")).toContain("failed on purpose (MQTT-3.1.3-5)");
  });

  it("when a suite did not run", () => {
    expect(verdictOf([notRun("s", "no python3")]).clean).toBe(true);
  });

  it("and not when anything else fails", () => {
    const verdict = verdictOf([{ ...clean, failures: [{ name: "t", detail: "wrong" }] }]);
    expect(verdict.clean).toBe(false);
    expect(verdict.lines).toEqual(["s: FAILED t: wrong"]);
  });
});

it("every deviation names a clause and says why", () => {
  for (const { clause, reason } of DEVIATIONS) {
    expect(clause).toMatch(/^MQTT-\d+(\.\d+)+(-\d+)?/);
    expect(reason.length).toBeGreaterThan(20);
  }
  expect(deviationOf("another suite", "should emit error on invalid clientId")).toBeUndefined();
});

describe("of what the gateway writes down", () => {
  const outcomeOf = (...events: readonly ("began" | "relayed" | "threw" | "passed" | "failed")[]) => {
    const outcomes = new Outcomes();
    for (const event of events) outcomes.add({ test: "t", event });
    const { passed, relayed } = outcomes.all.get("t")!;
    return { passed, relayed };
  };

  it("the first failure counts", () => {
    expect(outcomeOf("began", "relayed", "passed")).toEqual({ passed: true, relayed: true });
    expect(outcomeOf("began", "relayed", "threw", "passed")).toEqual({ passed: false, relayed: true });
    expect(outcomeOf("began", "passed", "failed")).toEqual({ passed: false, relayed: false });
    expect(outcomeOf("began")).toEqual({ passed: null, relayed: false });
  });

  it("other lines are left alone", () => {
    expect(testLine("ok 1 - a test")).toBeUndefined();
    expect(testLine('@{"test":"a","event":"began"}')).toEqual({ test: "a", event: "began" });
  });
});
