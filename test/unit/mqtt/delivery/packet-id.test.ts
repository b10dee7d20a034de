/** Identifiers from positions. */
import { expect, test } from "vitest";
import { isSharedWithin, packetIdOf, positionAbove } from "../../../../src/edges/mqtt/delivery/packet-id.js";

test.each([
  [1, 1],
  [65_535, 65_535],
  [65_536, 1],
  [65_535 * 70_000, 65_535],
  [2 ** 52, ((2 ** 52 - 1) % 65_535) + 1],
])("position %i: %i (MQTT-2.2.1-3: never 0)", (position, id) => {
  expect(packetIdOf(position)).toBe(id);
});

test("whether another position of a range has the same identifier is what looking at each of them says", () => {
  const ids = 5;
  for (let position = 1; position <= 12; position += 1) {
    for (let after = 0; after <= 16; after += 1) {
      for (let through = after - 2; through <= 18; through += 1) {
        let isShared = false;
        for (let other = after + 1; other <= through; other += 1) {
          if (other !== position && packetIdOf(other, ids) === packetIdOf(position, ids)) isShared = true;
        }
        expect(isSharedWithin(position, after, through, ids), `${position} in ${after}-${through}`).toBe(
          isShared,
        );
      }
    }
  }
});

test("the next position with an identifier is the first that counting comes to", () => {
  const ids = 5;
  for (let after = 0; after <= 12; after += 1) {
    for (let id = 1; id <= ids; id += 1) {
      let position = after + 1;
      while (packetIdOf(position, ids) !== id) position += 1;
      expect([after, id, positionAbove(after, id, ids)]).toEqual([after, id, position]);
    }
  }
});
