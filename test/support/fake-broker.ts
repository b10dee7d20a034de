/**
 * A broker for tests of an edge: the production proposer, state machine and topic brokers over an array of messages. Only the log
 * is missing: what is proposed is applied at the end of the turn, or when the test says so.
 */
import type {
  Broker,
  NodeFigures,
  NodeStatus,
  Readiness,
  SessionListener,
  TopicView,
} from "../../src/broker.js";
import { decodeEnvelope } from "../../src/commands/codec.js";
import type { Command, PublishCommand } from "../../src/commands/command.js";
import { Submitter } from "../../src/commands/submit.js";
import type { ErrorCode } from "../../src/errors.js";
import { limits } from "../../src/limits.js";
import { figuresOf } from "../../src/replica/node-figures.js";
import { SessionEvents } from "../../src/replica/session-events.js";
import { type Clock, systemClock } from "../../src/runtime/clock.js";
import { createMetrics } from "../../src/runtime/metrics.js";
import type { CommandResult, Effect, StoredMessage, TopicRef } from "../../src/state-machine/effects.js";
import { Machine, type Topic } from "../../src/state-machine/machine.js";
import type { Session } from "../../src/state-machine/session-view.js";
import type { ReadPage } from "../../src/store/message-store.js";
import type { FilterSet } from "../../src/topics/filter-set.js";
import { TopicBrokers } from "../../src/topics/registry.js";
import type { SubscribeRequest, Subscription } from "../../src/topics/subscriber.js";
import { ArrayMessageStore } from "./array-message-store.js";
import { keepChanges, recordsOf } from "./kept-records.js";

export class FakeBroker implements Broker {
  readonly machine = new Machine();
  readonly store = new ArrayMessageStore();
  readonly brokers: TopicBrokers;
  /** Every command that was submitted. */
  readonly commands: Command[] = [];
  /** Overrides the answer of the proposer. */
  isSaturated = false;
  /** What every command is refused with. */
  refusal: ErrorCode | null = null;
  timeMs = 1_700_000_000_000;
  /** What `otherNode` gives. */
  elsewhere: string | null = null;
  readonly #submitter: Submitter;
  #proposed: Uint8Array[] = [];
  readonly #sessions = new SessionEvents("1", () => 1);
  #isHeld = false;
  #lost: Command["kind"] | null = null;
  #isReplacing = false;
  /** Those that `#copy` was made of. */
  readonly #records = new Map<string, Uint8Array>();
  #drained: (() => void)[] = [];

