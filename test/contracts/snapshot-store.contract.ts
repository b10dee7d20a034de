/** What every snapshot store does, on whatever it is kept. Run on the disk's and on its memory twin. */
import { crc32 } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import type { SnapshotSource, SnapshotStore } from "../../cluster/log/snapshot-store.js";
import { marker } from "./log-store.contract.js";

/** One place where snapshots are kept, which can be opened again and again. */
export interface SnapshotPlace {
  /** A store on what is there; not opened. */
  create(): SnapshotStore;
  /** Makes a file that can be linked, or makes it longer; gives its path. */
  sourceFile(name: string, bytes: Uint8Array): Promise<string>;
  /** Changes or shortens a file of the newest snapshot behind the store's back. */
  damage(name: string, change: (bytes: Buffer) => Uint8Array): Promise<void>;
  remove(): Promise<void>;
}

export async function contentOf(source: SnapshotSource): Promise<Record<string, string>> {
  const contents: Record<string, string> = {};
  for (const { name, bytes } of source.files) {
    contents[name] = Buffer.from(await source.read(name, 0, bytes)).toString("latin1");
  }
  return contents;
}

const corrupt = { code: "snapshot_corrupt" };

export function describeSnapshotStore(name: string, createPlace: () => Promise<SnapshotPlace>): void {
  describe(`snapshot store: ${name}`, () => {
    const places: SnapshotPlace[] = [];
    afterEach(async () => {
      for (const place of places.splice(0)) await place.remove();
    });

    async function start(): Promise<{
      place: SnapshotPlace;
      store: SnapshotStore;
      again: () => Promise<SnapshotStore>;
    }> {
      const place = await createPlace();
      places.push(place);
      const again = async (): Promise<SnapshotStore> => {
        const store = place.create();
        await store.open();
        return store;
      };
      return { place, store: await again(), again };
    }

    it("has none at first", async () => {
      const { store } = await start();
      expect(store.latest()).toBeNull();
    });

    it("keeps what it was given, before and after it is opened again", async () => {
      const { store, again } = await start();
      const buffer = Buffer.from("hello ");
      const made = await store.create(marker(7, 2), async (sink) => {
        await sink.write("state", buffer);
        buffer.fill("x");
        await sink.write("empty.bin", new Uint8Array(0));
        await sink.write("state", Buffer.from("world"));
      });
      const check = async (source: SnapshotSource | null): Promise<void> => {
        expect(source?.meta).toEqual(marker(7, 2));
        expect(source?.files).toEqual([
          { name: "empty.bin", bytes: 0, crc: 0 },
          { name: "state", bytes: 11, crc: crc32("hello world") },
        ]);
        expect(await contentOf(source!)).toEqual({ "empty.bin": "", state: "hello world" });
        await source!.verify();
      };
      await check(made);
      await check(store.latest());
      await check((await again()).latest());
    });

    it("is read in pieces, shorter only at the end", async () => {
      const { store } = await start();
      const bytes = Buffer.alloc(3_000_000, 0).map((_, nth) => nth % 251);
      const source = await store.create(marker(2, 1), (sink) => sink.write("large", bytes));
      expect(
        Buffer.compare(await source.read("large", 1_048_570, 2000), bytes.subarray(1_048_570, 1_050_570)),
      ).toBe(0);
      expect((await source.read("large", 2_999_999, 100)).byteLength).toBe(1);
      expect((await source.read("large", 3_000_000, 100)).byteLength).toBe(0);
      await source.verify();
    });

    it("takes the first bytes of a file that goes on growing", async () => {
      const { place, store, again } = await start();
      const path = await place.sourceFile("messages", Buffer.from("0123456789"));
      await store.create(marker(5, 1), (sink) => sink.link("segment-1", path, 8));
      await place.sourceFile("messages", Buffer.from("0123456789 and more"));
      for (const each of [store, await again()]) {
        expect(each.latest()?.files).toEqual([{ name: "segment-1", bytes: 8, crc: crc32("01234567") }]);
        expect(await contentOf(each.latest()!)).toEqual({ "segment-1": "01234567" });
        await each.latest()!.verify();
      }
      await store.create(marker(6, 1), (sink) => sink.link("segment-1", path, 14));
      expect(store.latest()?.files).toEqual([{ name: "segment-1", bytes: 14, crc: crc32("0123456789 and") }]);
      await store.latest()!.verify();
    });

    it("replaces the older by the newer", async () => {
      const { store, again } = await start();
      for (const index of [3, 9, 9]) {
        await store.create(marker(index, 1), (sink) => sink.write("state", Buffer.from(`at ${index}`)));
      }
      expect((await again()).latest()?.meta.index).toBe(9);
      expect(await contentOf((await again()).latest()!)).toEqual({ state: "at 9" });
    });

    describe("hold", () => {
      const make = (store: SnapshotStore, index: number): Promise<SnapshotSource> =>
        store.create(marker(index, 1), (sink) => sink.write("state", Buffer.from(`at ${index}`)));

      it("gives nothing where there is nothing, else the newest", async () => {
        const { store } = await start();
        expect(store.hold()).toBeNull();
        await make(store, 3);
        const held = store.hold();
        expect(held?.source.meta).toEqual(marker(3, 1));
        held?.release();
      });

      it("keeps what is read, whatever comes after it, until the last reader lets go", async () => {
        const { store } = await start();
        await make(store, 3);
        const [one, two] = [store.hold()!, store.hold()!];
        await make(store, 5);
        const three = store.hold()!;
        await make(store, 9);
        expect(store.latest()?.meta.index).toBe(9);
        expect(store.hold()?.source.meta.index).toBe(9);
        one.release();
        for (const [held, text] of [
          [two, "at 3"],
          [three, "at 5"],
        ] as const) {
          expect(await contentOf(held.source)).toEqual({ state: text });
          await held.source.verify();
        }
        two.release();
        expect(await contentOf(three.source)).toEqual({ state: "at 5" });
        three.release();
        expect(await contentOf(store.latest()!)).toEqual({ state: "at 9" });
      });

      it("of the newest is no reason to remove it when it is let go of", async () => {
        const { store, again } = await start();
        await make(store, 3);
        for (let nth = 0; nth < 3; nth += 1) store.hold()?.release();
        expect(await contentOf(store.latest()!)).toEqual({ state: "at 3" });
        await make(store, 5);
        expect((await again()).latest()?.meta.index).toBe(5);
      });

      it("ends with the process: what was held is gone at the next start", async () => {
        const { store, again } = await start();
        await make(store, 3);
        store.hold();
        await make(store, 5);
        const next = await again();
        expect(next.latest()?.meta.index).toBe(5);
        await make(next, 6);
        expect(await contentOf(next.latest()!)).toEqual({ state: "at 6" });
      });
    });

    it("changes nothing when the filling fails", async () => {
      const { store, again } = await start();
      await store.create(marker(3, 1), (sink) => sink.write("state", Buffer.from("good")));
      const reason = Object.assign(new Error("the application gave up"), { code: "its own" });
      const failing = store.create(marker(4, 1), async (sink) => {
        await sink.write("state", Buffer.from("half"));
        throw reason;
      });
      await expect(failing).rejects.toBe(reason);
      for (const each of [store, await again()]) {
        expect(each.latest()?.meta.index).toBe(3);
        expect(await contentOf(each.latest()!)).toEqual({ state: "good" });
      }
      await store.create(marker(5, 1), (sink) => sink.write("state", Buffer.from("better")));
      expect((await again()).latest()?.meta.index).toBe(5);
    });

    it.each(["", "..", "a/b", "UPPER", "manifest.json", "né", ".hidden"])(
      "refuses the file name %j",
      async (bad) => {
        const { store } = await start();
        const taken = store.create(marker(2, 1), (sink) => sink.write(bad, Buffer.from("x")));
        await expect(taken).rejects.toMatchObject({ code: "invariant" });
        expect(store.latest()).toBeNull();
      },
    );

    it("takes one snapshot at a time", async () => {
      const { store } = await start();
      let finish = (): void => undefined;
      const held = new Promise<void>((resolve) => {
        finish = resolve;
      });
      const first = store.create(marker(2, 1), () => held);
      await expect(store.create(marker(3, 1), async () => undefined)).rejects.toMatchObject({
        code: "invariant",
      });
      finish();
      expect((await first).meta.index).toBe(2);
    });

    it("finds a flipped bit and a missing end", async () => {
      const { place, store, again } = await start();
      await store.create(marker(2, 1), (sink) => sink.write("state", Buffer.alloc(2000, 1)));
      await place.damage("state", (bytes) => {
        bytes[1234]! ^= 16;
        return bytes;
      });
      await expect(store.latest()!.verify()).rejects.toMatchObject(corrupt);
      await expect((await again()).latest()!.verify()).rejects.toMatchObject(corrupt);
      await place.damage("state", (bytes) => bytes.subarray(0, 1000));
      await expect(store.latest()!.read("state", 500, 1000)).rejects.toMatchObject(corrupt);
      await expect(store.latest()!.verify()).rejects.toMatchObject(corrupt);
    });
  });
}
