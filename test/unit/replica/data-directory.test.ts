/** A data directory that cannot be taken: each reason is a code and one line. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openDataDirectory } from "../../../src/replica/data-directory.js";

const NOW_MS = 1_000;
let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "jangada-directory-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe("a data directory", () => {
  it("belongs to the node that made it", async () => {
    const first = await openDataDirectory(root, "1", 0, NOW_MS);
    await first.unlock();
    const { tag, incarnation } = first;
    expect(JSON.parse(await readFile(join(root, "node.json"), "utf8"))).toEqual({
      version: 2,
      nodeId: "1",
      tag,
      incarnation,
      ticket: null,
      hasRun: false,
      check: expect.any(Number),
    });
    await expect(openDataDirectory(root, "2", 0, NOW_MS)).rejects.toMatchObject({ code: "wrong_node_id" });
  });

  it("has a tag for ever and an incarnation that only grows, whatever the clock says", async () => {
    const first = await openDataDirectory(root, "1", 0, NOW_MS);
    await first.unlock();
    const second = await openDataDirectory(root, "1", 0, NOW_MS - 500);
    await second.unlock();
    const third = await openDataDirectory(root, "1", 0, NOW_MS + 500);
    await third.unlock();
    expect(first.tag).toMatch(/^[0-9a-f]{16}$/);
    expect([second.tag, third.tag]).toEqual([first.tag, first.tag]);
    expect([first.incarnation, second.incarnation, third.incarnation]).toEqual([1_000, 1_001, 1_500]);
  });

  it("of the release before there were tags is taken, and gets one", async () => {
    await writeFile(join(root, "node.json"), '{"version":1,"nodeId":"1"}');
    const first = await openDataDirectory(root, "1", 0, NOW_MS);
    await first.unlock();
    const second = await openDataDirectory(root, "1", 0, NOW_MS);
    await second.unlock();
    expect(first.tag).toMatch(/^[0-9a-f]{16}$/);
    expect(second.tag).toBe(first.tag);
  });

  it("whose log was lost is refused: the node may have voted", async () => {
    const first = await openDataDirectory(root, "1", 0, NOW_MS);
    await mkdir(first.logDir, { recursive: true });
    await writeFile(join(first.logDir, "0000000001.seg"), "a segment");
    await first.keepHasRun();
    await first.unlock();
    const second = await openDataDirectory(root, "1", 0, NOW_MS);
    expect(second.hasLog).toBe(true);
    await second.unlock();
    await rm(join(root, "groups"), { recursive: true });
    const refused = expect(openDataDirectory(root, "1", 0, NOW_MS)).rejects;
    await refused.toMatchObject({ name: "FatalError", code: "log_corrupt" });
  });

  it("keeps what the node was told when it joined", async () => {
    const first = await openDataDirectory(root, "1", 0, NOW_MS);
    expect([first.ticket, first.hasLog]).toEqual([null, false]);
    const ticket = { clusterId: "c", members: [{ id: "1", peer: "127.0.0.1:7001", role: "learner" }] };
    await first.keepTicket(ticket);
    await first.unlock();
    const second = await openDataDirectory(root, "1", 0, NOW_MS);
    await second.unlock();
    expect(second.ticket).toEqual(ticket);
  });

  it.each([
    ["of a newer release", '{"version":3,"nodeId":"1"}', "data_version"],
    ["whose identity is damaged", '{"version":1', "store_corrupt"],
    ["whose identity is something else", "[]", "store_corrupt"],
    ["whose identity is empty", "", "store_corrupt"],
    ["whose tag is lost", '{"version":2,"nodeId":"1","incarnation":7}', "store_corrupt"],
    [
      "whose incarnation cannot grow",
      '{"version":2,"nodeId":"1","tag":"t","incarnation":9007199254740991}',
      "store_corrupt",
    ],
    [
      "whose ticket is damaged",
      '{"version":2,"nodeId":"1","tag":"t","incarnation":7,"ticket":{"clusterId":"c"}}',
      "store_corrupt",
    ],
  ])("%s is refused and left as it is", async (_what, text, code) => {
    await writeFile(join(root, "node.json"), text);
    await expect(openDataDirectory(root, "1", 0, NOW_MS)).rejects.toMatchObject({ code });
    expect(await readFile(join(root, "node.json"), "utf8")).toBe(text);
  });

  it("that cannot be written is said to be unusable", async () => {
    // What is written first is in the way.
    await mkdir(join(root, "node.json.tmp"));
    const refused = expect(openDataDirectory(root, "1", 0, NOW_MS)).rejects;
    await refused.toMatchObject({ name: "FatalError", code: "directory_unusable" });
    await rm(join(root, "node.json.tmp"), { recursive: true });
    await (await openDataDirectory(root, "1", 0, NOW_MS)).unlock();
  });
});
