/** Nodes and sessions from their records, in any order: a session waits for its progress and for the node that it is connected to. */
import { NODE_PREFIX } from "./nodes.js";
import { corrupt, type Meta, numberOf, type StateRecord } from "./records.js";
import {
  decodeNode,
  decodeProgress,
  decodeSession,
  type LoadedSession,
  type ProgressRecord,
} from "./session-records.js";
import type { State } from "./state.js";

export class SessionLoader {
  readonly #state: State;
  readonly #sessions: LoadedSession[] = [];
  readonly #progress = new Map<number, ProgressRecord>();

  constructor(state: State) {
    this.#state = state;
  }

  /** Returns whether the record is one of these. */
  take({ key, value }: StateRecord): boolean {
    if (key.startsWith("s/")) this.#sessions.push(decodeSession(numberOf("s", key), value));
    else if (key.startsWith("p/")) this.#progress.set(numberOf("p", key), decodeProgress(value));
    else if (key.startsWith(NODE_PREFIX)) {
      this.#state.nodes.load(key.slice(NODE_PREFIX.length), decodeNode(value));
    } else return false;
    return true;
  }

  /** After the last record. Throws `FatalError` `store_corrupt`. */
  finish(meta: Meta): void {
    const { sessions } = this.#state;
    this.#sessions.sort((a, b) => a.session.number - b.session.number);
    for (const loaded of this.#sessions) this.#add(loaded);
    this.#state.passes.loaded();
    if (this.#progress.size > 0) throw corrupt("a session is missing whose progress is there");
    if ((this.#sessions.at(-1)?.session.number ?? 0) >= meta.nextSessionNumber) {
      throw corrupt("a session is newer than the state");
    }
    sessions.nextNumber = meta.nextSessionNumber;
    this.#state.nextSource = meta.nextSource;
  }

  #add({ session, node }: LoadedSession): void {
    const { nodes, sessions } = this.#state;
    const { number } = session;
    const progress = this.#progress.get(number);
    this.#progress.delete(number);
    if ((progress !== undefined) !== session.isKept)
      throw corrupt(`session ${number} and its progress differ`);
    if (progress !== undefined) {
      session.sentThrough = progress.sentThrough;
      session.live = progress.live;
      if (progress.passes.length > 0) session.passes = progress.passes;
      for (const packetId of progress.incoming) session.addIncoming(packetId);
    } else session.live.through = session.openedAt;
    if (node !== null) {
      const owner = nodes.get(node);
      if (owner === undefined)
        throw corrupt(`session ${number} is connected to node ${node}, which is not known`);
      session.owner = owner.owner;
      owner.sessions.add(session);
    }
    sessions.load(session);
    this.#state.passes.load(session);
  }
}
