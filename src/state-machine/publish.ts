/**
 * Publishing: all messages of a command get their places, or none does. Whatever can refuse it is asked before anything
 * changes.
 */
import type { OutgoingMessage, PublishCommand } from "../commands/command.js";
import { assertInvariant } from "../errors.js";
import { limits } from "../limits.js";
import { isTopicName } from "../topics/topic-name.js";
import type { EffectList } from "./effect-list.js";
import type { CommandResult, Published, StoredMessage } from "./effects.js";
import type { IdempotencyRecord } from "./records.js";
import { CHANGED_PROGRESS } from "./session-state.js";
import { DISPLACED, speakerOf } from "./speaker.js";
import type { State } from "./state.js";
import { DONE } from "./topic-commands.js";
import type { TopicState } from "./topics.js";

const NO_RETENTION = Object.freeze({});

export function applyPublish(state: State, command: PublishCommand, effects: EffectList): CommandResult {
  const { receipt } = command;
  if (receipt === null) return publish(state, command, effects);
  const session = speakerOf(state, { session: command.publisher, epoch: receipt.epoch });
  if (session === undefined) return DISPLACED;
  if (!session.isKept)
    return { kind: "failed", code: "invalid_request", detail: "a receipt of a session that is not kept" };
  if (session.incoming.has(receipt.packetId)) return DONE;
  if (session.incoming.size >= limits.unreleasedMax) return { kind: "failed", code: "overloaded" };
  const result = publish(state, command, effects);
  if (result.kind === "published") {
    session.addIncoming(receipt.packetId);
    state.sessions.touch(session, CHANGED_PROGRESS);
  }
  return result;
}

function publish(state: State, command: PublishCommand, effects: EffectList): CommandResult {
  const { topic: name, messages, idempotency } = command;
  let topic = state.topics.byName(name);
  if (topic === undefined) {
    if (!isTopicName(name)) return { kind: "failed", code: "invalid_topic" };
    if (!command.autoCreate) return { kind: "failed", code: "topic_not_found" };
    if (state.topics.size >= state.topicsMax) return { kind: "failed", code: "too_many_topics" };
  } else if (idempotency !== null) {
    const first = state.idempotency.find(topic.id, idempotency.key, state.timeMs);
    if (first !== undefined) return repeated(name, first, idempotency.digest);
  }
  const retained = lastRetained(messages);
  if (retained !== undefined && !state.retained.fits(topic?.id, retained)) {
    return { kind: "failed", code: "retained_full" };
  }
  if (topic === undefined) {
    topic = state.topics.create(name, NO_RETENTION, state.timeMs);
    effects.topicCreated(topic.ref);
  }
  const published = append(state, topic, messages, retained, effects, command.publisher);
  if (idempotency !== null) {
    state.idempotency.remember(topic.id, idempotency.key, idempotency.digest, published);
  }
  return published;
}

/** The answer to a key that was seen before. */
function repeated(topic: string, first: IdempotencyRecord, digest: string): CommandResult {
  if (first.digest !== digest) return { kind: "failed", code: "idempotency_conflict" };
  const { count, firstPosition, firstOffset, timestampMs } = first;
  return published(topic, count, firstPosition, firstOffset, timestampMs, true);
}

/** Of several retained messages in one command only the last is ever seen as such. */
function lastRetained(messages: readonly OutgoingMessage[]): OutgoingMessage | undefined {
  for (let i = messages.length - 1; i >= 0; i -= 1) {
    const message = messages[i];
    if (message?.retain) return message;
  }
  return undefined;
}

function append(
  state: State,
  topic: TopicState,
  messages: readonly OutgoingMessage[],
  retained: OutgoingMessage | undefined,
  effects: EffectList,
  publisher: number,
): Published {
  assertInvariant(messages.length > 0, "a publish without messages was committed");
  const { timeMs: timestampMs } = state;
  const firstPosition = state.nextPosition;
  const firstOffset = topic.nextOffset;
  let position = firstPosition;
  let offset = firstOffset;
  for (const message of messages) {
    const stored: StoredMessage = {
      position,
      offset,
      topic: topic.ref,
      timestampMs,
      payload: message.payload,
      contentType: message.contentType,
      qos: message.qos,
      retain: message.retain,
      expiresAtMs: message.expiresAtMs,
      properties: message.properties,
      publisher,
    };
    effects.append(stored);
    if (message === retained) state.retained.set(stored);
    state.shares.assign(stored, effects);
    position += 1;
    offset += 1;
  }
  state.nextPosition = position;
  topic.nextOffset = offset;
  topic.newestPosition = position - 1;
  state.topics.touch(topic);
  return published(topic.name, messages.length, firstPosition, firstOffset, timestampMs, false);
}

function published(
  topic: string,
  count: number,
  firstPosition: number,
  firstOffset: number,
  timestampMs: number,
  replayed: boolean,
): Published {
  const lastPosition = firstPosition + count - 1;
  const lastOffset = firstOffset + count - 1;
  return {
    kind: "published",
    topic,
    count,
    firstPosition,
    lastPosition,
    firstOffset,
    lastOffset,
    timestampMs,
    replayed,
  };
}
