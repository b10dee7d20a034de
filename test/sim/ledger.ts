/**
 * What the outside knows of the stream: which message was seen at which position and offset, by whomever. It never changes; an
 * identity stands at one place at most; positions and offsets have no holes.
 */
import type { Published, StoredMessage, TopicRef } from "../../src/state-machine/effects.js";
import type { World } from "./world.js";

export interface Fact {
  readonly id: string;
  readonly position: number;
  readonly offset: number;
  readonly topicId: number;
  readonly topic: string;
  readonly timestampMs: number;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly bytes: number;
  readonly expiresAtMs: number;
  /** Number of the session that published it; 0 for none. */
  readonly publisher: number;
}

const ID_PREFIX = "sim/";

/** A message carries its identity where the broker does not look. */
export function contentTypeOf(id: string): string {
  return ID_PREFIX + id;
}

/** The identity in what `contentTypeOf` gave. */
export function idOf(contentType: string): string {
  return contentType.slice(ID_PREFIX.length);
}

/** Whoever speaks MQTT 3.1.1 has no content type: the payload is the identity, and nothing else. */
export function identityOf({ contentType, payload }: Pick<StoredMessage, "contentType" | "payload">): string {
  return contentType === "" ? Buffer.from(payload).toString("latin1") : idOf(contentType);
}

function factOf(message: StoredMessage): Fact {
  const { position, offset, topic, timestampMs, qos, retain, payload, expiresAtMs, publisher } = message;
  const id = identityOf(message);
  const bytes = payload.byteLength;
  const named = { topicId: topic.id, topic: topic.name };
  return { id, position, offset, ...named, timestampMs, qos, retain, bytes, expiresAtMs, publisher };
}

/** The bytes of a message follow from its identity. */
export function payloadOf(id: string, bytes: number): Uint8Array {
  return Buffer.from(id.padEnd(bytes, "."), "latin1").subarray(0, bytes);
}

function isSame(a: Fact, b: Fact): boolean {
  return (
    a.id === b.id &&
    a.offset === b.offset &&
    a.topicId === b.topicId &&
    a.topic === b.topic &&
    a.timestampMs === b.timestampMs &&
    a.qos === b.qos &&
    a.retain === b.retain &&
    a.bytes === b.bytes &&
    a.expiresAtMs === b.expiresAtMs &&
    a.publisher === b.publisher
  );
}

