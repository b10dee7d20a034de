/**
 * Decides what retention takes away in one round, without taking it: new floors per topic (at the end of a block) and the segments
 * that nobody needs any more. Looks only at topics that are past a limit, and at the segments where their oldest messages
 * are; what is still kept is not gone through.
 */

import { partAbove } from "./block-reader.js";
import type { RetentionPolicy } from "./message-store.js";
import type { Segment, SegmentCatalog, SegmentHandle } from "./segment-catalog.js";
import type { TopicSummary } from "./segment-index.js";
import type { TopicState, TopicTable } from "./topic-table.js";

/** With more topics than this to look into, a segment's blocks are read at once instead of topic by topic. */
const PRELOAD_TOPICS_MIN = 64;
/** Topics looked at before other work gets a turn. */
const TOPICS_PER_TURN = 1_000;

/** What is to become of one topic. */
export interface TopicTrim {
  readonly state: TopicState;
  floor: number;
  /** Messages and bytes that go. */
  messages: number;
  bytes: number;
  /** Of the oldest message that stays and is written; 0 when none was found. */
  firstPosition: number;
  firstTimestampMs: number;
}

export interface RetentionPlan {
  readonly trims: ReadonlyMap<number, TopicTrim>;
  /** Numbers of the segments to drop. */
  readonly drops: ReadonlySet<number>;
}

/** A topic under way: its limits still apply (`limits`), or only its oldest remaining message is looked for (`null`). */
interface Pending extends TopicTrim {
  limits: { readonly cutoffMs: number; readonly bytes: number } | null;
}

export class RetentionRound {
  readonly #catalog: SegmentCatalog;
  readonly #table: TopicTable;
  readonly #policy: RetentionPolicy;
  readonly #yieldTurn: () => Promise<void>;
  readonly #trims = new Map<number, TopicTrim>();
  /** Topics whose oldest remaining message is not found yet. */
  readonly #pending = new Map<number, Pending>();
  #excessBytes = 0;

  constructor(
    catalog: SegmentCatalog,
    table: TopicTable,
    policy: RetentionPolicy,
    yieldTurn: () => Promise<void>,
  ) {
    this.#catalog = catalog;
    this.#table = table;
    this.#policy = policy;
    this.#yieldTurn = yieldTurn;
  }

