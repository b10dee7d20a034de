/**
 * Memory twin of the message store: one array, the same answers. What a crash would leave lives in an image that a new store can
 * be opened on. Retention is by message here, where the disk goes by block and segment.
 */
import { assertInvariant } from "../errors.js";
import type { StoredMessage, TopicRef } from "../state-machine/effects.js";
import type {
  MessageStore,
  ReadPage,
  ReadQuery,
  RetentionPolicy,
  StoreMark,
  TopicSelection,
  TopicStats,
} from "./message-store.js";
import { PageBuilder } from "./page.js";
import { corrupt } from "./segment-format.js";

/** What is there after a crash: the messages up to what was synced, and the floors of topics. */
export interface MemoryMessageImage {
  messages: readonly StoredMessage[];
  floors: ReadonlyMap<number, number>;
  syncedThrough: number;
}

const FILE = "messages.json";
const NOWHERE = "memory";

export class MemoryMessageStore implements MessageStore {
  readonly #image: MemoryMessageImage;
  #messages: StoredMessage[] = [];
  #floors = new Map<number, number>();
  #forgotten = new Set<number>();
  #lastPosition = 0;
  #staged: string | null = null;

  constructor(image: MemoryMessageImage = { messages: [], floors: new Map(), syncedThrough: 0 }) {
    this.#image = image;
  }