  /** Metrics last as long as the process: whoever makes many brokers hands them the same. */
  constructor(clock: Clock = systemClock, metrics = createMetrics()) {
    this.#submitter = new Submitter({
      origin: "1",
      incarnation: () => 1,
      propose: (payload) => this.#propose(payload),
      refusal: () => this.refusal,
      clock: { ...clock, nowMs: () => this.timeMs },
      publishSeconds: metrics.publishSeconds,
      limits,
    });
    const { machine } = this;
    this.brokers = new TopicBrokers({
      store: this.store,
      topics: {
        byName: (name) => machine.topicByName(name),
        byId: (id) => machine.topicById(id),
        all: () => machine.allTopics(),
      },
      clock,
      head: () => this.head,
      metrics,
      onError: (error) => {
        throw error;
      },
    });
  }

  /** Keeps back what is proposed, until the function given back is called. */
  holdCommits(): () => void {
    this.#isHeld = true;
    return () => {
      this.#isHeld = false;
      this.#apply();
    };
  }

  /** The publishes that were submitted. */
  get publishes(): readonly PublishCommand[] {
    return this.commands.filter((command) => command.kind === "publish");
  }

  /** Time goes on, and whatever is due happens. */
  async advance(ms: number): Promise<void> {
    this.timeMs += ms;
    await this.perform({ kind: "tick" });
  }

  /** A command of another node, applied as if it came out of the log. */
  performElsewhere(node: string, command: Command): CommandResult {
    const sequence = this.machine.lastProposalOf(node).sequence + 1;
    const envelope = { origin: node, incarnation: 1, sequence, timeMs: this.timeMs, commands: [command] };
    const applied = this.machine.apply(envelope, this.machine.appliedIndex + 1);
    for (const effect of applied.effects) this.#perform(effect);
    return applied.results[0] ?? { kind: "failed", code: "internal" };
  }

  /** What waits for `onceDrained` is told. */
  drain(): void {
    this.isSaturated = false;
    for (const listener of this.#drained.splice(0)) listener();
  }

  /** The next command of this kind is applied as ever, and whoever waits for it told that this is not known. */
  loseNext(kind: Command["kind"]): void {
    this.#lost = kind;
  }

  /** What `change` does to the sessions is not told by effects: a snapshot did it. */
  replaceState(change: () => void): void {
    const before = this.#copy();
    this.#isReplacing = true;
    change();
    this.#isReplacing = false;
    this.#sessions.restored(before, this.machine);
  }

  submit(command: Command, done: (result: CommandResult) => void): void {
    this.commands.push(command);
    if (command.kind !== this.#lost) {
      this.#submitter.submit(command, done);
      return;
    }
    this.#lost = null;
    this.#submitter.submit(command, () => done({ kind: "failed", code: "outcome_unknown" }));
  }

  /** The command's result. */
  perform(command: Command): Promise<CommandResult> {
    return new Promise((resolve) => this.submit(command, resolve));
  }

  get saturated(): boolean {
    return this.isSaturated || this.#submitter.saturated;
  }

  onceDrained(listener: () => void): void {
    if (this.isSaturated) this.#drained.push(listener);
    else this.#submitter.onceDrained(listener);
  }

  topic(name: string): TopicView | undefined {
    const topic = this.machine.topicByName(name);
    return topic === undefined ? undefined : viewOf(topic);
  }

  topics(prefix: string, after: string | null, limit: number): readonly TopicView[] {
    return this.machine.listTopics(prefix, after, limit).map(viewOf);
  }

  retained(filters: FilterSet, expiredToo = false): readonly StoredMessage[] {
    const atMs = expiredToo ? 0 : this.nowMs();
    return this.machine.retainedMatching((name) => filters.matches(name), atMs);
  }

  async history(topic: TopicRef, after: number, limit: number): Promise<ReadPage> {
    const query = { topics: { ids: [topic.id] }, after, through: this.head };
    const page = this.store.readRecent({ ...query, messagesMax: limit, bytesMax: 1_000_000 });
    return page ?? { messages: [], next: after, trimmedThrough: 0 };
  }

  get head(): number {
    return this.store.lastPosition;
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
    return this.machine.session(number);
  }

  sessionOf(clientId: string): Session | undefined {
    return this.machine.sessionOf(clientId);
  }

  sessions(after: number, limit: number): readonly Session[] {
    return this.machine.sessions(after, limit);
  }

  listenToSessions(listener: SessionListener): void {
    this.#sessions.listen(listener);
  }

  messageAt(topicId: number, position: number): StoredMessage | null | Promise<StoredMessage | null> {
    const query = { topics: { ids: [topicId] }, after: position - 1, through: position };
    const page = this.store.readRecent({ ...query, messagesMax: 1, bytesMax: 1 });
    if (page !== null) return page.messages[0] ?? null;
    return this.store
      .read({ ...query, messagesMax: 1, bytesMax: 1 })
      .then(({ messages }) => messages[0] ?? null);
  }

  trimmedThrough(filters: FilterSet): number {
    if (this.store.trimmed.size === 0) return 0;
    const trims = this.store.messages.flatMap(({ topic }) =>
      filters.matches(topic.name) ? [this.store.trimmed.get(topic.id) ?? 0] : [],
    );
    return Math.max(0, ...trims);
  }

  otherNode(): string | null {
    return this.elsewhere;
  }

  readiness(): Readiness {
    return { ready: true };
  }

  status(): NodeStatus {
    return { nodeId: "1", leaderId: "1", term: 1, commitIndex: 0, appliedIndex: 0, members: [] };
  }

  figures(): NodeFigures {
    const { messages } = this.store;
    return figuresOf(this.machine, (topicId) => {
      const kept = messages.filter(({ topic }) => topic.id === topicId);
      return { messages: kept.length, bytes: kept.reduce((sum, { payload }) => sum + payload.length, 0) };
    });
  }

  nowMs(): number {
    return this.timeMs;
  }

  #copy(): Machine {
    keepChanges(this.machine, this.#records);
    return Machine.load(recordsOf(this.#records));
  }

  #propose(payload: Uint8Array): boolean {
    this.#proposed.push(payload);
    setImmediate(() => this.#apply());
    return true;
  }

  #apply(): void {
    while (!this.#isHeld) {
      const payload = this.#proposed.shift();
      if (payload === undefined) return;
      const applied = this.machine.apply(decodeEnvelope(payload), this.machine.appliedIndex + 1);
      for (const effect of applied.effects) this.#perform(effect);
      this.#submitter.applied(applied);
    }
  }

  #perform(effect: Effect): void {
    if (effect.kind === "append") {
      this.store.append(effect.messages);
      this.brokers.publish(effect.messages);
    } else if (effect.kind === "topic-created") {
      this.brokers.topicCreated(effect.topic);
    } else if (effect.kind === "topic-deleted") {
      this.store.forget(effect.topic.id);
      this.brokers.topicDeleted(effect.topic);
    } else if (!this.#isReplacing) {
      this.#sessions.happened(effect);
    }
  }
}

function viewOf({ id, name, createdAtMs, retention, nextOffset, newestPosition }: Topic): TopicView {
  return { id, name, createdAtMs, retention, messages: 0, bytes: 0, nextOffset, newestPosition };
}
