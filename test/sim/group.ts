/** All nodes of a run, those that are, those to come and those that were; and who of them answers now. */
import type { RaftNode } from "../../cluster/node.js";
import type { Chance } from "./chance.js";
import type { Life } from "./life.js";
import type { Setting } from "./setting.js";
import { SimNode, type SimNodeOptions } from "./sim-node.js";

/** Ids that one run may use up. */
const IDS_MAX = 8;

export class Group {
  readonly nodes: SimNode[] = [];
  readonly #setting: Setting;
  readonly #chance: Chance;
  readonly #onLifeEnded: (node: SimNode, life: Life) => void;

  /** A node said that its disk is damaged. */
  onDamaged: (node: SimNode) => void = () => undefined;

  constructor(setting: Setting, onLifeEnded: (node: SimNode, life: Life) => void) {
    this.#setting = setting;
    this.#chance = setting.world.chance.stream("group");
    this.#onLifeEnded = onLifeEnded;
    for (const _founder of setting.profile.voters) this.#create("founds");
    this.#watch();
  }

  /** Those that were not told to stop for good. */
  get standing(): readonly SimNode[] {
    return this.nodes.filter(({ retired }) => retired === null);
  }

  get mayGrow(): boolean {
    return this.nodes.length < IDS_MAX;
  }

  /** Members by the newest entry that anybody applied. */
  get members(): readonly SimNode[] {
    return this.nodes.filter(({ id }) => this.#setting.history.isMember(id));
  }

  /** Voters that there are and that have asked to become some. */
  get votersToBe(): number {
    const { history } = this.#setting;
    const isCounted = ({ id, arrival }: SimNode): boolean =>
      history.voters.has(id) || (arrival === "joins as voter" && !history.removed.has(id));
    return this.nodes.filter(isCounted).length;
  }

  serving(): Life[] {
    return this.nodes.flatMap((node) => (node.isServing && node.life !== null ? [node.life] : []));
  }

  /** Any node that serves takes commands, whoever leads. */
  door(chance: Chance = this.#chance): Life | null {
    const serving = this.serving();
    return serving.length === 0 ? null : chance.pick(serving);
  }

  /** Any node that serves makes changes, or has them made. */
  raft(): RaftNode | null {
    return this.door()?.raft ?? null;
  }

  /** Rules are broken while nodes work, and may be mended by a restart: somebody looks in now and then. */
  #watch(): void {
    const { world, profile } = this.#setting;
    world.after(this.#chance.around(profile.inspectMs), () => {
      if (world.isCalm) return;
      void this.#chance.pick(this.nodes).inspect();
      this.#watch();
    });
  }

  add(arrival: "joins as voter" | "joins as learner"): SimNode {
    return this.#create(arrival);
  }

  #create(arrival: SimNodeOptions["arrival"]): SimNode {
    const id = String(this.nodes.length + 1);
    const door = (): RaftNode | null => this.raft();
    const node = new SimNode({
      id,
      setting: this.#setting,
      arrival,
      door,
      onDamaged: (damaged) => this.onDamaged(damaged),
      onLifeEnded: this.#onLifeEnded,
    });
    this.nodes.push(node);
    return node;
  }
}
