/** A subscriber with a session that is kept: what it gets goes to its audit, whichever node it is connected to. */
import type { ClusterNode } from "../lib/cluster-node.js";
import { Audit, type Ledger, type Violation } from "./audit.js";
import { keyOf } from "./payload.js";
import { Seat } from "./seat.js";
import type { Level } from "./strict-client.js";

export interface SubscriberTraits {
  readonly name: string;
  readonly level: Level;
  readonly qos: 1 | 2;
  /** More than one that matches a message is still one message to it. */
  readonly filters: readonly string[];
  readonly ackDelayMs: () => number;
}

export class Subscriber {
  readonly audit: Audit;
  readonly seat: Seat;
  readonly #traits: SubscriberTraits;

  constructor(traits: SubscriberTraits, ledger: Ledger, report: (violation: Violation) => void) {
    const { name, level, qos, ackDelayMs } = traits;
    this.#traits = traits;
    this.audit = new Audit(ledger, name, qos, report);
    this.seat = new Seat({
      ...{ name, level, ackDelayMs, report },
      events: { onMessage: (payload) => this.audit.deliver(keyOf(payload)) },
    });
  }

  /** Connects for the first time, and subscribes. */
  async begin(node: ClusterNode): Promise<void> {
    await this.seat.settle(node, true);
    const { filters, qos, name } = this.#traits;
    const granted = await this.seat.client?.subscribe(filters, qos);
    if (granted?.every((one) => one === qos) !== true) throw new Error(`${name} was granted ${granted}`);
  }
}
