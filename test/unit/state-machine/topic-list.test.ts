/** Topics in name order, page by page, while topics come and go. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Command } from "../../../src/commands/command.js";
import { Driver } from "./driver.js";

const create = (topic: string): Command => ({
  kind: "create-topic",
  topic,
  retention: {},
  ifMissing: true,
});
const remove = (topic: string): Command => ({ kind: "delete-topic", topic });

function names(driver: Driver, prefix: string, after: string | null, limit = 100): string[] {
  return driver.machine.listTopics(prefix, after, limit).map(({ name }) => name);
}

describe("listing topics", () => {
  const driver = new Driver();
  driver.apply(...["b/2", "a", "b/10", "b", "c", "b/1", "B", "é"].map(create));

  it.each([
    ["all", "", null, ["B", "a", "b", "b/1", "b/10", "b/2", "c", "é"]],
    ["by prefix", "b/", null, ["b/1", "b/10", "b/2"]],
    ["after a name", "", "b/1", ["b/10", "b/2", "c", "é"]],
    ["after a name that is not there", "", "b/11", ["b/2", "c", "é"]],
    ["by prefix after a name", "b/", "b/1", ["b/10", "b/2"]],
    ["by prefix after a name before it", "b/", "a", ["b/1", "b/10", "b/2"]],
    ["by prefix after a name behind it", "b/", "c", []],
    ["by prefix after the prefix itself", "b", "b", ["b/1", "b/10", "b/2"]],
    ["of no such prefix", "x", null, []],
    ["after the last", "", "é", []],
  ])("%s", (_, prefix, after, expected) => {
    expect(names(driver, prefix, after)).toEqual(expected);
  });

  it("stops at the limit", () => {
    expect(names(driver, "b", null, 2)).toEqual(["b", "b/1"]);
    expect(names(driver, "b", null, 0)).toEqual([]);
  });

  it("is what sorting all the names would give, whatever came and went", () => {
    const name = fc.constantFrom("a", "a/b", "ab", "b", "b/a", "c");
    const step = fc.record({ name, isRemoved: fc.boolean(), isListed: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step), fc.constantFrom("", "a", "b/"), fc.option(name), (steps, prefix, after) => {
        const machine = new Driver();
        const alive = new Set<string>();
        for (const step of steps) {
          machine.apply(step.isRemoved ? remove(step.name) : create(step.name));
          if (step.isRemoved) alive.delete(step.name);
          else alive.add(step.name);
          if (step.isListed) expect(names(machine, "", null)).toEqual([...alive].sort());
        }
        const expected = [...alive]
          .sort()
          .filter((it) => it.startsWith(prefix) && (after === null || it > after));
        expect(names(machine, prefix, after)).toEqual(expected);
      }),
    );
  });
});
