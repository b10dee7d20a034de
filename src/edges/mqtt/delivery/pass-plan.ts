/**
 * What a pass over retained messages goes through, in position order: names of topics and no payloads, with what is to be known of a message
 * that may be gone when its turn comes.
 */
import type { StoredMessage } from "../../../state-machine/effects.js";
import type { FilterSet } from "../../../topics/filter-set.js";

export class PassPlan {
  readonly #filters: FilterSet;
  /** `null` for what was gone before the plan was made. */
  readonly #topics: (string | null)[] = [];
  readonly #positions: Float64Array;
  /** Whether it was published at QoS 2, and not by a client that wants nothing of its own. */
  readonly #mayBeAtTwo: Uint8Array;

  /** `messages` and `gone`, positions at which there was something for QoS 2, are both in position order. */
  constructor(filters: FilterSet, messages: readonly StoredMessage[], gone: readonly number[]) {
    const size = messages.length + gone.length;
    this.#filters = filters;
    this.#positions = new Float64Array(size);
    this.#mayBeAtTwo = new Uint8Array(size);
    let nextGone = 0;
    for (const message of messages) {
      for (; (gone[nextGone] ?? Number.POSITIVE_INFINITY) < message.position; nextGone += 1) {
        this.#add(null, gone[nextGone] ?? 0, true);
      }
      this.#add(message.topic.name, message.position, this.#mayGoAtTwo(message));
    }
    for (const position of gone.slice(nextGone)) this.#add(null, position, true);
  }

  get size(): number {
    return this.#topics.length;
  }

  /** Topic of the message; `null` for one that was gone when the plan was made. */
  topicAt(index: number): string | null {
    return this.#topics[index] ?? null;
  }

  positionAt(index: number): number {
    return this.#positions[index] ?? 0;
  }

  /** Whether it was to go at QoS 2. Known without the message, and looked for only when that is gone: filters may be many. */
  wasForTwo(index: number): boolean {
    if (this.#mayBeAtTwo[index] !== 1) return false;
    const topic = this.topicAt(index);
    return topic === null || this.#filters.grantOfMatch(topic, 0)?.qos === 2;
  }

  #mayGoAtTwo({ qos, topic, publisher }: StoredMessage): boolean {
    if (qos < 2 || publisher === 0 || publisher !== this.#filters.excluding) return qos === 2;
    return this.#filters.grantOfMatch(topic.name, publisher)?.qos === 2;
  }

  #add(topic: string | null, position: number, mayBeAtTwo: boolean): void {
    const index = this.#topics.push(topic) - 1;
    this.#positions[index] = position;
    this.#mayBeAtTwo[index] = Number(mayBeAtTwo);
  }
}
