/** How much a session that comes back is told to have lost. */
import { expect, test } from "vitest";
import { createDeliveryContext } from "../../../../src/edges/mqtt/delivery/context.js";
import { Delivery } from "../../../../src/edges/mqtt/delivery/delivery.js";
import { lostMessages } from "../../../../src/edges/mqtt/delivery/lost.js";
import { keptSession, standing } from "./support/session.js";

test.each([
  { trimmed: 0, through: 5, lost: 0 },
  { trimmed: 5, through: 5, lost: 0 },
  { trimmed: 9, through: 5, lost: 4 },
])("trimmed through $trimmed, dealt with through $through: $lost", ({ trimmed, through, lost }) => {
  const live = { through, done: [], received: [] };
  const session = keptSession({ live, subscriptions: [standing("a", 1)] });
  expect(lostMessages({ trimmedThrough: () => trimmed }, session)).toBe(lost);
});

test("what went before a subscription began is no loss of it", () => {
  const session = keptSession({
    live: { through: 5, done: [], received: [] },
    subscriptions: [standing("a", 1), standing("b", 1, { since: 20 }), standing("c", 2, { since: 30 })],
  });
  const lost = (trimmed: Record<string, number>): number =>
    lostMessages(
      { trimmedThrough: ({ filters }) => Math.max(0, ...filters.map(({ filter }) => trimmed[filter] ?? 0)) },
      session,
    );
  expect(lost({ b: 20, c: 29 })).toBe(0);
  expect(lost({ b: 22, c: 29 })).toBe(2);
  expect(lost({ b: 22, c: 33 })).toBe(13);
  expect(lost({ a: 6, c: 33 })).toBe(28);
});

test("only its own subscriptions are asked about: shares lose for all their members together, and QoS 0 is owed to nobody", () => {
  const session = keptSession({
    subscriptions: [standing("a", 1, { share: "s" }), standing("b", 1), standing("c", 0)],
  });
  const asked: string[] = [];
  lostMessages(
    { trimmedThrough: ({ filters }) => asked.push(...filters.map(({ filter }) => filter)) },
    session,
  );
  expect(asked).toEqual(["b"]);
});

test("the edge's part and a client's part can be made", () => {
  expect([typeof createDeliveryContext, typeof Delivery]).toEqual(["function", "function"]);
});
