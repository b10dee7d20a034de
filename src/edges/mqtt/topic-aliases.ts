/** What the numbers stand for that a client uses in place of topic names (MQTT 5.0, 3.3.2.3.4), on one connection. */
import { PacketRefused } from "./refusal.js";

export class TopicAliases {
  readonly #max: number;
  /** `null` for a topic that nobody may publish to. */
  #topics: Map<number, string | null> | null = null;

  /** Takes the aliases 1 to `max`. */
  constructor(max: number) {
    this.#max = max;
  }

  /** From now on `alias` stands for `topic`. Throws `PacketRefused` `topic_alias_invalid` above the maximum (MQTT-3.3.2-9). */
  set(alias: number, topic: string | null): void {
    if (alias > this.#max) throw new PacketRefused("topic_alias_invalid", `topic alias ${alias}`);
    this.#topics ??= new Map();
    this.#topics.set(alias, topic);
  }

  /** Throws `PacketRefused` for an alias that stands for nothing (3.3.4: a protocol error). */
  get(alias: number): string | null {
    if (alias > this.#max) throw new PacketRefused("topic_alias_invalid", `topic alias ${alias}`);
    const topic = this.#topics?.get(alias);
    if (topic === undefined) {
      throw new PacketRefused("protocol_violation", `topic alias ${alias} stands for nothing`);
    }
    return topic;
  }
}
