/** The filters of a session along the stream, by table. */
import { expect, test } from "vitest";
import { scheduleOf } from "../../../../src/edges/mqtt/delivery/schedule.js";
import type { SessionSubscription } from "../../../../src/state-machine/session-view.js";
import { standing } from "./support/session.js";

const span = (filter: string, since: number, until = Number.POSITIVE_INFINITY): SessionSubscription =>
  standing(filter, 1, { since, until });

test.each([
  ["nothing", [], 3, [[3, ""]]],
  ["one that stands", [span("a", 0)], 3, [[3, "a"]]],
  ["one that is still to come", [span("a", 5)], 3, [[5, "a"]]],
  [
    "one that ended",
    [span("a", 0, 5)],
    3,
    [
      [3, "a"],
      [5, ""],
    ],
  ],
  ["one that ended where it stands", [span("a", 0, 3)], 3, [[3, ""]]],
  [
    "one after the other",
    [span("a", 0, 5), span("b", 5)],
    3,
    [
      [3, "a"],
      [5, "b"],
    ],
  ],
  [
    "one that came and went",
    [span("a", 0), span("b", 4, 6)],
    3,
    [
      [3, "a"],
      [4, "a b"],
      [6, "a"],
    ],
  ],
  [
    "a pause at the beginning",
    [span("a", 5, 7), span("b", 9)],
    3,
    [
      [5, "a"],
      [7, ""],
      [9, "b"],
    ],
  ],
  ["shares have no part in it", [span("a", 0), standing("b", 1, { share: "s", since: 4 })], 3, [[3, "a"]]],
] as const)("%s", (_, subscriptions, after, expected) => {
  const { changes, ...first } = scheduleOf(subscriptions, after, 7);
  const way = [{ at: first.after, filters: first.filters }, ...changes];
  expect(way.map(({ at, filters }) => [at, filters.filters.map(({ filter }) => filter).join(" ")])).toEqual(
    expected,
  );
});
