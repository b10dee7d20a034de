/**
 * One session as the machine changes it. Most sessions are asleep most of the time: whatever is empty is a constant that all of
 * them share. Whoever changes one calls `Sessions.touch`.
 */
import { SESSION_NEVER_EXPIRES, type Will } from "../commands/command.js";
import { DeliveryProgress, type PassProgress } from "./delivery-progress.js";
import type { SessionOwner, SharedItem } from "./effects.js";
import type { Session } from "./session-view.js";
import { type SharedMember, sharedItems } from "./shared-member.js";
import type { StoredSubscription } from "./subscription.js";

const NONE: readonly never[] = Object.freeze([]);
const NO_IDS: ReadonlySet<number> = new Set();

/** What of a session the next checkpoint has to write, and whether there is anything to delete. */
export const CHANGED_SESSION = 1;
export const CHANGED_PROGRESS = 2;
export const IS_STORED = 4;
export const IS_OVER = 8;

export class SessionState implements Session {
  readonly number: number;
  readonly clientId: string;
  readonly isKept: boolean;
  readonly createdAtMs: number;
  epoch = 0;
  owner: SessionOwner | null = null;
  expirySeconds = 0;
  endsAtMs = 0;
  sinceMs = 0;
  will: Will | null = null;
  /** When the will is published if nobody comes back; 0 while connected, or without one. */
  willAtMs = 0;
  subscriptions: readonly StoredSubscription[] = NONE;
  live: DeliveryProgress;
  passes: readonly PassProgress[] = NONE;
  /** In shares: its own subscriptions, and what it has to finish. */
  memberships: readonly SharedMember[] = NONE;
  openedAt = 0;
  closedAt = 0;
  sentThrough = 0;
  /** The constants above this class, together. */
  marks = 0;
  #incoming: Set<number> | null = null;

  constructor(number: number, clientId: string, isKept: boolean, createdAtMs: number, through: number) {
    this.number = number;
    this.clientId = clientId;
    this.isKept = isKept;
    this.createdAtMs = createdAtMs;
    this.live = new DeliveryProgress(through);
  }

  get shared(): readonly SharedItem[] {
    return sharedItems(this.memberships);
  }

  /** When something happens to it by itself; 0 for never. */
  get dueMs(): number {
    if (this.willAtMs === 0 || this.endsAtMs === 0) return this.willAtMs + this.endsAtMs;
    return Math.min(this.willAtMs, this.endsAtMs);
  }

  get isOver(): boolean {
    return (this.marks & IS_OVER) !== 0;
  }

  /** When it ends if its connection ends at `nowMs`; 0 for never. */
  endAfter(nowMs: number): number {
    return this.expirySeconds === SESSION_NEVER_EXPIRES ? 0 : nowMs + this.expirySeconds * 1000;
  }

  get incoming(): ReadonlySet<number> {
    return this.#incoming ?? NO_IDS;
  }

  /** The client used this QoS 2 packet identifier. */
  addIncoming(packetId: number): void {
    if (this.#incoming === null) this.#incoming = new Set([packetId]);
    else this.#incoming.add(packetId);
  }

  /** Returns whether it was there. */
  releaseIncoming(packetId: number): boolean {
    const wasThere = this.#incoming?.delete(packetId) ?? false;
    if (this.#incoming?.size === 0) this.#incoming = null;
    return wasThere;
  }
}
