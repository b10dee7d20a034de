/**
 * Membership over time: nodes are added, removed, replaced, promoted, lose their disks; the leadership is handed on. Who is doomed is
 * taken out one at a time, by whichever node answers, and only while there are voters enough.
 */
import type { RaftNode } from "../../cluster/node.js";
import type { NodeId } from "../../cluster/types.js";
import type { Chance } from "./chance.js";
import type { Group } from "./group.js";
import { isAlone } from "./profile.js";
import { addressOf } from "./roster.js";
import type { Setting } from "./setting.js";
import type { SimNode } from "./sim-node.js";

/** So many are left, or as many as founded the group. */
const VOTERS_MIN = 3;
/** With fewer voters the loss of one is that of a majority. */
const LOSS_VOTERS_MIN = 3;
const VOTERS_MAX = 5;
const LOOK_MS = 40;
/** An answer that is not there by then is not waited for: who was asked may be gone. */
const PATIENCE_MS = 2_000;

export class MembershipNemesis {
  readonly #setting: Setting;
  readonly #group: Group;
  readonly #chance: Chance;
  /** Of the present stroke. */
  #luck: Chance;
  /** To be taken out. */
  readonly #doomed = new Set<SimNode>();
  /** Asked for until they are. */
  readonly #promoted = new Set<SimNode>();
  #isAsking = false;
  readonly #votersMin: number;

  constructor(setting: Setting, group: Group) {
    this.#setting = setting;
    this.#group = group;
    this.#chance = setting.world.chance.stream("membership");
    this.#luck = this.#chance;
    this.#votersMin = Math.min(VOTERS_MIN, setting.profile.voters.length);
    if (!isAlone(setting.profile)) this.#look();
  }

  /** Nobody is to be taken out, and who joins has joined. */
  get isSettled(): boolean {
    const { history } = this.#setting;
    const isIn = (node: SimNode): boolean =>
      history.voters.has(node.id) || (history.learners.has(node.id) && node.arrival === "joins as learner");
    return this.#doomed.size === 0 && this.#group.standing.every(isIn);
  }

