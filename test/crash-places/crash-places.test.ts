/** Some of the places of `npm run test:crash-places`, which kills a node at every one: one life after the other on one directory. */
import { afterAll, describe, expect, test } from "vitest";
import { removeDirectory, temporaryDirectory } from "../../load/lib/support.js";
import { SingleNode } from "./single.js";

const PLACES = [
  "before rename ./node.json.tmp",
  "after commit of the state",
  "before fdatasync ./groups/N/messages/N.seg",
  "before rename ./groups/N/log/N.seg",
  "before rename ./groups/N/snapshots/tmp-N",
];

describe("a node that is killed around one kind of call on one kind of file", () => {
  const directory = temporaryDirectory("crash-places");
  const node = new SingleNode(directory);
  afterAll(() => removeDirectory(directory));

  test.each(PLACES)(
    "%s: what was acknowledged is there after the restart, once",
    async (point) => {
      const { hit, violations } = await node.crashAt({ point, ordinal: 1 });
      expect(violations).toEqual([]);
      expect(hit).toBe(true);
    },
    60_000,
  );
});
