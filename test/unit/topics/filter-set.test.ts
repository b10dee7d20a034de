/** Filter sets as values, by table. */
import { describe, expect, test } from "vitest";
import { type Filter, FilterSet } from "../../../src/topics/filter-set.js";

type Pair = readonly [filter: string, qos: 0 | 1 | 2, more?: Partial<Filter>];

function filters(...pairs: readonly Pair[]): Filter[] {
  return pairs.map(([filter, qos, more]): Filter => ({ filter, qos, ...more }));
}

function set(...pairs: readonly Pair[]): FilterSet {
  return new FilterSet(filters(...pairs));
}

const NO_LOCAL = { noLocal: true };
const AS_PUBLISHED = { retainAsPublished: true };

describe("keys", () => {
  const local = filters(["a", 0]);
  const noLocal = filters(["a", 0, NO_LOCAL]);
  test.each([
    ["order does not count", set(["a", 0], ["b", 1]), set(["b", 1], ["a", 0]), true],
    ["of a repeated filter the last counts (MQTT-3.8.4-3)", set(["a", 0], ["a", 2]), set(["a", 2]), true],
    ["QoS counts", set(["a", 0]), set(["a", 1]), false],
    ["QoS 2 is a QoS of its own", set(["a", 1]), set(["a", 2]), false],
    ["filters count", set(["a", 0]), set(["a/#", 0]), false],
    ["two filters are not one with a longer name", set(["a", 0], ["b", 0]), set(["a0b", 0]), false],
    ["empty sets are equal", set(), set(), true],
    ["Retain As Published counts", set(["a", 0]), set(["a", 0, AS_PUBLISHED]), false],
    ["identifiers count", set(["a", 0, { subscriptionId: 1 }]), set(["a", 0, { subscriptionId: 2 }]), false],
    ["identifier 0 is none", set(["a", 0]), set(["a", 0, { subscriptionId: 0 }]), true],
    ["an identifier is no filter", set(["a", 0, { subscriptionId: 1 }]), set(["000001a", 0]), false],
    ["No Local counts", new FilterSet(local, 7), new FilterSet(noLocal, 7), false],
    ["who is excluded counts with No Local", new FilterSet(noLocal, 7), new FilterSet(noLocal, 8), false],
    ["and without it does not", new FilterSet(local, 7), new FilterSet(local, 8), true],
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
  ])("%s", (_, filterSet, expected) => {
    expect(filterSet.exactTopic).toBe(expected);
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
  ])("%#", (filterSet, topic, qos) => {
    expect(filterSet.grantFor(topic)?.qos ?? -1).toBe(qos);
    expect(filterSet.matches(topic)).toBe(qos >= 0);
  });
});

const PUBLISHER = 7;

describe("what the filters that match grant together (MQTT 5.0, 3.3.4), to messages of others and to one's own", () => {
  const several = new FilterSet(
    filters(
      ["a/+", 1, { subscriptionId: 5 }],
      ["a/#", 0, { subscriptionId: 5, retainAsPublished: true }],
      ["a/b", 2, { subscriptionId: 9, noLocal: true }],
      ["n", 1, NO_LOCAL],
    ),
    PUBLISHER,
  );
  test.each([
    [several, "a/b", 0, { qos: 2, retainAsPublished: true, subscriptionIds: [5, 9] }],
    [several, "a/b", 8, { qos: 2, retainAsPublished: true, subscriptionIds: [5, 9] }],
    [several, "a/b", PUBLISHER, { qos: 1, retainAsPublished: true, subscriptionIds: [5] }],
    [several, "a/b/c", PUBLISHER, { qos: 0, retainAsPublished: true, subscriptionIds: [5] }],
    [several, "n", 0, { qos: 1, retainAsPublished: false, subscriptionIds: [] }],
    [several, "n", PUBLISHER, null],
    [several, "other", 0, null],
    [new FilterSet(filters(["n", 1, NO_LOCAL]), PUBLISHER), "n", PUBLISHER, null],
    [new FilterSet(filters(["n", 1, NO_LOCAL]), PUBLISHER), "n", 0, { qos: 1 }],
    [new FilterSet(filters(["n", 1]), PUBLISHER), "n", PUBLISHER, { qos: 1 }],
  ])("%#", (filterSet, topic, publisher, grant) => {
    const expected = grant === null ? null : expect.objectContaining(grant);
    expect(filterSet.grantFor(topic, publisher)).toEqual(expected);
    // The second answer comes from memory.
    expect(filterSet.grantFor(topic, publisher)).toEqual(expected);
    if (topic !== "other") expect(filterSet.grantOfMatch(topic, publisher)).toEqual(expected);
  });

  test("filters that all grant the same need not be looked at", () => {
    const uniform = set(["a/+", 1], ["b/+", 1]);
    expect(uniform.grantOfMatch("neither", 0)).toEqual(uniform.grantFor("a/x"));
  });
});
