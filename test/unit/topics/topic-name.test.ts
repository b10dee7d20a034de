/** Topic names and filters, by table; the examples are the standard's where it has some. */
import { describe, expect, test } from "vitest";
import { limits } from "../../../src/limits.js";
import {
  filterMatches,
  isShareName,
  isTopicFilter,
  isTopicName,
  isWildcard,
} from "../../../src/topics/topic-name.js";

const LONGEST = "x".repeat(limits.topicBytesMax);
const DEEPEST = "/".repeat(limits.topicLevelsMax - 1);

describe("which filter matches which name (MQTT 3.1.1, 4.7)", () => {
  test.each([
    // The standard's own examples.
    ["sport/tennis/player1/#", "sport/tennis/player1", true],
    ["sport/tennis/player1/#", "sport/tennis/player1/ranking", true],
    ["sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true],
    ["sport/#", "sport", true],
    ["#", "a/b/c", true],
    ["sport/tennis/+", "sport/tennis/player1", true],
    ["sport/tennis/+", "sport/tennis/player1/ranking", false],
    ["sport/+", "sport", false],
    ["sport/+", "sport/", true],
    ["+/+", "/finance", true],
    ["/+", "/finance", true],
    ["+", "/finance", false],
    ["#", "$SYS/broker/load", false],
    ["+/monitor/Clients", "$SYS/monitor/Clients", false],
    ["$SYS/#", "$SYS/broker/load", true],
    ["$SYS/monitor/+", "$SYS/monitor/Clients", true],
    // Case, and empty levels, count.
    ["ACCOUNTS", "Accounts", false],
    ["/finance", "finance", false],
    ["a//b", "a//b", true],
    ["a/+/b", "a//b", true],
    ["a/b", "a//b", false],
    // A prefix is not a match, either way.
    ["a/b", "a/bc", false],
    ["a/bc", "a/b", false],
    ["a/b", "a/b/c", false],
    ["a/b/c", "a/b", false],
    ["a/#", "ab", false],
    ["a/b/#", "a", false],
    ["a/+/#", "a", false],
    ["a/+/#", "a/b", true],
    ["+/#", "a", true],
    ["+/b", "a/b", true],
    ["+/b", "a/c", false],
    ["+/+/c", "a/b/c", true],
    ["a/+/c/+", "a/b/c", false],
    ["praça/+", "praça/1", true],
    // `$` is special at the beginning only.
    ["a/+", "a/$b", true],
    ["a/#", "a/$b/c", true],
  ])("%s and %s: %s", (filter, name, expected) => {
    expect(filterMatches(filter, name)).toBe(expected);
  });
});

describe("what may be published to", () => {
  test.each([
    ["a", true],
    ["/", true],
    ["a//b", true],
    ["praça/1 ☕ 🛶", true],
    [LONGEST, true],
    [`${LONGEST}x`, false],
    ["ç".repeat(limits.topicBytesMax / 2), true],
    [`${"ç".repeat(limits.topicBytesMax / 2)}x`, false],
    ["☕".repeat(limits.topicBytesMax / 3 + 1), false],
    ["🛶".repeat(limits.topicBytesMax / 4), true],
    [`${"🛶".repeat(limits.topicBytesMax / 4)}x`, false],
    [DEEPEST, true],
    [`${DEEPEST}/`, false],
    ["", false],
    ["a\0b", false],
    ["a\u0001b", false],
    ["a\u001fb", false],
    ["a\u007fb", false],
    ["a\u009fb", false],
    ["a\u00a0b", true],
    ["a\uffffb", false],
    ["a\ufeffb", true],
    ["a\ud800b", false],
    ["\udc00", false],
    ["a/+", false],
    ["a+b", false],
    ["#", false],
    ["a#", false],
    ["$SYS/x", false],
    ["a/$b", true],
  ])("%j: %s", (name, expected) => {
    expect(isTopicName(name)).toBe(expected);
  });
});

describe("what may be subscribed to", () => {
  test.each([
    ["a", true],
    ["#", true],
    ["+", true],
    ["a/#", true],
    ["+/+/#", true],
    ["/+", true],
    ["$SYS/#", true],
    ["a#", false],
    ["a/#/b", false],
    ["#/", false],
    ["a/b#", false],
    ["a+", false],
    ["+a/b", false],
    ["a/+b/c", false],
    ["##", false],
    ["++", false],
    ["", false],
    ["a\0", false],
    [`${LONGEST}x`, false],
    [`${DEEPEST}/`, false],
  ])("%j: %s", (filter, expected) => {
    expect(isTopicFilter(filter)).toBe(expected);
  });
});

/** MQTT-4.8.2-1, MQTT-4.8.2-2. */
test.each([
  ["g", true],
  ["praça 1", true],
  ["$g", true],
  [LONGEST, true],
  ["", false],
  ["a/b", false],
  ["a+", false],
  ["#", false],
  [`${LONGEST}x`, false],
  ["a\0b", false],
  ["a\ud800", false],
])("%s as the name of a share: %s", (name, expected) => {
  expect(isShareName(name)).toBe(expected);
});

test.each([
  ["a/b", false],
  ["a/+", true],
  ["#", true],
])("%s has a wildcard: %s", (filter, expected) => {
  expect(isWildcard(filter)).toBe(expected);
});
