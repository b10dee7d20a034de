/** Makes the messages of a stream as the state machine does: positions and offsets without a hole, time that only grows. */
import type { StoredMessage, TopicRef } from "../../src/state-machine/effects.js";
import type {
  MessageStore,
  ReadPage,
  ReadQuery,
  RetentionPolicy,
  StoreMark,
} from "../../src/store/message-store.js";

export const EMPTY_MARK: StoreMark = { segment: 0, bytes: 0, position: 0 };

export const topicOf = (id: number): TopicRef => ({ id, name: `topic/${id}` });

export interface Detail {
  readonly payload?: string | Uint8Array;
  readonly contentType?: string;
  readonly properties?: Uint8Array;
  readonly publisher?: number;
  readonly qos?: 0 | 1 | 2;
  readonly retain?: boolean;
  readonly expiresAtMs?: number;
}

export class Stream {
  /** Every message ever made, in order. */
  readonly all: StoredMessage[] = [];
  readonly #topics = new Map<number, TopicRef>();
  readonly #offsets = new Map<number, number>();
  timeMs = 1_700_000_000_000;

  /** One message to a topic; the next one is a millisecond later unless `timeMs` is set. */
  message(topicId: number, detail: Detail = {}): StoredMessage {
    const offset = this.#offsets.get(topicId) ?? 0;
    this.#offsets.set(topicId, offset + 1);
    const topic = this.#topics.get(topicId) ?? topicOf(topicId);
    this.#topics.set(topicId, topic);
    const position = this.all.length + 1;
    const payload = detail.payload ?? `payload ${position}`;
    const message: StoredMessage = {
      position,
      offset,
      topic,
      timestampMs: this.timeMs,
      payload: typeof payload === "string" ? Buffer.from(payload) : payload,
      contentType: detail.contentType ?? "",
      qos: detail.qos ?? 1,
      retain: detail.retain ?? false,
      expiresAtMs: detail.expiresAtMs ?? 0,
      properties: detail.properties ?? new Uint8Array(0),
      publisher: detail.publisher ?? 0,
    };
    this.timeMs += 1;
    this.all.push(message);
    return message;
  }

  batch(...topicIds: number[]): StoredMessage[] {
    return topicIds.map((id) => this.message(id));
  }

  /** Goes back to a position, as a node does that applies its log again from a mark on. */
  from(position: number): StoredMessage[] {
    return this.all.slice(position);
  }
}

/** A message as text: all of it that a reader can see. */
export function show(message: StoredMessage): string {
  const { position, offset, topic, timestampMs, payload, contentType, qos, retain, expiresAtMs } = message;
  const more = [Buffer.from(message.properties).toString("latin1"), message.publisher];
  const rest = [
    timestampMs,
    Buffer.from(payload).toString("latin1"),
    contentType,
    qos,
    retain,
    expiresAtMs,
    ...more,
  ];
  return `${position} ${topic.id}=${topic.name}#${offset} ${rest.join("|")}`;
}

export const positions = (page: Pick<ReadPage, "messages">): number[] =>
  page.messages.map(({ position }) => position);

export const query = (parts: Partial<ReadQuery> = {}): ReadQuery => ({
  topics: { accepts: () => true },
  after: 0,
  through: Number.MAX_SAFE_INTEGER,
  messagesMax: 1_000_000,
  bytesMax: 1_000_000_000,
  ...parts,
});

export const FOREVER = { ageMs: 1e12, bytes: 1e12 };

/** Retention that takes nothing, unless `parts` say otherwise. */
export const policy = (parts: Partial<RetentionPolicy>): RetentionPolicy => ({
  nowMs: 0,
  bytesMax: 1e12,
  topic: () => FOREVER,
  ...parts,
});

/** Every message from `after` to the newest, page by page; also what gaps were reported. */
export async function readAll(
  store: MessageStore,
  parts: Partial<ReadQuery> = {},
): Promise<{ readonly messages: StoredMessage[]; readonly gaps: number[] }> {
  const messages: StoredMessage[] = [];
  const gaps: number[] = [];
  const through = Math.min(parts.through ?? store.lastPosition, store.lastPosition);
  for (let after = parts.after ?? 0; after < through; ) {
    const page = await store.read(query({ ...parts, after, through }));
    if (page.next <= after) throw new Error(`the page after ${after} does not go on`);
    if (page.trimmedThrough > 0) gaps.push(page.trimmedThrough);
    messages.push(...page.messages);
    after = page.next;
  }
  return { messages, gaps };
}

/** Eight messages of ten bytes, a second apart from 1000 ms on, odd positions to topic 1, even ones to topic 2. A sync after each: a store may trim by what was written together. */
export async function fillInTurns(store: MessageStore): Promise<Stream> {
  const stream = new Stream();
  stream.timeMs = 1_000;
  for (const id of [1, 2, 1, 2, 1, 2, 1, 2]) {
    store.append([stream.message(id, { payload: "p".repeat(10) })]);
    stream.timeMs += 999;
    await store.sync();
  }
  return stream;
}
