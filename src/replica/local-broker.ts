/** The edges' view of this node (src/broker.ts), put together from the machine, the store, the topic brokers and the proposer. */
import type { Broker, NodeFigures, NodeStatus, Readiness, SessionListener, TopicView } from "../broker.js";
import type { Command } from "../commands/command.js";
import type { Done, Submitter } from "../commands/submit.js";
import type { StoredMessage, TopicRef } from "../state-machine/effects.js";
import type { Session } from "../state-machine/session-view.js";
import type { Topic } from "../state-machine/topics.js";
import type { MessageStore, ReadPage } from "../store/message-store.js";
import type { FilterSet } from "../topics/filter-set.js";
import { matcherOf } from "../topics/matcher.js";
import type { TopicBrokers } from "../topics/registry.js";
import type { SubscribeRequest, Subscription } from "../topics/subscriber.js";
import { isWildcard } from "../topics/topic-name.js";
import type { EventIds } from "./event-id.js";
import { figuresOf } from "./node-figures.js";
import type { Presence } from "./presence.js";
import type { Replica } from "./replica.js";
import type { SessionEvents } from "./session-events.js";

export interface LocalBrokerOptions {
  readonly replica: Pick<Replica, "machine">;
  readonly store: Pick<MessageStore, "lastPosition" | "read" | "readRecent" | "stats" | "trimmedThrough">;
  readonly brokers: Pick<TopicBrokers, "subscribe">;
  readonly submitter: Pick<Submitter, "submit" | "saturated" | "onceDrained">;
  readonly sessions: Pick<SessionEvents, "listen">;
  readonly presence: Pick<Presence, "otherNode">;
  /** Throws while the stream has no identity yet; readiness keeps the edges away until then. */
  readonly eventIds: () => EventIds;
  readonly readiness: () => Readiness;
  readonly status: () => NodeStatus;
  readonly nowMs: () => number;
  readonly historyBytesMax: number;
  readonly topicsMax: number;
}

export class LocalBroker implements Broker {
  readonly #options: LocalBrokerOptions;

  constructor(options: LocalBrokerOptions) {
    this.#options = options;
  }

  submit(command: Command, done: Done): void {
    if (this.#wouldExceedTopics(command)) done({ kind: "failed", code: "too_many_topics" });
    else this.#options.submitter.submit(command, done);
  }

  get saturated(): boolean {
    return this.#options.submitter.saturated;
  }

  onceDrained(listener: () => void): void {
    this.#options.submitter.onceDrained(listener);
  }

  topic(name: string): TopicView | undefined {
    const topic = this.#options.replica.machine.topicByName(name);
    return topic === undefined ? undefined : this.#view(topic);
  }

  topics(prefix: string, after: string | null, limit: number): readonly TopicView[] {
    return this.#options.replica.machine.listTopics(prefix, after, limit).map((topic) => this.#view(topic));
  }

  retained(filters: FilterSet, expiredToo = false): readonly StoredMessage[] {
    const { replica, nowMs } = this.#options;
    const { exactTopic } = filters;
    const { machine } = replica;
    // At the beginning of time nothing has expired.
    const atMs = expiredToo ? 0 : nowMs();
    if (exactTopic !== null) {
      const only = machine.retained(exactTopic, atMs);
      return only === undefined ? [] : [only];
    }
    return machine.retainedMatching(matcherOf(filters), atMs);
  }

  async history(topic: TopicRef, after: number, limit: number): Promise<ReadPage> {
    const { store, historyBytesMax, nowMs } = this.#options;
    const query = {
      topics: { ids: [topic.id] },
      after,
      through: this.head,
      messagesMax: limit,
      bytesMax: historyBytesMax,
    };
    const page = store.readRecent(query) ?? (await store.read(query));
    const now = nowMs();
    const isKept = (message: StoredMessage): boolean =>
      message.expiresAtMs === 0 || message.expiresAtMs > now;
    return { ...page, messages: page.messages.filter(isKept) };
  }

  get head(): number {
    return this.#options.store.lastPosition;
  }

  eventId(position: number): string {
    return this.#options.eventIds().format(position);
  }

  positionOf(eventId: string): number {
    return this.#options.eventIds().parse(eventId, this.head);
  }

  subscribe(request: SubscribeRequest): Subscription {
    return this.#options.brokers.subscribe(request);
  }

  session(number: number): Session | undefined {
    return this.#options.replica.machine.session(number);
  }

  sessionOf(clientId: string): Session | undefined {
    return this.#options.replica.machine.sessionOf(clientId);
  }

  sessions(after: number, limit: number): readonly Session[] {
    return this.#options.replica.machine.sessions(after, limit);
  }

  listenToSessions(listener: SessionListener): void {
    this.#options.sessions.listen(listener);
  }

  messageAt(topicId: number, position: number): StoredMessage | null | Promise<StoredMessage | null> {
    const query = { topics: { ids: [topicId] }, after: position - 1, through: position };
    const page = this.#options.store.readRecent({ ...query, messagesMax: 1, bytesMax: 1 });
    if (page !== null) return page.messages[0] ?? null;
    return this.#options.store
      .read({ ...query, messagesMax: 1, bytesMax: 1 })
      .then(({ messages }) => messages[0] ?? null);
  }

  trimmedThrough(filters: FilterSet): number {
    const { store, replica } = this.#options;
    const { machine } = replica;
    const names = filters.filters.map(({ filter }) => filter);
    if (!names.some(isWildcard)) {
      return store.trimmedThrough({ ids: names.flatMap((name) => machine.topicByName(name)?.id ?? []) });
    }
    const matches = matcherOf(filters);
    // The store asks about topics that lost something, the latest loss first: mostly none or one.
    const accepts = (id: number): boolean => {
      const topic = machine.topicById(id);
      return topic !== undefined && matches(topic.name);
    };
    return store.trimmedThrough({ accepts });
  }

  otherNode(): string | null {
    return this.#options.presence.otherNode();
  }

  readiness(): Readiness {
    return this.#options.readiness();
  }

  status(): NodeStatus {
    return this.#options.status();
  }

  figures(): NodeFigures {
    const { machine } = this.#options.replica;
    return figuresOf(machine, (topicId) => this.#options.store.stats(topicId));
  }

  nowMs(): number {
    return this.#options.nowMs();
  }

  /**
   * The node's ceiling is checked here and not by the machine: an operator may lower it, and what was acknowledged before must
   * give the same when the log is applied again.
   */
  #wouldExceedTopics(command: Command): boolean {
    const { machine } = this.#options.replica;
    if (machine.topicCount < this.#options.topicsMax) return false;
    if (command.kind !== "create-topic" && !(command.kind === "publish" && command.autoCreate)) return false;
    return machine.topicByName(command.topic) === undefined;
  }

  #view(topic: Topic): TopicView {
    const { messages, bytes } = this.#options.store.stats(topic.id);
    const { id, name, createdAtMs, retention, nextOffset, newestPosition } = topic;
    return { id, name, createdAtMs, retention, messages, bytes, nextOffset, newestPosition };
  }
}