  /** Topics of the table that are gone by the policy, and those past a limit made pending. */
  async begin(): Promise<readonly number[]> {
    const gone: number[] = [];
    let looked = 0;
    for (const state of [...this.#table.states()]) {
      looked += 1;
      if (looked % TOPICS_PER_TURN === 0) await this.#yieldTurn();
      const limits = this.#policy.topic(state.ref.id);
      if (limits === null) {
        gone.push(state.ref.id);
        continue;
      }
      const cutoffMs = this.#policy.nowMs - limits.ageMs;
      const isDue = state.messages > 0 && (state.firstTimestampMs < cutoffMs || state.bytes > limits.bytes);
      if (isDue) this.#pending.set(state.ref.id, begun(state, { cutoffMs, bytes: limits.bytes }));
    }
    this.#excessBytes = this.#catalog.bytes() - this.#policy.bytesMax;
    return gone;
  }

  /** Goes through the segments, oldest first. The active one may have to go too; the caller seals it first. */
  async plan(): Promise<RetentionPlan> {
    const drops = new Set<number>();
    const segments = this.#segments();
    for (const segment of segments) {
      if (this.#excessBytes > 0) {
        this.#excessBytes -= segmentBytes(segment);
        drops.add(segment.number);
        await this.#catalog.use(segment, (handle) => this.#dropWhole(handle));
      } else if (this.#pending.size > 0) {
        await this.#catalog.use(segment, (handle) => this.#trimWithin(handle));
      }
    }
    for (const [id, trim] of this.#pending) this.#settle(id, trim);
    for (const segment of segments) {
      if (!drops.has(segment.number) && !(await this.#isNeeded(segment))) drops.add(segment.number);
    }
    return { trims: this.#trims, drops };
  }

  #segments(): readonly Segment[] {
    const { active, sealed } = this.#catalog;
    return active === null || active.lastPosition === active.basePosition ? [...sealed] : [...sealed, active];
  }

  /** Every topic of a segment that goes loses what it had there. */
  async #dropWhole(handle: SegmentHandle): Promise<void> {
    const { index } = handle;
    await index.preload();
    try {
      let looked = 0;
      for (const id of index.topicIds()) {
        looked += 1;
        if (looked % TOPICS_PER_TURN === 0) await this.#yieldTurn();
        const state = this.#table.get(id);
        const summary = index.summary(id);
        if (state === undefined || summary === undefined) continue;
        const trim = this.#pending.get(id) ?? begun(state, null);
        if (summary.lastPosition <= trim.floor) continue;
        this.#pending.set(id, trim);
        await takeBlocks(handle, id, summary, trim, () => true);
      }
    } finally {
      index.unload();
    }
  }

  /** Trims the pending topics of a segment as far as their limits ask, and finds what stays. */
  async #trimWithin(handle: SegmentHandle): Promise<void> {
    const { index } = handle;
    const preloads = this.#pending.size >= PRELOAD_TOPICS_MIN;
    if (preloads) await index.preload();
    try {
      let looked = 0;
      for (const [id, trim] of this.#pending) {
        looked += 1;
        if (looked % TOPICS_PER_TURN === 0) await this.#yieldTurn();
        const summary = index.summary(id);
        if (summary === undefined || summary.lastPosition <= trim.floor) continue;
        const stays = await takeBlocks(handle, id, summary, trim, (block) => isPastLimits(trim, block));
        if (stays) this.#settle(id, trim);
      }
    } finally {
      if (preloads) index.unload();
    }
  }

  #settle(id: number, trim: Pending): void {
    this.#pending.delete(id);
    // A topic that turned out to lose nothing is settled too: what is known of its oldest block is up to date then.
    this.#trims.set(id, trim);
  }

  /** Whether a segment has a message that somebody may still read. */
  async #isNeeded(segment: Segment): Promise<boolean> {
    const isVisible = (topicId: number, lastPosition: number): boolean => {
      const state = this.#table.get(topicId);
      if (state === undefined) return false;
      return (this.#trims.get(topicId)?.floor ?? state.floor) < lastPosition;
    };
    const witness = segment.kind === "sealed" ? segment.witness : null;
    if (witness !== null && isVisible(witness.topicId, witness.lastPosition)) return true;
    return this.#catalog.use(segment, async ({ index }) => {
      for (const topicId of index.topicIds()) {
        const lastPosition = index.summary(topicId)?.lastPosition ?? 0;
        if (!isVisible(topicId, lastPosition)) continue;
        if (segment.kind === "sealed") segment.witness = { topicId, lastPosition };
        return true;
      }
      return false;
    });
  }
}

function segmentBytes(segment: Segment): number {
  return segment.bytes + (segment.kind === "sealed" ? segment.indexBytes : 0);
}

function begun(state: TopicState, limits: Pending["limits"]): Pending {
  return { state, floor: state.floor, messages: 0, bytes: 0, firstPosition: 0, firstTimestampMs: 0, limits };
}

/** What of a topic is looked at: a block, or all that a segment has of it. */
interface Piece {
  readonly messages: number;
  readonly bytes: number;
  readonly lastPosition: number;
  readonly newestTimestampMs: number;
}

/** Too old as a whole, or not needed to fill the topic's bytes: what stays is never less than the limit for lack of a part. */
function isPastLimits(trim: Pending, piece: Piece): boolean {
  const { limits, state } = trim;
  if (limits === null) return false;
  return piece.newestTimestampMs < limits.cutoffMs || state.bytes - trim.bytes - piece.bytes >= limits.bytes;
}

/**
 * Takes a topic's oldest blocks in a segment while `goes` says so. True when one stays, which is then noted as the oldest.
 */
async function takeBlocks(
  handle: SegmentHandle,
  topicId: number,
  summary: TopicSummary,
  trim: Pending,
  goes: (piece: Piece) => boolean,
): Promise<boolean> {
  // All of it at once, when none of it was trimmed before and all of it is.
  if (summary.firstPosition > trim.floor && goes(summary)) {
    take(trim, summary);
    return false;
  }
  for (const block of await handle.index.blocks(topicId, trim.floor, Number.POSITIVE_INFINITY)) {
    const piece = await partAbove(handle, block, trim.floor);
    if (goes(piece)) {
      take(trim, piece);
      continue;
    }
    trim.firstPosition = piece.firstPosition;
    trim.firstTimestampMs = piece.newestTimestampMs;
    return true;
  }
  return false;
}

function take(trim: Pending, piece: Piece): void {
  trim.floor = piece.lastPosition;
  trim.messages += piece.messages;
  trim.bytes += piece.bytes;
}
