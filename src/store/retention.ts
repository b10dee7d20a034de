/**
 * Decides what retention takes away in one round, without taking it: new floors per topic (at the end of a block) and the segments
 * that nobody needs any more. Looks only at topics that are past a limit, and at the segments where their oldest messages
 * are; what is still kept is not gone through.
 */

import { partAbove } from "./block-reader.js";
import type { HoldAbove, RetentionOutcome, RetentionPolicy } from "./message-store.js";
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

export interface RetentionPlan extends RetentionOutcome {
  readonly trims: ReadonlyMap<number, TopicTrim>;
  /** Numbers of the segments to drop. */
  readonly drops: ReadonlySet<number>;
  /** The topics that lose something, with the positions up to which they do. */
  readonly moved: ReadonlyMap<number, number>;
}

/** What a round must keep to: a plan for which it was asked what is held, and the answer. */
export interface Consent {
  readonly plan: RetentionPlan;
  /** Position of the newest message that the plan looked at. */
  readonly lastPosition: number;
  readonly holdAbove: HoldAbove;
}

/** A topic under way: its limits still apply (`limits`), or only its oldest remaining message is looked for (`null`). */
interface Pending extends TopicTrim {
  limits: { readonly cutoffMs: number; readonly bytes: number; readonly through: number } | null;
}

export class RetentionRound {
  readonly #catalog: SegmentCatalog;
  readonly #table: TopicTable;
  readonly #policy: RetentionPolicy;
  readonly #consent: Consent | null;
  readonly #yieldTurn: () => Promise<void>;
  readonly #trims = new Map<number, TopicTrim>();
  /** Topics whose oldest remaining message is not found yet. */
  readonly #pending = new Map<number, Pending>();
  readonly #lost = new Map<number, number>();
  #lostMessages = 0;

  /** Without a consent nothing is held. */
  constructor(
    catalog: SegmentCatalog,
    table: TopicTable,
    policy: RetentionPolicy,
    consent: Consent | null,
    yieldTurn: () => Promise<void>,
  ) {
    this.#catalog = catalog;
    this.#table = table;
    this.#policy = policy;
    this.#consent = consent;
    this.#yieldTurn = yieldTurn;
  }

