/**
 * A message store that a test has in hand: messages in an array, reads that end when the test says so, trimming of any topic
 * through any position.
 */
import type { StoredMessage } from "../../src/state-machine/effects.js";
import type { MessageStore, ReadPage, ReadQuery, TopicSelection } from "../../src/store/message-store.js";

export class ArrayMessageStore implements Pick<MessageStore, "read" | "readRecent"> {
  readonly messages: StoredMessage[] = [];
  /** By topic id, what retention has taken. */
  readonly trimmed = new Map<number, number>();
  /** `readRecent` answers for what is above this position. */
  recentAbove = 0;
  /** Reads of either kind, and the pages they gave. */
  reads = 0;
  #forgotten = new Set<number>();
  #late: (() => void)[] = [];
  #failure: Error | null = null;

  append(messages: readonly StoredMessage[]): void {
    this.messages.push(...messages);
  }

  get lastPosition(): number {
    return this.messages.at(-1)?.position ?? 0;
  }

  trim(topicId: number, through: number): void {
    this.trimmed.set(topicId, Math.max(through, this.trimmed.get(topicId) ?? 0));
  }

  forget(topicId: number): void {
    this.#forgotten.add(topicId);
  }

  /** The next late read fails. */
  failNext(error: Error): void {
    this.#failure = error;
  }

  readRecent(query: ReadQuery): ReadPage | null {
    if (query.after < this.recentAbove) return null;
    this.reads += 1;
    return this.#page(query);
  }

  read(query: ReadQuery): Promise<ReadPage> {
    this.reads += 1;
    return new Promise((resolve, reject) => {
      this.#late.push(() => {
        const failure = this.#failure;
        this.#failure = null;
        if (failure === null) resolve(this.#page(query));
        else reject(failure);
      });
    });
  }

  get lateReads(): number {
    return this.#late.length;
  }

  /** Ends one of the reads in flight and lets its readers know. */
  async land(index = 0): Promise<void> {
    const [read] = this.#late.splice(index, 1);
    read?.();
    for (let i = 0; i < 4; i += 1) await Promise.resolve();
  }

  #page({ topics, after, through, messagesMax, bytesMax }: ReadQuery): ReadPage {
    const asked = this.#between(after, through).filter(
      ({ topic }) => !this.#forgotten.has(topic.id) && selects(topics, topic.id),
    );
    const isTrimmed = ({ topic, position }: StoredMessage): boolean =>
      position <= (this.trimmed.get(topic.id) ?? 0);
    const trimmedThrough = asked.findLast(isTrimmed)?.position ?? 0;
    const messages: StoredMessage[] = [];
    let bytes = 0;
    for (const message of asked) {
      if (isTrimmed(message)) continue;
      if (messages.length === messagesMax || bytes >= bytesMax) {
        return { messages, next: messages.at(-1)?.position ?? after, trimmedThrough };
      }
      messages.push(message);
      bytes += message.payload.byteLength;
    }
    return { messages, next: through, trimmedThrough };
  }

  /** Positions are 1, 2, 3, ... */
  #between(after: number, through: number): StoredMessage[] {
    return this.messages.slice(after, through);
  }
}

function selects(topics: TopicSelection, id: number): boolean {
  return "ids" in topics ? topics.ids.includes(id) : topics.accepts(id);
}
