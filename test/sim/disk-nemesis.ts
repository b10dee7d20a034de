/**
 * What goes wrong with disks: calls that fail, no room, no descriptors, long waits. A node goes on correctly or stops by itself and
 * says why; then it is started again with a disk that is well.
 */
import type { Chance } from "./chance.js";
import type { DiskFaults } from "./disk-faults.js";
import type { Group } from "./group.js";
import type { Setting } from "./setting.js";
import type { SimNode } from "./sim-node.js";

export class DiskNemesis {
  readonly #setting: Setting;
  readonly #group: Group;
  readonly #chance: Chance;
  #isOver = false;

  constructor(setting: Setting, group: Group) {
    this.#setting = setting;
    this.#group = group;
    this.#chance = setting.world.chance.stream("disks");
    const { files } = setting.profile;
    if (files !== null && files.faultMs > 0) this.#next(files.faultMs);
  }

  /** All disks are well from now on. */
  end(): void {
    this.#isOver = true;
    for (const { faults } of this.#group.nodes) faults?.heal();
  }

  #next(meanMs: number): void {
    this.#setting.world.after(this.#chance.around(meanMs), () => {
      if (this.#isOver) return;
      const node = this.#chance.pick(this.#group.nodes);
      if (node.faults !== null) this.#strike(node, node.faults);
      this.#next(meanMs);
    });
  }

  #strike(node: SimNode, faults: DiskFaults): void {
    const chance = this.#chance;
    const what = chance.unit();
    const forMs = chance.between(20, 400);
    if (what < 0.25) faults.arm("disk call fails (EIO)", chance.whole(1, 40));
    else if (what < 0.5) faults.arm("fsync fails (EIO)", chance.whole(1, 8));
    else if (what < 0.65) faults.arm("write done by half", chance.whole(1, 10));
    else if (what < 0.78) faults.fill(forMs);
    else if (what < 0.88) faults.takeDescriptors(forMs);
    else {
      faults.slowDown(forMs);
      this.#setting.world.fault("disk stands still");
      this.#setting.world.tell(`n${node.id}`, `its disk stands still for ${Math.round(forMs)} ms`);
    }
  }
}
