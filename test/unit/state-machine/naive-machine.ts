/**
 * The machine again, as simple as can be and slow: lists instead of indexes, everything looked for anew. Property tests hold
 * the real one against it.
 */
import type { Command, PublishCommand, Will } from "../../../src/commands/command.js";
import { isWildcard } from "../../../src/topics/topic-name.js";
import { NaiveSessions, SESSION_CEILINGS } from "./naive-sessions.js";

interface NaiveTopic {
  readonly id: number;
  readonly name: string;
  nextOffset: number;
}

interface NaiveMessage {
  readonly topicId: number;
  readonly position: number;
  readonly offset: number;
  readonly timeMs: number;
  readonly body: string;
  readonly qos: 0 | 1 | 2;
  readonly publisher: number;
}

interface NaiveAnswer {
  readonly topicId: number;
  readonly key: string;
  readonly digest: string;
  readonly first: NaiveMessage;
  readonly count: number;
}

/** Ceilings, small enough for a test to reach them. */
export const CEILINGS = {
  topicsMax: 3,
  retainedMessagesMax: 2,
  retainedBytesMax: 6,
  idempotencyKeysMax: 3,
  idempotencyAgeMs: 50,
  ...SESSION_CEILINGS,
};

export class NaiveMachine {
  timeMs = 0;
  topics: NaiveTopic[] = [];
  messages: NaiveMessage[] = [];
  retained: NaiveMessage[] = [];
  readonly sessions = new NaiveSessions(this);
  #answers: NaiveAnswer[] = [];
  #nextId = 1;

  /** Applies commands at a time; says of each what it gave: an error code, "done", or where its messages stand. */
  apply(timeMs: number, commands: readonly Command[], node = "1", incarnation = 1): string[] {
    this.timeMs = Math.max(this.timeMs, timeMs);
    this.#answers = this.#answers.filter((it) => it.first.timeMs + CEILINGS.idempotencyAgeMs > this.timeMs);
    this.sessions.begin(node, incarnation);
    return commands.map((command) => this.#apply(command, node, incarnation));
  }

  get head(): number {
    return this.messages.length;
  }

  publishWill(will: Will, publisher: number): void {
    const { topic, payload, contentType, qos, retain, properties } = will;
    const message = { payload, contentType, qos, retain, properties, expiresAtMs: 0 };
    const rest = { autoCreate: true, idempotency: null, publisher, receipt: null };
    this.#publish({ kind: "publish", topic, messages: [message], ...rest });
  }

  mayHaveRetained(filter: string): boolean {
    const idOf = (name: string): number | undefined => this.topics.find((it) => it.name === name)?.id;
    return this.retained.some(({ topicId }) => isWildcard(filter) || topicId === idOf(filter));
  }

  retainedAtTwo(): { position: number; topic: string; publisher: number }[] {
    return this.retained
      .filter(({ qos }) => qos === 2)
      .map(({ position, topicId, publisher }) => {
        return { position, topic: this.topics.find(({ id }) => id === topicId)!.name, publisher };
      });
  }

  #apply(command: Command, node: string, incarnation: number): string {
    const { sessions } = this;
    switch (command.kind) {
      case "publish":
        return this.#receive(command);
      case "open-session":
        return sessions.open(command, node, incarnation);
      case "close-session":
        return sessions.close(command);
      case "displace-session":
        return sessions.displace(command);
      case "subscribe":
        return sessions.subscribe(command);
      case "unsubscribe":
        return sessions.unsubscribe(command);
      case "progress":
        return sessions.progress(command);
      case "release":
        return sessions.release(command);
      case "node-up":
        return sessions.nodeUp(command, node, incarnation);
      case "node-down":
        return sessions.nodeDown(command);
      default:
        return this.#applyToTopic(command);
    }
  }

