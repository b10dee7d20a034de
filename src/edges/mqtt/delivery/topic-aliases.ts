/**
 * Topic aliases towards one client (MQTT 5.0, 3.3.2.3.4): the first topics that are sent get one each and keep it as long as the
 * connection lasts. Clients that allow none have no object of this class.
 */
import { limits } from "../../../limits.js";
import type { AliasUse } from "./publish-packet.js";

export class TopicAliases {
  readonly #aliasMax: number;
  readonly #known = new Map<string, AliasUse>();

  /** `topicAliasMax`: what the client allows (MQTT-3.1.2-26). */
  constructor(topicAliasMax: number) {
    this.#aliasMax = Math.min(topicAliasMax, limits.topicAliasesOutMax);
  }

  /** How the next packet about a topic uses an alias; `null` when there is none left. */
  use(topic: string): AliasUse | null {
    const known = this.#known.get(topic);
    if (known !== undefined) return known;
    return this.#known.size < this.#aliasMax ? { alias: this.#known.size + 1, isKnown: false } : null;
  }

  /** The packet was sent: the client knows the alias. */
  sent(topic: string, { alias, isKnown }: AliasUse): void {
    if (!isKnown) this.#known.set(topic, { alias, isKnown: true });
  }
}