  async open(mark: StoreMark, resolve: (topicId: number) => TopicRef | undefined): Promise<void> {
    if (this.#staged !== null) this.#adopt(this.#staged);
    this.#staged = null;
    const { messages, floors, syncedThrough } = this.#image;
    if (mark.position > syncedThrough) {
      throw corrupt(NOWHERE, `it ends at position ${syncedThrough} where ${mark.position} was made durable`);
    }
    this.#floors = new Map(floors);
    this.#forgotten = new Set();
    this.#messages = [];
    for (const message of messages) {
      const topic = message.position <= mark.position ? resolve(message.topic.id) : undefined;
      if (topic !== undefined) this.#messages.push({ ...message, topic });
    }
    this.#dropTrimmed();
    this.#lastPosition = mark.position;
  }

  append(messages: readonly StoredMessage[]): void {
    for (const message of messages) {
      assertInvariant(message.position === this.#lastPosition + 1, "appended positions are contiguous");
      this.#lastPosition = message.position;
      if (message.position > this.#floor(message.topic.id)) this.#messages.push(message);
    }
  }

  async sync(): Promise<StoreMark> {
    this.#image.messages = [...this.#messages];
    this.#image.syncedThrough = this.#lastPosition;
    return {
      segment: Math.min(1, this.#lastPosition),
      bytes: this.#lastPosition,
      position: this.#lastPosition,
    };
  }

  get lastPosition(): number {
    return this.#lastPosition;
  }

  readRecent(query: ReadQuery): ReadPage {
    const { topics, after } = query;
    const through = Math.max(after, Math.min(query.through, this.#lastPosition));
    const gap = Math.min(this.#trimmedAbove(topics, after), through);
    const page = new PageBuilder(query);
    for (const message of this.#messages) {
      if (message.position <= after || message.position > through) continue;
      if (!selects(topics, message.topic.id) || this.#forgotten.has(message.topic.id)) continue;
      if (!page.add(message)) return page.finish(message.position, gap);
    }
    return page.finish(through, gap);
  }

  async read(query: ReadQuery): Promise<ReadPage> {
    return this.readRecent(query);
  }

  stats(topicId: number): TopicStats {
    const kept = this.#forgotten.has(topicId)
      ? []
      : this.#messages.filter(({ topic }) => topic.id === topicId);
    return { messages: kept.length, bytes: bytesOf(kept), firstPosition: kept[0]?.position ?? 0 };
  }

  trimmedThrough(topics: TopicSelection): number {
    return this.#trimmedAbove(topics, 0);
  }

  async retain(policy: RetentionPolicy): Promise<void> {
    const byTopic = new Map<number, StoredMessage[]>();
    for (const message of this.#messages) {
      const of = byTopic.get(message.topic.id);
      if (of === undefined) byTopic.set(message.topic.id, [message]);
      else of.push(message);
    }
    for (const [topicId, messages] of byTopic) {
      const topicLimits = policy.topic(topicId);
      if (topicLimits === null) {
        this.forget(topicId);
        continue;
      }
      let rest = bytesOf(messages);
      for (const { position, timestampMs, payload } of messages) {
        const isOld = timestampMs < policy.nowMs - topicLimits.ageMs;
        if (!isOld && rest - payload.length < topicLimits.bytes) break;
        rest -= payload.length;
        this.#floors.set(topicId, position);
      }
    }
    this.#dropTrimmed();
    let excess = this.bytes() - policy.bytesMax;
    for (const { topic, position, payload } of this.#messages) {
      if (excess <= 0) break;
      excess -= payload.length;
      this.#floors.set(topic.id, position);
    }
    this.#dropTrimmed();
    this.#image.floors = new Map(this.#floors);
  }

  forget(topicId: number): void {
    this.#forgotten.add(topicId);
    this.#floors.delete(topicId);
  }

  bytes(): number {
    return bytesOf(this.#messages);
  }

  files(
    mark: StoreMark,
  ): readonly { readonly name: string; readonly path: string; readonly bytes: number }[] {
    const messages = this.#messages.filter(({ position }) => position <= mark.position);
    const path = JSON.stringify({
      position: mark.position,
      floors: [...this.#floors],
      messages: messages.map((message) => ({
        ...message,
        payload: Buffer.from(message.payload).toString("base64"),
        properties: Buffer.from(message.properties).toString("base64"),
      })),
    });
    return [{ name: FILE, path, bytes: Buffer.byteLength(path) }];
  }

  /** Nothing is dropped that a snapshot has named: `files` copied it. */
  hold(): () => void {
    return () => undefined;
  }

  /** The bytes of a file that `files` named: its path is the file itself. */
  static source(path: string): Uint8Array {
    return Buffer.from(path);
  }

  async replace(
    files: readonly { readonly name: string; readonly bytes: number }[],
    read: (name: string, offset: number, length: number) => Promise<Uint8Array>,
  ): Promise<void> {
    const file = files.find(({ name }) => name === FILE);
    if (file === undefined) throw corrupt(FILE, "the snapshot does not have it");
    this.#staged = Buffer.from(await read(FILE, 0, file.bytes)).toString("utf8");
  }

  async close(): Promise<void> {}

  #adopt(text: string): void {
    const { position, floors, messages } = JSON.parse(text);
    this.#image.syncedThrough = position;
    this.#image.floors = new Map(floors);
    this.#image.messages = messages.map(
      (message: { readonly payload: string; readonly properties: string }) => ({
        ...message,
        payload: new Uint8Array(Buffer.from(message.payload, "base64")),
        properties: new Uint8Array(Buffer.from(message.properties, "base64")),
      }),
    );
  }

  #floor(topicId: number): number {
    return this.#floors.get(topicId) ?? 0;
  }

  #trimmedAbove(topics: TopicSelection, after: number): number {
    let highest = 0;
    for (const [id, floor] of this.#floors) if (selects(topics, id)) highest = Math.max(highest, floor);
    return highest > after ? highest : 0;
  }

  #dropTrimmed(): void {
    this.#messages = this.#messages.filter(({ topic, position }) => position > this.#floor(topic.id));
  }
}

function selects(topics: TopicSelection, id: number): boolean {
  return "ids" in topics ? topics.ids.includes(id) : topics.accepts(id);
}

function bytesOf(messages: readonly StoredMessage[]): number {
  return messages.reduce((sum, { payload }) => sum + payload.length, 0);
}
