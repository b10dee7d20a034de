/** The snapshot store's contract on the memory twin, on a simulated disk (with and without links), and on the real disk. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { FileSnapshotStore } from "../../cluster/log/file-snapshot-store.js";
import { type MemorySnapshotImage, MemorySnapshotStore } from "../../cluster/log/memory-snapshot-store.js";
import { turnOfLoop } from "../support/memory-group.js";
import { SimulatedDisk, seededRandom } from "../support/simulated-disk.js";
import { marker } from "./log-store.contract.js";
import { describeSnapshotStore } from "./snapshot-store.contract.js";

describeSnapshotStore("in memory", async () => {
  const image: MemorySnapshotImage = { latest: null };
  const files = new Map<string, Uint8Array>();
  return {
    create: () => new MemorySnapshotStore(image, (path) => files.get(path) ?? new Uint8Array(0)),
    sourceFile: async (name, bytes) => {
      files.set(name, bytes);
      return name;
    },
    damage: async (name, change) => {
      const contents = image.latest?.contents;
      contents?.set(name, change(Buffer.from(contents.get(name) ?? [])));
    },
    remove: async () => undefined,
  };
});

class NoLinks extends SimulatedDisk {
  override link(): Promise<void> {
    return Promise.reject(Object.assign(new Error("another device"), { code: "EXDEV" }));
  }
}

for (const [kind, disk] of [
  ["with links", () => new SimulatedDisk(seededRandom(1))],
  ["without links", () => new NoLinks(seededRandom(1))],
] as const) {
  describeSnapshotStore(`on a simulated disk ${kind}`, async () => {
    const here = disk();
    return {
      create: () => new FileSnapshotStore({ dir: "/snapshots", group: 0, disk: here }),
      sourceFile: async (name, bytes) => {
        here.replace(`/${name}`, bytes);
        return `/${name}`;
      },
      damage: async (name, change) => {
        const path =
          here.paths().find((each) => each.startsWith("/snapshots/") && each.endsWith(`/${name}`)) ?? "";
        here.replace(path, change(Buffer.from(here.content(path))));
      },
      remove: async () => undefined,
    };
  });
}

describeSnapshotStore("on the real disk", async () => {
  const dir = await mkdtemp(join(tmpdir(), "jangada-snapshots-"));
  const snapshots = join(dir, "snapshots");
  return {
    create: () => new FileSnapshotStore({ dir: snapshots, group: 0 }),
    sourceFile: async (name, bytes) => {
      const path = join(dir, name);
      await writeFile(path, bytes);
      return path;
    },
    damage: async (name, change) => {
      const newest = (await readdir(snapshots)).sort().at(-1) ?? "";
      const path = join(snapshots, newest, name);
      await writeFile(path, change(await readFile(path)));
    },
    remove: () => rm(dir, { recursive: true, force: true }),
  };
});

it("on disk, a snapshot that is read stays in its directory, and goes with its last reader", async () => {
  const disk = new SimulatedDisk(seededRandom(1));
  const store = new FileSnapshotStore({ dir: "/snapshots", group: 0, disk });
  await store.open();
  const make = (index: number) =>
    store.create(marker(index, 1), (sink) => sink.write("state", Buffer.from(`at ${index}`)));
  const kept = (): string[] => [...new Set(disk.paths().map((path) => path.split("/")[2] ?? ""))].sort();
  await make(3);
  const held = [store.hold()!, store.hold()!];
  await make(5);
  await make(7);
  expect(kept()).toEqual(["snapshot-0000000001", "snapshot-0000000003"]);
  held[0]!.release();
  for (let turn = 0; turn < 10; turn += 1) await turnOfLoop();
  expect(kept()).toContain("snapshot-0000000001");
  held[1]!.release();
  for (let turn = 0; turn < 50 && kept().length > 1; turn += 1) await turnOfLoop();
  expect(kept()).toEqual(["snapshot-0000000003"]);
});
