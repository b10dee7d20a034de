/**
 * A node for tests of delivery: the production state machine and topic brokers over an array of messages, on a clock in hand. Instead of a log there
 * is a list of what was submitted: the test says when it is committed, and whether the node lives to see it.
 */
import type { Broker, NodeFigures, NodeStatus, Readiness, TopicView } from "../../../../../src/broker.js";
import type { Command, OutgoingMessage } from "../../../../../src/commands/command.js";
import type { ErrorCode } from "../../../../../src/errors.js";
import { figuresOf } from "../../../../../src/replica/node-figures.js";
import type {
  CommandResult,
  Effect,
  SharedItem,
  StoredMessage,
  TopicRef,
} from "../../../../../src/state-machine/effects.js";
import { Machine } from "../../../../../src/state-machine/machine.js";
import type { Session } from "../../../../../src/state-machine/session-view.js";
import type { ReadPage } from "../../../../../src/store/message-store.js";
import type { FilterSet } from "../../../../../src/topics/filter-set.js";
import { type FanoutLimits, TopicBrokers } from "../../../../../src/topics/registry.js";
import type { SubscribeRequest, Subscription } from "../../../../../src/topics/subscriber.js";
import { ArrayMessageStore } from "../../../../support/array-message-store.js";
import { ManualClock } from "../../../../support/manual-clock.js";
import { ROOMY } from "../../../topics/fan-out-bench.js";

/** What outlives a node: the replicated state and the messages, as every node has them. */
export class Replicated {
  readonly clock = new ManualClock();
  readonly machine = new Machine();
  readonly store = new ArrayMessageStore();
  lives = 0;
}

interface Pending {
  readonly command: Command;
  readonly done: (result: CommandResult) => void;
}

export class TestNode implements Broker {
  readonly state: Replicated;
  readonly brokers: TopicBrokers;
  /** What was submitted and is not committed, oldest first. */
  pending: Pending[] = [];
  /** What every command is refused with. */
  refusal: ErrorCode | null = null;
  /** Everything is committed at the end of the turn in which it was submitted. */
  isPrompt = true;
  readonly submitted: Command[] = [];
  /** Sees every command that was applied here, with the head of the stream before it. */
  onApplied: (command: Command, result: CommandResult, head: number) => void = () => undefined;
  /** The connection of this session and epoch counts no longer. */
  onDisplaced: (session: number, epoch: number) => void = () => undefined;
  /** Who is connected here, by session. */
  readonly members = new Map<number, (items: readonly SharedItem[]) => void>();
  readonly #name: string;
  #sequence = 0;
  #isCommitAsked = false;

  constructor(state: Replicated, limits: Partial<FanoutLimits> = {}) {
    this.state = state;
    state.lives += 1;
    this.#name = `n${state.lives}`;
    const { machine, store, clock } = state;
    this.brokers = new TopicBrokers({
      store,
      topics: {
        byName: (name) => machine.topicByName(name),
        byId: (id) => machine.topicById(id),
        all: () => machine.allTopics(),
      },
      clock,
      head: () => store.lastPosition,
      metrics: { deliverySeconds: { observe: () => undefined } },
      onError: (error) => {
        throw error;
      },
      limits: { ...ROOMY, ...limits },
    });
  }

