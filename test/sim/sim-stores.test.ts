/** What a crash leaves of a simulated disk is there whatever the dead life was waiting for. */
import { expect, test } from "vitest";
import { Chance } from "./chance.js";
import { emptyImages, SimDisk } from "./sim-disk.js";
import { SimStateStore } from "./sim-stores.js";

test("a state that was still being read when the process went is no state", async () => {
  const disk = new SimDisk(emptyImages(), async () => undefined);
  const never = new Promise<never>(() => undefined);
  const chunks = async function* (): AsyncGenerator<{ key: string; value: Uint8Array }[]> {
    yield [{ key: "a", value: new Uint8Array(1) }];
    await never;
  };
  void new SimStateStore(disk).replace(chunks());
  await new Promise((resolve) => setImmediate(resolve));
  for (let seed = 1; seed <= 8; seed += 1) {
    const { state } = await disk.afterCrash(new Chance(seed), false);
    expect(state.entries.size).toBe(0);
  }
});
