/** A node that restarts knows the tags that its log tells of, also where the commit index on disk is still behind them. */
import { expect, test } from "vitest";
import { MemoryLog } from "../../../cluster/log/memory-log.js";
import { tagsInLog } from "../../../cluster/tags-in-log.js";
import { EMPTY_CONF_STATE, type Entry, EntryKind, type MembershipChange } from "../../../cluster/types.js";

const member = (tag: string) => ({ peer: `host-${tag}:7000`, tag, wantsVote: true });

function changing(index: number, change: MembershipChange): Entry {
  const data = Buffer.from(JSON.stringify({ transition: 0, changes: [], context: JSON.stringify(change) }));
  return { term: 2, index, kind: EntryKind.ConfChange, data };
}

async function logOf(...entries: Entry[]): Promise<MemoryLog> {
  const log = new MemoryLog();
  await log.open();
  const snapshot = { index: 1, term: 1, confState: EMPTY_CONF_STATE };
  await log.append({ entries: [], hardState: { term: 1, vote: "", commit: 1 }, snapshot });
  await log.append({ entries });
  return log;
}

const rosterOf = (...tags: string[]) => ({
  clusterId: "c",
  members: Object.fromEntries(tags.map((tag, i) => [String(i + 1), member(tag)])),
  removed: [],
});

const UPDATES = [
  { term: 2, index: 2, kind: EntryKind.Command, data: new Uint8Array(0) },
  changing(3, { kind: "update", id: "1", member: member("a") }),
  changing(4, { kind: "update", id: "2", member: member("b") }),
  changing(5, { kind: "remove", id: "3", member: null }),
  { term: 2, index: 6, kind: EntryKind.ConfChange, data: Buffer.from('{"transition":0,"changes":[]}') },
  changing(7, { kind: "update", id: "2", member: member("later") }),
];

test("gives the last tag of each member above the membership's entry, committed or not", async () => {
  const tags = tagsInLog(await logOf(...UPDATES), 1, rosterOf("", "", ""));
  expect([...tags].map(([id, { tag, peer }]) => [id, tag, peer])).toEqual([
    ["1", "a", "host-a:7000"],
    ["2", "later", "host-later:7000"],
  ]);
});

test("passes over what the membership is as of", async () => {
  const tags = tagsInLog(await logOf(...UPDATES), 4, rosterOf("a", "b", ""));
  expect([...tags.keys()]).toEqual(["2"]);
});

test("asks no log for what the roster knows", async () => {
  expect(tagsInLog(await logOf(...UPDATES), 1, rosterOf("a", "b", "c")).size).toBe(0);
});
