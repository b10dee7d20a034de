/**
 * What the store knows of each topic: counts, the range of positions that it has, and its floor. At or below its floor a topic's
 * messages were trimmed: they are not read any more, and a reader that comes from below is told of a gap.
 */
import type { StoredMessage, TopicRef } from "../state-machine/effects.js";
import type { TopicSelection } from "./message-store.js";
import type { RecentMessages } from "./recent-messages.js";

export interface TopicState {
  ref: TopicRef;
  /** Above the floor. */
  messages: number;
  bytes: number;
  /** Of the oldest message above the floor; 0 when there is none. */
  firstPosition: number;
  /** Newest timestamp of the block that holds the oldest message: until that is too old there is nothing to trim by age. */
  firstTimestampMs: number;
  /** Of the newest message, whether trimmed or not; 0 when there was none. */
  lastPosition: number;
  floor: number;
}

export class TopicTable {
  readonly #states = new Map<number, TopicState>();
  readonly #resolve: (topicId: number) => TopicRef | undefined;
  #floorMax = 0;
  #version = 0;
  #byFloor: TopicState[] | null = null;
  /** Floors of topics that are not there yet: they were made after the mark and will be made again. */
  readonly #floorsAhead = new Map<number, number>();

  #countedThrough: number;

  /** `countedThrough`: up to there the messages are found on disk, above they come by `countThrough`. */
  constructor(resolve: (topicId: number) => TopicRef | undefined, countedThrough: number) {
    this.#resolve = resolve;
    this.#countedThrough = countedThrough;
  }

  /**
   * Takes over the floors that were kept (ids and floors in turn). Of a topic that cannot be resolved one at or below `position` is
   * of no use.
   */
  restoreFloors(floors: Float64Array, position: number): void {
    for (let i = 0; i < floors.length; i += 2) {
      const topicId = floors[i] ?? 0;
      const floor = floors[i + 1] ?? 0;
      const state = this.found(topicId);
      if (state !== undefined) this.setFloor(state, floor);
      else if (floor > position) this.#floorsAhead.set(topicId, floor);
    }
  }

  /** The floors to keep, ids and floors in turn: those that there are, some of them moved. */
  floors(moved: ReadonlyMap<number, { readonly floor: number }>): Float64Array {
    const floors = new Float64Array((this.#states.size + this.#floorsAhead.size) * 2);
    let at = 0;
    const add = (topicId: number, floor: number): void => {
      if (floor === 0) return;
      floors[at] = topicId;
      floors[at + 1] = floor;
      at += 2;
    };
    for (const [topicId, floor] of this.#floorsAhead) add(topicId, floor);
    for (const [topicId, { floor }] of this.#states) add(topicId, moved.get(topicId)?.floor ?? floor);
    return floors.subarray(0, at);
  }

  /** Grows whenever a floor moves or a topic goes. */
  get version(): number {
    return this.#version;
  }

  /** No floor is above this. */
  get floorMax(): number {
    return this.#floorMax;
  }

  get(topicId: number): TopicState | undefined {
    return this.#states.get(topicId);
  }

  states(): IterableIterator<TopicState> {
    return this.#states.values();
  }

  /** The state of a topic that was found on disk; `undefined` when it was deleted. */
  found(topicId: number): TopicState | undefined {
    const known = this.#states.get(topicId);
    if (known !== undefined) return known;
    const ref = this.#resolve(topicId);
    return ref === undefined ? undefined : this.#create(ref);
  }

  /**
   * Counts the recent messages up to `position` that are not counted yet. Not part of an append: it is done when they are written,
   * or before that when somebody asks.
   */
  countThrough(recent: RecentMessages, position: number): void {
    for (let at = this.#countedThrough + 1; at <= position; at += 1) this.#count(recent.at(at));
    this.#countedThrough = Math.max(this.#countedThrough, position);
  }

  #count(message: StoredMessage): void {
    const { topic, position, payload } = message;
    const state = this.#states.get(topic.id) ?? this.#create(topic);
    state.lastPosition = position;
    // Applied again after a restart, it may have been trimmed before.
    if (position <= state.floor) return;
    if (state.messages === 0) {
      state.firstPosition = position;
      state.firstTimestampMs = message.timestampMs;
    }
    state.messages += 1;
    state.bytes += payload.length;
  }

  /** Counts messages that were found on disk, all of them above the floor. */
  countBlock(
    state: TopicState,
    block: { readonly messages: number; readonly bytes: number; readonly firstPosition: number },
    timestampMs: number,
  ): void {
    if (state.messages === 0) {
      state.firstPosition = block.firstPosition;
      state.firstTimestampMs = timestampMs;
    }
    state.messages += block.messages;
    state.bytes += block.bytes;
  }

  setFloor(state: TopicState, floor: number): void {
    if (floor <= state.floor) return;
    state.floor = floor;
    this.#floorMax = Math.max(this.#floorMax, floor);
    this.#byFloor = null;
    this.#version += 1;
  }

  forget(topicId: number): void {
    if (!this.#states.delete(topicId)) return;
    this.#byFloor = null;
    this.#version += 1;
  }

  /** The highest floor of the selected topics that is above `after`; 0 when none is. */
  trimmedThrough(topics: TopicSelection, after: number): number {
    if (this.#floorMax <= after) return 0;
    if ("ids" in topics) {
      let highest = 0;
      for (const id of topics.ids) highest = Math.max(highest, this.#states.get(id)?.floor ?? 0);
      return highest > after ? highest : 0;
    }
    this.#byFloor ??= [...this.#states.values()].filter((s) => s.floor > 0).sort((a, b) => b.floor - a.floor);
    for (const state of this.#byFloor) {
      if (state.floor <= after) return 0;
      if (topics.accepts(state.ref.id)) return state.floor;
    }
    return 0;
  }

  #create(ref: TopicRef): TopicState {
    const state: TopicState = {
      ref,
      messages: 0,
      bytes: 0,
      firstPosition: 0,
      firstTimestampMs: 0,
      lastPosition: 0,
      floor: 0,
    };
    this.#states.set(ref.id, state);
    this.setFloor(state, this.#floorsAhead.get(ref.id) ?? 0);
    this.#floorsAhead.delete(ref.id);
    return state;
  }
}
