/**
 * What a client with a session may rely on at each of its connections: everything comes in the order of the stream, and what it has not
 * acknowledged comes once more (MQTT 5.0, 4.4 and 4.6).
 */
import type { Fact, Ledger } from "./ledger.js";
import type { World } from "./world.js";

export class InOrder {
  readonly #name: string;
  readonly #world: World;
  readonly #ledger: Ledger;
  /** The last that came at this connection; `null` where what it subscribes changes meanwhile: some comes again then. */
  #last: number | null = null;
  /** Positions that came at this connection and were not acknowledged yet. */
  readonly #unacknowledged = new Set<number>();
  /** Those of earlier ones. */
  readonly #owed = new Set<number>();

  constructor(name: string, world: World, ledger: Ledger) {
    this.#name = name;
    this.#world = world;
    this.#ledger = ledger;
  }

  /** A connection begins. */
  begins(isSubscribed: boolean): void {
    this.#last = isSubscribed ? 0 : null;
  }

  /** And is over. */
  ends(): void {
    for (const position of this.#unacknowledged) this.#owed.add(position);
    this.#unacknowledged.clear();
  }

  /** A message comes, with `qos`. */
  took(fact: Fact, qos: number, dup: boolean): void {
    const { id, position } = fact;
    if (qos > 0) {
      this.#owed.delete(position);
      this.#unacknowledged.add(position);
    }
    const last = this.#last;
    if (last === null || (dup && this.#ledger.isDeleted(fact.topicId))) return;
    this.#world.check(position > last, () => `${this.#name} gets ${id} at ${position} after ${last}`);
    this.#last = position;
  }

  acknowledges(position: number): void {
    this.#unacknowledged.delete(position);
  }

  /** The first that has to come once more; `null` for none. */
  get owed(): number | null {
    for (const position of this.#owed) {
      const fact = this.#ledger.at(position);
      if (fact !== undefined && !this.#ledger.mayStayAway(fact)) return position;
    }
    return null;
  }
}
