/**
 * Memory twin of the message store: one array, the same answers. What a crash would leave lives in an image that a new store can
 * be opened on. Retention is by message here, where the disk goes by block and segment.
 */
import { assertInvariant } from "../errors.js";
import type { StoredMessage, TopicRef } from "../state-machine/effects.js";
import type {
  HoldAbove,
  MessageStore,
  ReadPage,
  ReadQuery,
  RetentionOutcome,
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

/** What may go at most, and what is held of it. */
interface Consent {
  readonly through: ReadonlyMap<number, number>;
  readonly holdAbove: HoldAbove;
}

/** New floors of topics. */
interface Plan extends RetentionOutcome {
  readonly floors: ReadonlyMap<number, number>;
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

  async retain(policy: RetentionPolicy): Promise<RetentionOutcome> {
    for (const { topic } of this.#messages) if (policy.topic(topic.id) === null) this.forget(topic.id);
    let consent: Consent | null = null;
    if (policy.holds !== undefined) {
      const { floors } = this.#plan(policy, null);
      const nothing: HoldAbove = () => Number.POSITIVE_INFINITY;
      consent = { through: floors, holdAbove: floors.size === 0 ? nothing : await policy.holds(floors) };
    }
    const { floors, lost, lostMessages } = this.#plan(policy, consent);
    for (const [topicId, floor] of floors) this.#floors.set(topicId, floor);
    this.#dropTrimmed();
    this.#image.floors = new Map(this.#floors);
    return { lost, lostMessages };
  }

  #plan(policy: RetentionPolicy, consent: Consent | null): Plan {
    const mayGo = ({ topic, position }: StoredMessage): boolean =>
      consent === null || position <= (consent.through.get(topic.id) ?? 0);
    const isHeld = ({ topic, position }: StoredMessage): boolean =>
      consent !== null && position > consent.holdAbove(topic.id);
    const readable = this.#messages.filter(({ topic }) => !this.#forgotten.has(topic.id));
    const floors = new Map<number, number>();
    for (const messages of groupedByTopic(readable)) {
      for (const message of pastTopicLimits(messages, policy)) {
        if (!mayGo(message) || isHeld(message)) break;
        floors.set(message.topic.id, message.position);
      }
    }
    const left = readable.filter(({ topic, position }) => position > (floors.get(topic.id) ?? 0));
    const excess = head(left, bytesOf(left) - policy.bytesMax).filter(mayGo);
    const held = excess.filter(isHeld);
    const lost = head(held, bytesOf(held) - (policy.heldBytesMax ?? 0));
    for (const { topic, position } of [...excess.filter((message) => !isHeld(message)), ...lost]) {
      floors.set(topic.id, position);
    }
    return {
      floors,
      lost: new Map(lost.map(({ topic, position }) => [topic.id, position])),
      lostMessages: lost.length,
    };
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
  async check(): Promise<void> {
    // Memory does not change by itself.
  }

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

function groupedByTopic(messages: readonly StoredMessage[]): Iterable<readonly StoredMessage[]> {
  const byTopic = new Map<number, StoredMessage[]>();
  for (const message of messages) {
    const of = byTopic.get(message.topic.id);
    if (of === undefined) byTopic.set(message.topic.id, [message]);
    else of.push(message);
  }
  return byTopic.values();
}

/** The oldest messages of a topic that are too old, or not needed to fill its bytes. */
function pastTopicLimits(messages: readonly StoredMessage[], policy: RetentionPolicy): StoredMessage[] {
  const past: StoredMessage[] = [];
  let rest = bytesOf(messages);
  for (const message of messages) {
    const { topic, timestampMs, payload } = message;
    const limits = policy.topic(topic.id);
    if (limits === null) break;
    const isOld = timestampMs < policy.nowMs - limits.ageMs;
    if (!isOld && rest - payload.length < limits.bytes) break;
    rest -= payload.length;
    past.push(message);
  }
  return past;
}

/** The first messages, as many as it takes for so many bytes. */
function head(messages: readonly StoredMessage[], bytes: number): StoredMessage[] {
  let left = bytes;
  return messages.filter(({ payload }) => {
    if (left <= 0) return false;
    left -= payload.length;
    return true;
  });
}