  /** Somebody was taken out, and nobody was told yet that the others can do without it. */
  get isTakingOut(): boolean {
    return [...this.#doomed].some(({ id }) => this.#setting.history.removed.has(id));
  }

  /** Nothing takes it out, as far as can be told. */
  stays(node: SimNode): boolean {
    const { retired, damage, generation } = node;
    return retired === null && damage === null && generation === 0 && !this.#doomed.has(node);
  }

  strike(chance: Chance): void {
    this.#luck = chance;
    const what = chance.unit();
    if (what < 0.25) this.#add("joins as voter");
    else if (what < 0.4) this.#add("joins as learner");
    else if (what < 0.6) this.#doom(chance.pick(this.#group.members));
    else if (what < 0.7) this.#replace(chance.pick(this.#group.members));
    else if (what < 0.8) this.#wipe(chance.pick(this.#group.members));
    else if (what < 0.9) this.#transfer();
    else if (what < 0.95) this.#promote();
    else this.#revive();
  }

  #add(arrival: "joins as voter" | "joins as learner"): SimNode | null {
    const { history, world } = this.#setting;
    const isFull = arrival === "joins as voter" && this.#group.votersToBe >= VOTERS_MAX;
    if (isFull || !this.#group.mayGrow || history.machine.streamTag === "") return null;
    const node = this.#group.add(arrival);
    world.fault("member added");
    world.tell("group", `node ${node.id} ${arrival}`);
    if (this.#luck.of(0.3)) {
      // Announced before it is there.
      const member = { peer: addressOf(node.id), tag: "", wantsVote: arrival === "joins as voter" };
      this.#ask((raft) => raft.changes.add(node.id, member));
    }
    world.after(this.#luck.between(0, 100), () => void node.start());
    return node;
  }

  #replace(old: SimNode): void {
    if (!this.#mayDoom(old)) return;
    const arrival = old.arrival === "joins as learner" ? "joins as learner" : "joins as voter";
    if (this.#add(arrival) === null) return;
    this.#setting.world.fault("member replaced");
    this.#doomed.add(old);
  }

  #mayDoom(node: SimNode): boolean {
    return this.#setting.history.machine.streamTag !== "" && !this.#doomed.has(node);
  }

  #doom(node: SimNode): void {
    if (!this.#mayDoom(node)) return;
    if (!this.#canBeSpared(node)) return;
    this.#setting.world.tell("group", `node ${node.id} is to go`);
    this.#doomed.add(node);
  }

  /** Without it, and those who are to go anyway, there are voters enough. */
  #canBeSpared(node: SimNode): boolean {
    const wantsVote = ({ arrival }: SimNode): boolean => arrival !== "joins as learner";
    const { members } = this.#group;
    const damaged = members.filter(({ damage }) => damage !== null && damage !== node.damage);
    const doomed = [...new Set([...this.#doomed, ...damaged])].filter(wantsVote).length;
    return !wantsVote(node) || this.#group.votersToBe - doomed > this.#votersMin;
  }

  /** One at a time: a second loss could be a majority's. */
  #wipe(node: SimNode): void {
    if (!this.mayBeLost(node)) return;
    node.wipe();
    this.#doomed.add(node);
  }

  /** Whether the group can do without a node, or gets another one now. One at a time: a second loss could be a majority's. */
  mayBeLost(node: SimNode): boolean {
    const { members } = this.#group;
    const { history, profile } = this.#setting;
    // Who founded the group alone would found another one on an empty disk.
    const isFounder = profile.voters.length === 1 && profile.voters.includes(node.id);
    if (isFounder || this.isTakingOut || history.voters.size < LOSS_VOTERS_MIN) return false;
    const isOneLost = members.some(({ generation, damage }) => generation > 0 || damage !== null);
    if (isOneLost || !this.#mayDoom(node) || node.retired !== null) return false;
    return this.#canBeSpared(node) || this.#add("joins as voter") !== null;
  }

  /** Its disk is thrown away and it is taken out: nobody starts it again. */
  lose(node: SimNode, why = "its disk is damaged"): void {
    node.wipe();
    node.retired = why;
    if (!this.#setting.history.removed.has(node.id)) this.#doomed.add(node);
  }

  #transfer(): void {
    const to = this.#luck.of(0.5) ? "" : this.#luck.pick([...this.#setting.history.voters]);
    this.#setting.world.fault("leadership transferred");
    this.#ask((raft) => raft.changes.transfer(to));
  }

  #promote(): void {
    const learners = [...this.#setting.history.learners];
    if (learners.length === 0 || this.#group.votersToBe >= VOTERS_MAX) return;
    const node = this.#group.nodes.find(({ id }) => id === learners[0]);
    if (node === undefined || node.arrival !== "joins as learner" || this.#doomed.has(node)) return;
    node.arrival = "joins as voter";
    this.#setting.world.fault("learner promoted");
    this.#promoted.add(node);
  }

  /** Somebody does not know that a node was taken out. */
  #revive(): void {
    const removed = this.#group.nodes.filter(({ isDown, retired }) => isDown && retired === "member_removed");
    if (removed.length === 0) return;
    const node = this.#luck.pick(removed);
    if (this.#luck.of(0.5)) {
      // A new machine is given the number of the old one.
      node.wipe();
      node.arrival = "joins as voter";
      this.#setting.world.fault("removed member's id on a new disk");
    } else this.#setting.world.fault("removed member comes back");
    void node.revive();
  }

  #look(): void {
    const { history, world } = this.#setting;
    for (const node of this.#group.standing)
      if (this.#isForgotten(node)) this.lose(node, "nobody whom it knows is left");
    for (const node of this.#promoted) {
      if (!history.learners.has(node.id)) this.#promoted.delete(node);
      else if (this.#chance.of(0.3)) this.#ask((raft) => raft.changes.promote(node.id));
    }
    // Who lost its disk goes first: without it the group is one short already.
    const [next] = [...this.#doomed].sort((a, b) => b.generation - a.generation);
    if (next !== undefined && this.#mayGo(next.id) && !this.#isAsking) this.#remove(next);
    world.after(LOOK_MS, () => this.#look());
  }

  /** A removed node that knows only of removed ones: nobody tells it that it was taken out, until an operator looks after it. */
  #isForgotten({ id, life }: SimNode): boolean {
    const { history } = this.#setting;
    const known = life?.raft.peers() ?? [];
    return history.removed.has(id) && known.length > 0 && !known.some((peer) => history.isMember(peer.id));
  }

  #mayGo(id: NodeId): boolean {
    const { voters, learners, removed } = this.#setting.history;
    return removed.has(id) || learners.has(id) || (voters.has(id) && voters.size > this.#votersMin);
  }

  #isRemoved(node: SimNode): void {
    this.#doomed.delete(node);
    this.#setting.world.fault("member removed");
  }

  /** Asked for until that is answered, also when it is out by then. */
  #remove(node: SimNode): void {
    this.#ask(async (raft) => {
      await raft.changes.remove(node.id);
      if (this.#doomed.has(node)) this.#isRemoved(node);
    }, true);
  }

  #ask(what: (raft: RaftNode) => Promise<unknown>, isRemoval = false): void {
    const raft = this.#group.raft();
    if (raft === null) return;
    const { world } = this.#setting;
    if (isRemoval) this.#isAsking = true;
    const over = (): void => {
      if (isRemoval) this.#isAsking = false;
    };
    const cancel = world.after(PATIENCE_MS, over);
    what(raft)
      .catch((error: unknown) => world.tell("group", `no: ${String(error)}`))
      .finally(() => {
        cancel();
        over();
      });
  }
}