  submit(command: Command, done: (result: CommandResult) => void): void {
    this.submitted.push(command);
    if (this.refusal !== null) {
      done({ kind: "failed", code: this.refusal });
      return;
    }
    this.pending.push({ command, done });
    if (!this.isPrompt || this.#isCommitAsked) return;
    this.#isCommitAsked = true;
    this.state.clock.soon(() => {
      this.#isCommitAsked = false;
      if (this.isPrompt) this.commit();
    });
  }

  /** The oldest that were submitted are one log entry, which is applied here. */
  commit(count = this.pending.length): void {
    const batch = this.pending.splice(0, count);
    if (batch.length === 0) return;
    const results = this.#apply(batch);
    for (const [index, { done }] of batch.entries()) done(results[index]!);
  }

  /** The node dies: of what it submitted, so many commands are committed after all. */
  die(committed = 0): void {
    this.isPrompt = false;
    const batch = this.pending.splice(0, committed);
    if (batch.length > 0) this.#apply(batch);
    this.pending = [];
    this.brokers.stop();
  }

  /** Commits a command of its own, and what was submitted before. */
  perform(command: Command): CommandResult {
    let given: CommandResult | null = null;
    this.submit(command, (result) => {
      given = result;
    });
    this.commit();
    return given!;
  }

  /** Publishes messages `m<position>`; returns the last position. */
  publish(
    topic: string,
    more: Partial<OutgoingMessage> & { publisher?: number; count?: number } = {},
  ): number {
    const { publisher = 0, count = 1, ...message } = more;
    const messages = Array.from({ length: count }, (_, index) => ({
      payload: Buffer.from(`m${this.head + 1 + index}`),
      contentType: "",
      qos: 1 as const,
      retain: false,
      expiresAtMs: 0,
      properties: new Uint8Array(0),
      ...message,
    }));
    const options = { autoCreate: true, idempotency: null, publisher, receipt: null };
    const result = this.perform({ kind: "publish", topic, messages, ...options });
    if (result.kind !== "published") throw new Error(JSON.stringify(result));
    return result.lastPosition;
  }

  get saturated(): boolean {
    return false;
  }

  onceDrained(): void {}

  topic(): TopicView | undefined {
    return undefined;
  }

  topics(): readonly TopicView[] {
    return [];
  }

  retained(filters: FilterSet, expiredToo = false): readonly StoredMessage[] {
    const atMs = expiredToo ? 0 : this.nowMs();
    return this.state.machine.retainedMatching((name) => filters.matches(name), atMs);
  }

  history(): Promise<ReadPage> {
    throw new Error("not asked for here");
  }

  get head(): number {
    return this.state.store.lastPosition;
  }

  eventId(position: number): string {
    return String(position);
  }

  positionOf(eventId: string): number {
    return Number(eventId);
  }

  subscribe(request: SubscribeRequest): Subscription {
    return this.brokers.subscribe(request);
  }

  session(number: number): Session | undefined {
    return this.state.machine.session(number);
  }

  sessionOf(clientId: string): Session | undefined {
    return this.state.machine.sessionOf(clientId);
  }

  sessions(after: number, limit: number): readonly Session[] {
    return this.state.machine.sessions(after, limit);
  }

  listenToSessions(): void {}

  messageAt(topicId: number, position: number): StoredMessage | null | Promise<StoredMessage | null> {
    const query = { topics: { ids: [topicId] }, after: position - 1, through: position };
    const page = this.state.store.readRecent({ ...query, messagesMax: 1, bytesMax: 1 });
    if (page !== null) return page.messages[0] ?? null;
    return this.state.store
      .read({ ...query, messagesMax: 1, bytesMax: 1 })
      .then(({ messages }) => messages[0] ?? null);
  }

  trimmedThrough(): number {
    return Math.max(0, ...this.state.store.trimmed.values());
  }

  otherNode(): string | null {
    return null;
  }

  readiness(): Readiness {
    return { ready: true };
  }

  figures(): NodeFigures {
    return figuresOf(this.state.machine, () => ({ messages: 0, bytes: 0 }));
  }

  status(): NodeStatus {
    return {
      nodeId: this.#name,
      leaderId: this.#name,
      term: 1,
      commitIndex: 0,
      appliedIndex: 0,
      members: [],
    };
  }

  nowMs(): number {
    return this.state.clock.nowMs();
  }

  #apply(batch: readonly Pending[]): readonly CommandResult[] {
    const { machine, clock } = this.state;
    this.#sequence += 1;
    const applied = machine.apply(
      {
        origin: this.#name,
        incarnation: 1,
        sequence: this.#sequence,
        timeMs: clock.nowMs(),
        commands: batch.map(({ command }) => command),
      },
      machine.appliedIndex + 1,
    );
    if (applied.outcome !== "applied") throw new Error(applied.outcome);
    let { head } = this;
    for (const [index, { command }] of batch.entries()) {
      const result = applied.results[index]!;
      this.onApplied(command, result, head);
      if (result.kind === "published") head = Math.max(head, result.lastPosition);
    }
    for (const effect of applied.effects) this.#perform(effect);
    return applied.results;
  }

  #perform(effect: Effect): void {
    if (effect.kind === "append") {
      this.state.store.append(effect.messages);
      this.brokers.publish(effect.messages);
    } else if (effect.kind === "topic-created") this.brokers.topicCreated(effect.topic);
    else if (effect.kind === "topic-deleted") this.#deleted(effect.topic);
    else if (effect.kind === "shared-assigned") this.members.get(effect.session)?.(effect.items);
    else this.onDisplaced(effect.session, effect.epoch);
  }

  #deleted(topic: TopicRef): void {
    this.state.store.forget(topic.id);
    this.brokers.topicDeleted(topic);
  }
}
