/** Some of the places of `npm run test:crash-places`, which kills a node at every one: one life after the other on one directory. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { CRASH_POINTS } from "../../cluster/ready-loop.js";
import { removeDirectory, temporaryDirectory } from "../../load/lib/support.js";
import { SingleNode } from "./single.js";
import { Table } from "./table.js";

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

test("a node that does not start again is a violation of its round, with what it said", async () => {
  const directory = temporaryDirectory("crash-places");
  const noDirectory = join(directory, "file");
  writeFileSync(noDirectory, "");
  const { hit, violations } = await new SingleNode(noDirectory).crashAt({ point: "applied", ordinal: 1 });
  expect(hit).toBe(false);
  expect(violations).toEqual([{ kind: "stuck", detail: expect.stringContaining("directory_unusable") }]);
  removeDirectory(directory);
});

test("a named point that no round came to is told, scope by scope", () => {
  const table = new Table();
  for (const point of CRASH_POINTS) table.add("one node", point, point !== "compacted", 0);
  expect(table.unreached("one node")).toEqual(["compacted"]);
  table.add("one node", "compacted", true, 0);
  expect(table.unreached("one node")).toEqual([]);
  expect(table.unreached("one of three")).toEqual([...CRASH_POINTS]);
});
