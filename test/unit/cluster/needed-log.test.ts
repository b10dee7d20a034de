/** What of a leader's log others still need. */
import { expect, test } from "vitest";
import type { CoreStatus, MemberProgress } from "../../../cluster/core-types.js";
import { neededFrom } from "../../../cluster/needed-log.js";

const at = (match: number, awaitsSnapshot = false): MemberProgress => ({ match, awaitsSnapshot });

test.each<[string, Record<string, MemberProgress>, readonly string[], number | null, number | null]>([
  ["nobody else", { "1": at(90) }, [], null, null],
  ["the slowest of those alive", { "1": at(90), "2": at(70), "3": at(80) }, ["2", "3"], null, 71],
  ["not one that is dead", { "1": at(90), "2": at(70), "3": at(80) }, ["3"], null, 81],
  ["not one that gets a snapshot", { "1": at(90), "2": at(70, true), "3": at(80) }, ["2", "3"], null, 81],
  ["but what it needs behind that", { "1": at(90), "2": at(70, true), "3": at(80) }, ["2", "3"], 75, 75],
  ["not one of which nothing is known", { "1": at(90), "2": at(0), "3": at(80) }, ["2", "3"], null, 81],
  ["a transfer alone", { "1": at(90), "2": at(0) }, [], 60, 60],
  ["not the leader itself", { "1": at(10), "2": at(20) }, ["1", "2"], null, 21],
])("%s", (_what, members, alive, ofTransfers, expected) => {
  const status: CoreStatus = {
    role: "leader",
    leaderId: "1",
    term: 1,
    commit: 90,
    applied: 90,
    progress: new Map(Object.entries(members)),
    isTransferring: false,
  };
  const isAlive = (id: string): boolean => alive.includes(id);
  expect(neededFrom({ id: "1", status, isAlive, ofTransfers })).toBe(expected);
  expect(
    neededFrom({ id: "1", status: { ...status, role: "follower" }, isAlive, ofTransfers }),
    "a follower",
  ).toBe(null);
});
