/**
 * The committed history, as the nodes apply it: every index holds one entry, the same on every node and in every life. A machine
 * beside them, which never crashes, applies it once; the membership follows from it too.
 */
import type { CommittedEntry } from "../../cluster/state-machine.js";
import type { MembershipChange, NodeId } from "../../cluster/types.js";
import { decodeEnvelope } from "../../src/commands/codec.js";
import { Machine } from "../../src/state-machine/machine.js";
import { tagOf } from "./roster.js";
import { SessionBook } from "./session-book.js";
import { LogTimeRule } from "./sim-time.js";
import type { World } from "./world.js";

/** Index 1 is the base that every group begins from. */
const FIRST_INDEX = 2;

export class History {
  readonly machine = new Machine();
  readonly time: LogTimeRule;
  readonly book: SessionBook;
  readonly voters: Set<NodeId>;
  readonly learners = new Set<NodeId>();
  /** Who was removed, by which entry. */
  readonly removed = new Map<NodeId, number>();
  /** Of members' disks, as far as they are written down. */
  readonly tags = new Map<NodeId, string>();
  readonly #world: World;
  readonly #entries: CommittedEntry[] = [];
  readonly #changes = new Map<number, string>();

  constructor(world: World, voters: readonly NodeId[]) {
    this.#world = world;
    this.voters = new Set(voters);
    this.time = new LogTimeRule(world, () => this.voters);
    this.book = new SessionBook(world);
    // A group of one knows its own from the beginning.
    if (voters.length === 1) for (const id of voters) this.tags.set(id, tagOf(id, 0));
  }

  get lastIndex(): number {
    return FIRST_INDEX - 1 + this.#entries.length;
  }

  isMember(id: NodeId): boolean {
    return this.voters.has(id) || this.learners.has(id);
  }

  /** A node begins to apply a batch. One that was removed by an entry that it has applied applies no more. */
  begins(nodeId: string, index: number): void {
    const removedAt = this.removed.get(nodeId);
    const belongs = removedAt === undefined || index <= removedAt;
    this.#world.check(
      belongs,
      () => `node ${nodeId}, removed by entry ${removedAt}, goes on with entry ${index}`,
    );
  }

  /** A node is about to apply this; `change` is what it says if it is a change of membership. */
  applied(nodeId: string, entry: CommittedEntry, change: MembershipChange | null): void {
    const { index, term, data } = entry;
    const known = this.#entries[index - FIRST_INDEX];
    const said = change === null ? "" : JSON.stringify(change);
    if (known !== undefined) {
      const isSame =
        known.term === term &&
        Buffer.compare(known.data, data) === 0 &&
        (this.#changes.get(index) ?? "") === said;
      this.#world.check(
        isSame,
        () => `node ${nodeId} applies another entry ${index} than was applied before`,
      );
      return;
    }
    if (index !== this.lastIndex + 1) {
      this.#world.fail(`node ${nodeId} applies entry ${index} after ${this.lastIndex}: a hole`);
      return;
    }
    this.#entries.push({ index, term, data: data.slice() });
    if (change !== null) this.#changed(index, change, said);
    if (data.byteLength === 0) this.machine.skip(index);
    else {
      const envelope = decodeEnvelope(data.slice());
      const applied = this.machine.apply(envelope, index);
      this.time.logIs(this.machine.timeMs);
      if (applied.outcome === "applied") this.book.applied(envelope, applied);
    }
  }

  #changed(index: number, { kind, id, member }: MembershipChange, said: string): void {
    if (member !== null && member.tag !== "") this.tags.set(id, member.tag);
    this.#changes.set(index, said);
    this.#world.tell("group", `entry ${index}: ${said}`);
    if (kind === "add-learner") {
      this.#world.check(!this.removed.has(id), () => `node ${id} was removed, and is added again`);
      this.learners.add(id);
    } else if (kind === "promote") {
      this.learners.delete(id);
      this.voters.add(id);
    } else if (kind === "remove") {
      this.learners.delete(id);
      this.voters.delete(id);
      this.removed.set(id, index);
    }
    this.time.votersChange();
  }
}
