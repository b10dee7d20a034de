/**
 * What the edges see of the node: commands in, queries, subscriptions out. They hold sockets and decide nothing durable;
 * everything behind this interface is the same whichever edge asks.
 */
import type { Command, Retention } from "./commands/command.js";
import type { CommandResult, Effect, StoredMessage, TopicRef } from "./state-machine/effects.js";
import type { Session } from "./state-machine/session-view.js";
import type { ReadPage } from "./store/message-store.js";
import type { FilterSet } from "./topics/filter-set.js";
import type { SubscribeRequest, Subscription } from "./topics/subscriber.js";

/** A topic as GET /topics shows it. */
export interface TopicView extends TopicRef {
  readonly createdAtMs: number;
  /** The topic's own settings; missing fields are the node's defaults. */
  readonly retention: Retention;
  /** Messages and payload bytes that are kept now. */
  readonly messages: number;
  readonly bytes: number;
  /** Offset that the next message gets. */
  readonly nextOffset: number;
  /** Position of the newest message ever appended, 0 for none. */
  readonly newestPosition: number;
}

/** A member as GET /cluster shows it. */
export interface MembershipView {
  readonly id: string;
  readonly role: "leader" | "voter" | "learner";
  /** Where peers dial it; `null` for a group of one without a peer port. */
  readonly peer: string | null;
  /** This node has heard from it within the last second. */
  readonly alive: boolean;
  /** Highest entry known to be on its disk; 0 where this node does not know. */
  readonly matchIndex: number;
}

/** How this node and its group are doing. */
export interface NodeStatus {
  readonly nodeId: string;
  readonly leaderId: string;
  readonly term: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly members: readonly MembershipView[];
}

/**
 * Whether the node takes everything; the reason is for people. Without a leader it takes no writes and still serves what it has:
 * `canRead`.
 */
export type Readiness =
  | { readonly ready: true }
  | { readonly ready: false; readonly reason: string; readonly canRead: boolean };

/** What there is of everything, for `$SYS`. Sessions are the group's, the rest is this node's. */
export interface NodeFigures {
  /** Sessions whose clients are not connected. */
  readonly sessionsOffline: number;
  /** Subscriptions in replicated sessions, and shared subscriptions by name and filter. */
  readonly subscriptions: number;
  readonly shares: number;
  readonly retainedMessages: number;
  readonly storedMessages: number;
  readonly storedBytes: number;
}

/** What happens to sessions by the log; the edge looks whether the connection is its own. */
export interface SessionListener {
  /** The connection of this epoch counts no longer. */
  displaced(effect: Extract<Effect, { kind: "session-displaced" }>): void;
  /** Messages of shares were given to a member that is connected here. */
  assigned(effect: Extract<Effect, { kind: "shared-assigned" }>): void;
}

export interface Broker {
  /**
   * Submits a command. `done` is called exactly once: when this node has applied it, or at once with `failed` and `overloaded`,
   * `disk_full`, `not_ready` or `shutting_down` when it was not taken. Several `done` calls of one log entry come in one go,
   * synchronously: an edge that answers many of them should gather its bytes until the next tick.
   */
  submit(command: Command, done: (result: CommandResult) => void): void;

  /** True while so much waits for commit that edges should stop reading from publishers. */
  readonly saturated: boolean;
  /** Calls `listener` once, when the node is not saturated any more. */
  onceDrained(listener: () => void): void;

  topic(name: string): TopicView | undefined;
  /** Topics whose name starts with `prefix`, ordered by name, after the name `after`, `limit` at most. */
  topics(prefix: string, after: string | null, limit: number): readonly TopicView[];

  /** The retained messages that match, oldest first; expired ones left out, unless they are asked for. */
  retained(filters: FilterSet, expiredToo?: boolean): readonly StoredMessage[];

  /** Kept messages of a topic after a position, oldest first; expired ones left out. */
  history(topic: TopicRef, after: number, limit: number): Promise<ReadPage>;

  /** Position of the newest applied message. */
  readonly head: number;
  /** The event id of a position: opaque to users, printable ASCII without spaces. */
  eventId(position: number): string;
  /** The position that an event id names. Throws `JangadaError` `invalid_cursor` for a foreign, malformed or future id. */
  positionOf(eventId: string): number;

  subscribe(request: SubscribeRequest): Subscription;

  /** The present state of a session; valid until the next turn of the event loop. */
  session(number: number): Session | undefined;
  sessionOf(clientId: string): Session | undefined;
  /** Sessions in the order of their numbers, after the number `after`, `limit` at most. */
  sessions(after: number, limit: number): readonly Session[];
  /** Who is told of what happens to sessions whose owner is this process; called once, before anything connects. */
  listenToSessions(listener: SessionListener): void;
  /** One kept message; `null` when it is gone. Without a promise when memory has it. */
  messageAt(topicId: number, position: number): StoredMessage | null | Promise<StoredMessage | null>;
  /**
   * The highest position that retention took out of what these filters match, as far as this node knows; 0 for none: a session that stands
   * below it has lost something.
   */
  trimmedThrough(filters: FilterSet): number;
  /** `host:port` of the MQTT edge of another node that is up, for Server Reference; `null` when none is known. */
  otherNode(): string | null;

  readiness(): Readiness;
  status(): NodeStatus;
  /** Walks all topics. */
  figures(): NodeFigures;
  /** Wall clock, for expiry and timestamps. */
  nowMs(): number;
}
