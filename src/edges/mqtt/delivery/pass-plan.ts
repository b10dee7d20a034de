/**
 * What a pass over retained messages goes through, in position order: names of topics and no payloads, with what is to be known of a message
 * that may be gone when its turn comes.
 */
import type { StoredMessage } from "../../../state-machine/effects.js";

export class PassPlan {
  /** In position order; of one that is gone already nothing is known but its position. */
  readonly #topics: (string | null)[] = [];
  readonly #positions: Float64Array;
  readonly #isAtTwo: Uint8Array;

  /** `gone`: positions at which there was something for QoS 2. `isAtTwo` says whether a message goes at QoS 2. */
  constructor(
    messages: readonly StoredMessage[],
    gone: readonly number[],
    isAtTwo: (message: StoredMessage) => boolean,
  ) {
    const entries = [
      ...messages.map((message) => ({ position: message.position, message })),
      ...gone.map((position) => ({ position, message: null })),
    ].sort((a, b) => a.position - b.position);
    this.#positions = new Float64Array(entries.length);
    this.#isAtTwo = new Uint8Array(entries.length);
    for (const [index, { position, message }] of entries.entries()) {
      this.#topics.push(message?.topic.name ?? null);
      this.#positions[index] = position;
      this.#isAtTwo[index] = Number(message === null || isAtTwo(message));
    }
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

  isAtTwo(index: number): boolean {
    return this.#isAtTwo[index] === 1;
  }
}
