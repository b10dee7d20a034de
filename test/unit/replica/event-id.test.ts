/** Event ids: opaque to users, exact to us. */
import { describe, expect, test } from "vitest";
import { EventIds } from "../../../src/replica/event-id.js";

const ids = new EventIds(0, "k3f9");

describe("event ids", () => {
  test.each([0, 1, 42, 9_007_199_254_740_000])("position %d comes back from its id", (position) => {
    expect(ids.parse(ids.format(position), Number.MAX_SAFE_INTEGER)).toBe(position);
  });

  test.each([
    ["", "malformed"],
    ["12", "malformed"],
    ["-1-0-k3f9", "malformed"],
    ["01-0-k3f9", "malformed"],
    ["1-0-k3f9\n", "malformed"],
    ["1.5-0-k3f9", "malformed"],
    ["1e3-0-k3f9", "malformed"],
    ["99999999999999999-0-k3f9", "malformed"],
    ["9999999999999999-0-k3f9", "future"],
    ["1-0-aaaa", "another stream"],
    ["1-1-k3f9", "another stream"],
    ["11-0-k3f9", "future"],
  ])("%j is refused as %s", (id, why) => {
    const parse = (): number => ids.parse(id, 10);
    expect(parse).toThrow(
      expect.objectContaining({ code: "invalid_cursor", message: expect.stringContaining(why) }),
    );
  });
});