  /** Topics of the table that are gone by the policy, and those past a limit made pending. */
  async begin(): Promise<readonly number[]> {
    const gone: number[] = [];
    let looked = 0;
    for (const state of [...this.#table.states()]) {
      looked += 1;
      if (looked % TOPICS_PER_TURN === 0) await this.#yieldTurn();
      const { id } = state.ref;
      const limits = this.#policy.topic(id);
      if (limits === null) {
        gone.push(id);
        continue;
      }
      const { bytes, ageMs } = limits;
      const cutoffMs = this.#policy.nowMs - ageMs;
      const isDue = state.messages > 0 && (state.firstTimestampMs < cutoffMs || state.bytes > bytes);
      if (isDue) this.#pending.set(id, begun(state, { cutoffMs, bytes, through: this.#mayGoThrough(id) }));
    }
    return gone;
  }

  /** Goes through the segments, oldest first. The active one may have to go too; the caller seals it first. */
  async plan(): Promise<RetentionPlan> {
    const segments = this.#segments();
    const { drops, held } = await this.#pastBytes(segments);
    for (const segment of segments) {
      const { number } = segment;
      if (drops.has(number)) await this.#catalog.use(segment, (handle) => this.#takeFrom(handle, true));
      else if (held.has(number)) await this.#catalog.use(segment, (handle) => this.#takeFrom(handle, false));
      else if (this.#pending.size > 0) await this.#catalog.use(segment, (handle) => this.#trimWithin(handle));
    }
    for (const [id, trim] of this.#pending) this.#settle(id, trim);
    for (const segment of segments) {
      if (!drops.has(segment.number) && !(await this.#isNeeded(segment))) drops.add(segment.number);
    }
    const moved = new Map<number, number>();
    for (const [id, { floor, state }] of this.#trims) if (floor > state.floor) moved.set(id, floor);
    return { trims: this.#trims, drops, moved, lostMessages: this.#lostMessages, lost: this.#lost };
  }

  #segments(): readonly Segment[] {
    const { active, sealed } = this.#catalog;
    return active === null || active.lastPosition === active.basePosition ? [...sealed] : [...sealed, active];
  }

  /**
   * The oldest segments, as many as are too much for all together. Those with something in them that is held only have to go when they are
   * too much themselves.
   */
  async #pastBytes(
    segments: readonly Segment[],
  ): Promise<{ readonly drops: Set<number>; readonly held: ReadonlySet<number> }> {
    const { bytesMax, heldBytesMax = 0 } = this.#policy;
    let excessBytes = this.#catalog.bytes() - bytesMax;
    let heldBytes = 0;
    const drops = new Set<number>();
    const held = new Set<Segment>();
    for (const segment of segments) {
      if (excessBytes <= 0 || !this.#isAgreed(segment)) break;
      excessBytes -= segmentBytes(segment);
      if (await this.#isHeld(segment)) {
        held.add(segment);
        heldBytes += segmentBytes(segment);
      } else drops.add(segment.number);
    }
    for (const segment of held) {
      if (heldBytes <= heldBytesMax) break;
      heldBytes -= segmentBytes(segment);
      held.delete(segment);
      drops.add(segment.number);
    }
    return { drops, held: new Set([...held].map(({ number }) => number)) };
  }

  /** Whether it was in the plan and has grown no further since. */
  #isAgreed({ number, lastPosition }: Segment): boolean {
    const consent = this.#consent;
    return consent === null || (consent.plan.drops.has(number) && lastPosition <= consent.lastPosition);
  }

  /** Whether there is a message in it that somebody needs. */
  async #isHeld(segment: Segment): Promise<boolean> {
    if (this.#consent === null) return false;
    const { holdAbove } = this.#consent;
    const found = await this.#findTopic(segment, (id, lastPosition) => {
      const state = this.#table.get(id);
      return state !== undefined && lastPosition > Math.max(state.floor, holdAbove(id));
    });
    return found !== null;
  }

  /** The position up to which a topic may be trimmed. */
  #mayGoThrough(topicId: number): number {
    if (this.#consent === null) return Number.POSITIVE_INFINITY;
    const { plan, holdAbove } = this.#consent;
    return Math.min(plan.moved.get(topicId) ?? 0, holdAbove(topicId));
  }

  /** Every topic loses what it has in a segment past the limit of all: everything, or what is not held of it. */
  async #takeFrom(handle: SegmentHandle, everything: boolean): Promise<void> {
    const { index } = handle;
    await index.preload();
    try {
      let looked = 0;
      for (const id of index.topicIds()) {
        looked += 1;
        if (looked % TOPICS_PER_TURN === 0) await this.#yieldTurn();
        const state = this.#table.get(id);
        const summary = index.summary(id);
        // What is settled is held from its oldest message on.
        if (state === undefined || summary === undefined || this.#trims.has(id)) continue;
        const trim = this.#pending.get(id) ?? begun(state, null);
        if (summary.lastPosition <= trim.floor) continue;
        this.#pending.set(id, trim);
        const through = this.#mayGoThrough(id);
        const stays = await takeBlocks(handle, id, summary, trim, (piece, isWhole) => {
          if (piece.lastPosition <= through) return true;
          // A part of it may be nobody's loss.
          if (isWhole && piece.firstPosition <= through) return false;
          if (everything) this.#lose(id, piece);
          return everything;
        });
        if (stays) this.#settle(id, trim);
      }
    } finally {
      index.unload();
    }
  }

  /** A piece of a topic goes that is beyond what may. */
  #lose(topicId: number, piece: Piece): void {
    if (piece.lastPosition <= (this.#consent?.holdAbove(topicId) ?? 0)) return;
    this.#lost.set(topicId, piece.lastPosition);
    this.#lostMessages += piece.messages;
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
    const found = await this.#findTopic(segment, isVisible);
    if (found !== null && segment.kind === "sealed") segment.witness = found;
    return found !== null;
  }

  /** A topic of which the segment's last position passes; `null` when there is none. */
  #findTopic(
    segment: Segment,
    passes: (topicId: number, lastPosition: number) => boolean,
  ): Promise<{ readonly topicId: number; readonly lastPosition: number } | null> {
    return this.#catalog.use(segment, async ({ index }) => {
      let looked = 0;
      for (const topicId of index.topicIds()) {
        looked += 1;
        if (looked % TOPICS_PER_TURN === 0) await this.#yieldTurn();
        const lastPosition = index.summary(topicId)?.lastPosition ?? 0;
        if (passes(topicId, lastPosition)) return { topicId, lastPosition };
      }
      return null;
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
  readonly firstPosition: number;
  readonly lastPosition: number;
  readonly newestTimestampMs: number;
}

/** Too old as a whole, or not needed to fill the topic's bytes, and not held: what stays is never less than the limit for lack of a part. */
function isPastLimits(trim: Pending, piece: Piece): boolean {
  const { limits, state } = trim;
  if (limits === null || piece.lastPosition > limits.through) return false;
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
  goes: (piece: Piece, isWhole: boolean) => boolean,
): Promise<boolean> {
  // All of it at once, when none of it was trimmed before and all of it is.
  if (summary.firstPosition > trim.floor && goes(summary, true)) {
    take(trim, summary);
    return false;
  }
  for (const block of await handle.index.blocks(topicId, trim.floor, Number.POSITIVE_INFINITY)) {
    const piece = await partAbove(handle, block, trim.floor);
    if (goes(piece, false)) {
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
