/** Filter sets as values, by table. */
import { describe, expect, test } from "vitest";
import { type Filter, FilterSet } from "../../../src/topics/filter-set.js";

function set(...filters: (readonly [string, 0 | 1 | 2])[]): FilterSet {
  return new FilterSet(filters.map(([filter, qos]): Filter => ({ filter, qos })));
}

describe("keys", () => {
  test.each([
    ["order does not count", set(["a", 0], ["b", 1]), set(["b", 1], ["a", 0]), true],
    ["of a repeated filter the last counts (MQTT-3.8.4-3)", set(["a", 0], ["a", 2]), set(["a", 2]), true],
    ["QoS counts", set(["a", 0]), set(["a", 1]), false],
    ["filters count", set(["a", 0]), set(["a/#", 0]), false],
    ["two filters are not one with a longer name", set(["a", 0], ["b", 0]), set(["a0b", 0]), false],
    ["empty sets are equal", set(), set(), true],
  ])("%s", (_, one, other, equal) => {
    expect(one.key === other.key).toBe(equal);
  });
});

describe("the one topic it is about", () => {
  test.each([
    ["a plain filter", set(["a/b", 1]), "a/b"],
    ["a wildcard", set(["a/+", 1]), null],
    ["everything", set(["#", 1]), null],
    ["two filters", set(["a", 1], ["b", 1]), null],
    ["none", set(), null],
  ])("%s", (_, filters, expected) => {
    expect(filters.exactTopic).toBe(expected);
  });
});

describe("matching, and the highest QoS of what matches (MQTT 3.1.1, 3.3.5)", () => {
  const several = set(["a/+", 1], ["a/b", 0], ["#", 0], ["c/#", 2]);
  test.each([
    [several, "a/b", 1],
    [several, "c", 2],
    [several, "d", 0],
    [several, "$SYS/x", -1],
    [set(["a", 2]), "a", 2],
    [set(["a", 2]), "b", -1],
    [set(), "a", -1],
  ])("%#", (filters, topic, qos) => {
    expect(filters.qosFor(topic)).toBe(qos);
    expect(filters.matches(topic)).toBe(qos >= 0);
  });
});
