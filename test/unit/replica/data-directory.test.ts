/** A data directory that cannot be taken: each reason is a code and one line. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openDataDirectory } from "../../../src/replica/data-directory.js";

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "jangada-directory-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe("a data directory", () => {
  it("belongs to the node that made it", async () => {
    await (await openDataDirectory(root, "1", 0)).unlock();
    expect(JSON.parse(await readFile(join(root, "node.json"), "utf8"))).toEqual({ version: 1, nodeId: "1" });
    await (await openDataDirectory(root, "1", 0)).unlock();
    await expect(openDataDirectory(root, "2", 0)).rejects.toMatchObject({ code: "wrong_node_id" });
  });

  it.each([
    ["of a newer release", '{"version":2,"nodeId":"1"}', "data_version"],
    ["whose identity is damaged", '{"version":1', "store_corrupt"],
    ["whose identity is something else", "[]", "store_corrupt"],
    ["whose identity is empty", "", "store_corrupt"],
  ])("%s is refused and left as it is", async (_what, text, code) => {
    await writeFile(join(root, "node.json"), text);
    await expect(openDataDirectory(root, "1", 0)).rejects.toMatchObject({ code });
    expect(await readFile(join(root, "node.json"), "utf8")).toBe(text);
  });

  it("that cannot be written is said to be unusable", async () => {
    // What is written first is in the way.
    await mkdir(join(root, "node.json.tmp"));
    const refused = expect(openDataDirectory(root, "1", 0)).rejects;
    await refused.toMatchObject({ name: "FatalError", code: "directory_unusable" });
    await rm(join(root, "node.json.tmp"), { recursive: true });
    await (await openDataDirectory(root, "1", 0)).unlock();
  });
});