  #receive(command: PublishCommand): string {
    const { receipt, publisher } = command;
    if (receipt === null) return this.#publish(command);
    const refused = this.sessions.refuseReceipt(publisher, receipt);
    if (refused !== null) return refused;
    const result = this.#publish(command);
    if (result.includes("@")) this.sessions.remember(publisher, receipt.packetId);
    return result;
  }

  #applyToTopic(command: Command): string {
    if (!("topic" in command)) return "done";
    const topic = this.topics.find(({ name }) => name === command.topic);
    if (command.kind === "create-topic") {
      if (topic !== undefined) return command.ifMissing ? "done" : "topic_exists";
      return this.#create(command.topic) === null ? "too_many_topics" : "done";
    }
    if (topic === undefined) return "topic_not_found";
    if (command.kind === "delete-topic") {
      const isOther = (it: { topicId: number }): boolean => it.topicId !== topic.id;
      this.topics = this.topics.filter((it) => it !== topic);
      this.retained = this.retained.filter(isOther);
      this.#answers = this.#answers.filter(isOther);
    }
    return "done";
  }

  #create(name: string): NaiveTopic | null {
    if (this.topics.length >= CEILINGS.topicsMax) return null;
    const topic = { id: this.#nextId, name, nextOffset: 0 };
    this.#nextId += 1;
    this.topics.push(topic);
    return topic;
  }

  #publish(command: PublishCommand): string {
    const { idempotency } = command;
    const present = this.topics.find(({ name }) => name === command.topic);
    if (present === undefined && !command.autoCreate) return "topic_not_found";
    if (present === undefined && this.topics.length >= CEILINGS.topicsMax) return "too_many_topics";
    const answer = this.#answers.find((it) => it.topicId === present?.id && it.key === idempotency?.key);
    if (answer !== undefined) {
      if (answer.digest !== idempotency?.digest) return "idempotency_conflict";
      return `${answer.first.position}+${answer.count}@${answer.first.offset} replayed`;
    }
    const retain = command.messages
      .filter((message) => message.retain)
      .map((it) => textOf(it.payload))
      .at(-1);
    const others = this.retained.filter((it) => it.topicId !== present?.id);
    if (retain !== undefined && retain !== "" && !this.#fits(others, retain, present?.id))
      return "retained_full";
    const topic = present ?? this.#create(command.topic)!;
    const added = command.messages.map(({ payload, qos, retain }) => {
      const message = this.#append(topic, textOf(payload), qos, command.publisher);
      this.sessions.publish(message.position, topic.name, qos, retain, command.publisher);
      return message;
    });
    const isLast = command.messages.findLastIndex((message) => message.retain);
    if (retain !== undefined) this.retained = retain === "" ? others : [...others, added[isLast]!];
    const first = added[0]!;
    if (idempotency !== null) {
      this.#answers.push({ topicId: topic.id, ...idempotency, first, count: added.length });
      this.#answers = this.#answers.slice(-CEILINGS.idempotencyKeysMax);
    }
    return `${first.position}+${added.length}@${first.offset}`;
  }

  #fits(others: readonly NaiveMessage[], body: string, topicId: number | undefined): boolean {
    const old = this.retained.find((it) => it.topicId === topicId);
    if (old !== undefined && body.length <= old.body.length) return true;
    const bytes = others.reduce((sum, it) => sum + it.body.length, body.length);
    return others.length < CEILINGS.retainedMessagesMax && bytes <= CEILINGS.retainedBytesMax;
  }

  #append(topic: NaiveTopic, body: string, qos: 0 | 1 | 2, publisher: number): NaiveMessage {
    const message = {
      topicId: topic.id,
      position: this.messages.length + 1,
      offset: topic.nextOffset,
      timeMs: this.timeMs,
      ...{ body, qos, publisher },
    };
    topic.nextOffset += 1;
    this.messages.push(message);
    return message;
  }
}

export function textOf(payload: Uint8Array): string {
  return Buffer.from(payload).toString("latin1");
}
