/** What it means that a member was taken out: the others can do without it, also when all of them have started again since. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { emptyLogImage, MemoryLog, type MemoryLogImage } from "../../../cluster/log/memory-log.js";
import { MemoryNetwork } from "../../../cluster/transport/memory-transport.js";
import { EntryKind } from "../../../cluster/types.js";
import { leads, type Member, MemoryGroup } from "../../support/memory-group.js";

let group: MemoryGroup;
let again: MemoryGroup;

beforeEach(() => {
  group = new MemoryGroup(new MemoryNetwork());
  again = new MemoryGroup(new MemoryNetwork());
});

afterEach(async () => {
  await group.stop();
  await again.stop();
});

/** The disk of one member. Held, it takes an entry that changes the membership and nothing after. */
class HeldDisk {
  readonly image = emptyLogImage();
  readonly log = new MemoryLog(this.image, () => this.#sync());
  #holdsFrom = Number.POSITIVE_INFINITY;
  #waiting: (() => void)[] = [];

  /** From now on: the next change of membership is the last thing that it takes. */
  hold(): void {
    this.#holdsFrom = this.#changes() + 1;
  }

  release(): void {
    this.#holdsFrom = Number.POSITIVE_INFINITY;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** What a start would find now. */
  copy(): MemoryLogImage {
    return { ...this.image, entries: [...this.image.entries] };
  }

  #changes(): number {
    return this.image.entries.filter(({ kind }) => kind === EntryKind.ConfChange).length;
  }

  async #sync(): Promise<void> {
    if (this.#changes() < this.#holdsFrom) return;
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}

interface Begun {
  readonly leader: Member;
  readonly others: readonly Member[];
  readonly disks: ReadonlyMap<string, HeldDisk>;
}

async function begun(ids: readonly string[]): Promise<Begun> {
  const disks = new Map(ids.map((id) => [id, new HeldDisk()]));
  const members = ids.map((id) =>
    group.member(id, ids, { image: disks.get(id)!.image, log: disks.get(id)!.log }),
  );
  for (const each of members) await each.start();
  await group.until(() => members.some(leads), "one leads");
  const leader = members.find(leads)!;
  await group.until(() => leader.node.changes.isFounded, "they have met");
  await group.pass(5);
  return { leader, others: members.filter((member) => member !== leader), disks };
}

test("nobody hears of it before the leader has it on disk: of two, the one that stays would count with the other", async () => {
  const { leader, others, disks } = await begun(["1", "2"]);
  const [out] = others as [Member];
  const disk = disks.get(leader.id)!;
  disk.hold();
  const removed = leader.node.changes.remove(out.id);
  await group.pass(30);
  expect(disk.image.entries.at(-1)).toMatchObject({ kind: EntryKind.ConfChange });
  expect(out.failures).toEqual([]);
  expect(out.node.status().voters).toContain(out.id);
  disk.release();
  await group.settled(removed, "it is removed");

  const alone = again.member(leader.id, [], { image: disk.copy(), snapshots: leader.snapshots });
  await alone.start();
  await again.until(() => leads(alone), "it leads");
});

test("whoever asked is answered when a majority of the others has it on disk: they may lose the leader then", async () => {
  const { leader, others, disks } = await begun(["1", "2", "3", "4"]);
  const [out, ...left] = others as [Member, Member, Member];
  const [first, second] = left.map(({ id }) => disks.get(id)!) as [HeldDisk, HeldDisk];
  for (const disk of [first, second]) disk.hold();
  let isAnswered = false;
  const removed = leader.node.changes.remove(out.id).then(() => {
    isAnswered = true;
  });
  await group.pass(25);
  expect(leader.node.status().voters).not.toContain(out.id);
  expect(isAnswered).toBe(false);
  second.release();
  await group.settled(removed, "it is removed");

  const copies = [first.copy(), second.copy()];
  first.release();
  const back = left.map(({ id }, nth) => again.member(id, [], { image: copies[nth]! }));
  for (const each of back) await each.start();
  await again.until(() => back.some(leads), "one of two leads");
});