export class Ledger {
  readonly #world: World;
  /** By position, from 1. */
  readonly facts: Fact[] = [];
  readonly #byId = new Map<string, Fact>();
  readonly #nextOffset = new Map<number, number>();
  /** By topic id, how long the stream was. */
  readonly #deleted = new Map<number, number>();
  /** Names of topics that were deleted at some time. */
  readonly deletedNames = new Set<string>();
  /** Positions of retained messages by topic id, empty ones among them. */
  readonly #retained = new Map<number, number[]>();
  readonly #refused = new Set<string>();
  /** What is retained, as of a head and a number of deleted topics. */
  #retainedNow: { readonly state: string; readonly last: ReadonlyMap<string, number> } = {
    state: "",
    last: new Map(),
  };
  /** The highest position that any publisher was told of. */
  acknowledgedThrough = 0;

  constructor(world: World) {
    this.#world = world;
  }

  get head(): number {
    return this.facts.length;
  }

  at(position: number): Fact | undefined {
    return this.facts[position - 1];
  }

  find(id: string): Fact | undefined {
    return this.#byId.get(id);
  }

  /** Somebody saw this message. */
  observe(who: string, message: StoredMessage): void {
    const fact = factOf(message);
    // Every time: where it is read from may be another place than before.
    const isIntact = Buffer.compare(message.payload, payloadOf(fact.id, fact.bytes)) === 0;
    this.#world.check(isIntact, () => `${who} has ${describe(fact)} with other bytes`);
    const known = this.at(fact.position);
    if (known !== undefined) {
      this.#world.check(
        isSame(known, fact),
        () => `${who} has ${describe(fact)}, where ${describe(known)} was seen before`,
      );
      return;
    }
    const { position, id, offset, topicId } = fact;
    const expected = this.#nextOffset.get(topicId) ?? 0;
    const twice = this.#byId.get(id);
    this.#world.check(position === this.head + 1, () => `${who} has position ${position} after ${this.head}`);
    this.#world.check(offset === expected, () => `${who} has ${describe(fact)}, offset ${expected} was due`);
    this.#world.check(
      twice === undefined,
      () => `${who} has ${describe(fact)}, a second time after ${twice?.position}`,
    );
    this.#world.check(!this.#refused.has(id), () => `${who} has ${describe(fact)}, which was refused`);
    this.facts.push(fact);
    this.#byId.set(id, fact);
    this.#nextOffset.set(topicId, offset + 1);
    if (fact.retain) this.#retained.set(topicId, [...(this.#retained.get(topicId) ?? []), position]);
  }

  /**
   * Up to where the retained message at this position was its topic's: below the next one, or the topic's end; Infinity while it is. 0 for what never
   * was any.
   */
  retainedUntil({ position, topicId, retain, bytes }: Fact): number {
    if (!retain || bytes === 0) return 0;
    const next = this.#retained.get(topicId)?.find((other) => other > position);
    return Math.min(
      next === undefined ? Number.POSITIVE_INFINITY : next - 1,
      this.#deleted.get(topicId) ?? Number.POSITIVE_INFINITY,
    );
  }

  /** A publisher was answered. */
  acknowledged(ids: readonly string[], answer: Published): void {
    const { firstPosition, firstOffset, topic, count } = answer;
    this.#world.check(count === ids.length, () => `${count} messages acknowledged for ${ids.length}`);
    ids.forEach((id, i) => {
      const fact = this.at(firstPosition + i);
      const isThere = fact?.id === id && fact.offset === firstOffset + i && fact.topic === topic;
      this.#world.check(
        isThere,
        () =>
          `${id} is acknowledged at ${firstPosition + i}, where ${fact === undefined ? "nothing" : describe(fact)} is`,
      );
    });
    this.acknowledgedThrough = Math.max(this.acknowledgedThrough, firstPosition + count - 1);
  }

  /** A publisher was told no: these must never be seen. */
  refused(ids: readonly string[]): void {
    for (const id of ids) {
      this.#refused.add(id);
      this.#world.check(!this.#byId.has(id), () => `${id} is refused and in the stream`);
    }
  }

  deleted(topic: TopicRef): void {
    if (!this.#deleted.has(topic.id)) this.#deleted.set(topic.id, this.head);
    this.deletedNames.add(topic.name);
  }

  isDeleted(topicId: number): boolean {
    return this.#deleted.has(topicId);
  }

  /** Nobody has to get it: its topic is gone, or it may expire before it comes. */
  mayStayAway({ topicId, expiresAtMs }: Fact): boolean {
    return expiresAtMs > 0 || this.isDeleted(topicId);
  }

  /** The last retained message of each topic that there is, by topic name; an empty one takes it away. */
  retained(): Map<string, number> {
    const state = `${this.head}/${this.#deleted.size}`;
    if (this.#retainedNow.state !== state) this.#retainedNow = { state, last: this.#lastRetained() };
    return new Map(this.#retainedNow.last);
  }

  #lastRetained(): Map<string, number> {
    const last = new Map<string, number>();
    for (const { topic, topicId, retain, bytes, position } of this.facts) {
      if (!retain || this.#deleted.has(topicId)) continue;
      if (bytes === 0) last.delete(topic);
      else last.set(topic, position);
    }
    return last;
  }
}

function describe({ id, position, offset, topic, topicId }: Fact): string {
  return `${id} at position ${position} (${topic}#${topicId}, offset ${offset})`;
}
