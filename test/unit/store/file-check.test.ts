/** Damage is found before a file of the store goes into a snapshot, and only what is new is read. */
import { describe, expect, it } from "vitest";
import { filled, opened, path } from "./store-on-disk.js";

const CORRUPT = { code: "store_corrupt" };

describe("a file that is about to go into a snapshot", () => {
  it("checks when nothing changed, and does not with any bit of it flipped", async () => {
    const { disk, mark } = await filled();
    const store = await opened(disk, mark);
    for (const { name, path: at, bytes } of store.files(mark)) {
      await store.check({ name, path: at, from: 0, bytes });
      const file = disk.file(at);
      const sound = file.bytes;
      for (let byte = 0; byte < bytes; byte += 13) {
        file.bytes = Buffer.from(sound);
        file.bytes[byte] = sound[byte]! ^ 4;
        const checked = store.check({ name, path: at, from: 0, bytes });
        await expect(checked, `${name}, byte ${byte}`).rejects.toMatchObject({
          code: expect.stringMatching(/^store_(corrupt|version)$/),
        });
      }
      file.bytes = sound;
    }
  });

  it("is read from where the snapshot before it ended", async () => {
    const { disk, mark, marks } = await filled();
    const store = await opened(disk, mark);
    const before = marks.findLast(({ segment, bytes }) => segment === mark.segment && bytes < mark.bytes)!;
    const name = path(mark.segment, "seg");
    const file = disk.file(name);
    const check = (from: number): Promise<void> =>
      store.check({ name: name.slice("/d/messages/".length), path: name, from, bytes: mark.bytes });
    file.bytes = Buffer.from(file.bytes);
    file.bytes[before.bytes - 1]! ^= 1;
    await check(before.bytes);
    await expect(check(0)).rejects.toMatchObject(CORRUPT);
    file.bytes[before.bytes + 40]! ^= 1;
    await expect(check(before.bytes)).rejects.toMatchObject(CORRUPT);
  });
});
