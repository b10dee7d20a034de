/**
 * What goes wrong with disks: calls that fail, no room, no descriptors, long waits, bytes that change by themselves. A node goes on correctly or
 * stops by itself and says why; then it is started again with a disk that is well, or replaced where its disk was damaged.
 */
import type { Chance } from "./chance.js";
import type { Group } from "./group.js";
import type { MembershipNemesis } from "./membership-nemesis.js";
import type { Setting } from "./setting.js";
import type { SimNode } from "./sim-node.js";

/** Of damage, how much is the leader's: it is who gives snapshots. */
const LEADER_CHANCE = 0.4;

export class DiskNemesis {
  readonly #setting: Setting;
  readonly #group: Group;
  readonly #chance: Chance;
  readonly #membership: MembershipNemesis;
  #isOver = false;

  constructor(setting: Setting, group: Group, membership: MembershipNemesis) {
    this.#membership = membership;
    group.onDamaged = (node) => membership.lose(node);
    this.#setting = setting;
    this.#group = group;
    this.#chance = setting.world.chance.stream("disks");
    const { files } = setting.profile;
    if (files === null) return;
    if (files.faultMs > 0) this.#next(files.faultMs);
    if (files.corruptionMs > 0 && setting.profile.voters.length > 1) this.#nextDamage(files.corruptionMs);
  }

  /** All disks are well from now on. */
  end(): void {
    this.#isOver = true;
    for (const node of this.#group.nodes) {
      node.faults?.heal();
      if (this.#isUndone(node)) continue;
      this.#setting.world.fault("damage latent to the end");
      this.#membership.lose(node);
    }
  }

  /** Whether there is no damage on a disk any more. */
  #isUndone(node: SimNode): boolean {
    if (node.damage === null) return true;
    if (!node.damage.isGone()) return false;
    this.#setting.world.fault("damage repaired");
    node.damage = null;
    return true;
  }

  #nextDamage(meanMs: number): void {
    this.#setting.world.after(this.#chance.around(meanMs), () => {
      if (this.#isOver) return;
      for (const node of this.#group.nodes) this.#isUndone(node);
      const luck = this.#setting.strokes.next("x");
      if (luck !== null) this.#damage(luck);
      this.#nextDamage(meanMs);
    });
  }

  #next(meanMs: number): void {
    this.#setting.world.after(this.#chance.around(meanMs), () => {
      if (this.#isOver) return;
      const luck = this.#setting.strokes.next("d");
      if (luck !== null) this.#strike(luck);
      this.#next(meanMs);
    });
  }

  #damage(luck: Chance): void {
    const { members, nodes } = this.#group;
    const leader = members.find(({ life }) => life?.raft.status().role === "leader");
    const isLeaders = leader !== undefined && luck.of(LEADER_CHANCE);
    const node = isLeaders ? leader : luck.pick(members.length > 0 ? members : nodes);
    // Most is found when it is read at a start.
    if (this.#membership.mayBeLost(node) && node.damageDisk(luck) && luck.of(0.7)) {
      node.crash("to come back with a damaged disk");
    }
  }

  #strike(chance: Chance): void {
    const node = chance.pick(this.#group.nodes);
    const { faults } = node;
    if (faults === null) return;
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
