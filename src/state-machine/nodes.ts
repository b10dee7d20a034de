/**
 * The nodes that clients connect to, as the log knows them: which start of each counts, where its clients go, which connections
 * it holds. Whether one is alive is for others to say; here it is up until the log says that it is not.
 */
import type { SessionOwner } from "./effects.js";
import type { RecordBatch } from "./record-batch.js";
import { encodeNode, type NodeRecord } from "./session-records.js";
import type { SessionState } from "./session-state.js";

export const NODE_PREFIX = "n/";

/** A node that is up. */
export interface NodeUp extends SessionOwner {
  /** `host:port` where its MQTT clients go; "" when it did not say. */
  readonly mqtt: string;
  /** Connections that count as its own. */
  readonly sessions: number;
}

export interface NodeState {
  owner: SessionOwner;
  mqtt: string;
  isUp: boolean;
  readonly sessions: Set<SessionState>;
}

export class Nodes {
  readonly #byName = new Map<string, NodeState>();
  readonly #changed = new Set<string>();

  get(node: string): NodeState | undefined {
    return this.#byName.get(node);
  }

  /** A later start than the one before, whose connections are gone from `sessions` already. */
  start(node: string, incarnation: number, mqtt: string): NodeState {
    const owner = Object.freeze({ node, incarnation });
    const known = this.#byName.get(node);
    const state = known ?? { owner, mqtt, isUp: true, sessions: new Set() };
    state.owner = owner;
    state.mqtt = mqtt;
    state.isUp = true;
    this.#byName.set(node, state);
    this.#changed.add(node);
    return state;
  }

  /** A proposal of that node was committed: it is not down, whatever was thought. */
  heard(node: string, incarnation: number): void {
    const known = this.#byName.get(node);
    if (known === undefined || known.isUp || known.owner.incarnation !== incarnation) return;
    known.isUp = true;
    this.#changed.add(node);
  }

  down(state: NodeState): void {
    state.isUp = false;
    this.#changed.add(state.owner.node);
  }

  /** Those that are up, by name. */
  up(): readonly NodeUp[] {
    return [...this.#byName.values()]
      .filter(({ isUp }) => isUp)
      .map(({ owner, mqtt, sessions }) => ({ ...owner, mqtt, sessions: sessions.size }))
      .sort((a, b) => (a.node < b.node ? -1 : 1));
  }

  writeChanges(out: RecordBatch): void {
    for (const node of this.#changed) {
      const state = this.#byName.get(node);
      if (state !== undefined) writeNode(out, state);
    }
    this.#changed.clear();
  }

  writeAll(out: RecordBatch): void {
    for (const state of this.#byName.values()) writeNode(out, state);
  }

  load(node: string, record: NodeRecord): void {
    const { incarnation, mqtt, isUp } = record;
    this.start(node, incarnation, mqtt).isUp = isUp;
    this.#changed.delete(node);
  }
}

function writeNode(out: RecordBatch, { owner, mqtt, isUp }: NodeState): void {
  encodeNode(out.writer, { incarnation: owner.incarnation, mqtt, isUp });
  out.put(NODE_PREFIX + owner.node);
}
