/**
 * Making, changing and deleting topics. A deleted topic takes everything of its own along: its retained message, its
 * idempotency keys, its id.
 */
import type {
  CreateTopicCommand,
  DeleteTopicCommand,
  Retention,
  UpdateTopicCommand,
} from "../commands/command.js";
import { isTopicName } from "../topics/topic-name.js";
import type { EffectList } from "./effect-list.js";
import type { CommandResult } from "./effects.js";
import type { State } from "./state.js";

export const DONE: CommandResult = Object.freeze({ kind: "done" });
const BAD_RETENTION: CommandResult = Object.freeze({
  kind: "failed",
  code: "invalid_request",
  detail: "a retention of 0 is not possible; leave it out for the node's default",
});

export function applyCreate(state: State, command: CreateTopicCommand, effects: EffectList): CommandResult {
  const { topic: name, retention } = command;
  if (!isTopicName(name)) return { kind: "failed", code: "invalid_topic" };
  if (state.topics.byName(name) !== undefined) {
    return command.ifMissing ? DONE : { kind: "failed", code: "topic_exists" };
  }
  if (retention.ageMs === 0 || retention.bytes === 0) return BAD_RETENTION;
  if (state.topics.size >= state.topicsMax) return { kind: "failed", code: "too_many_topics" };
  const topic = state.topics.create(name, retentionOf(retention.ageMs, retention.bytes), state.timeMs);
  effects.topicCreated(topic.ref);
  return DONE;
}

export function applyUpdate(state: State, command: UpdateTopicCommand): CommandResult {
  const topic = state.topics.byName(command.topic);
  if (topic === undefined) return { kind: "failed", code: "topic_not_found" };
  const { ageMs, bytes } = command.retention;
  if (ageMs === 0 || bytes === 0) return BAD_RETENTION;
  topic.retention = retentionOf(
    ageMs === undefined ? topic.retention.ageMs : (ageMs ?? undefined),
    bytes === undefined ? topic.retention.bytes : (bytes ?? undefined),
  );
  state.topics.touch(topic);
  return DONE;
}

export function applyDelete(state: State, command: DeleteTopicCommand, effects: EffectList): CommandResult {
  const topic = state.topics.byName(command.topic);
  if (topic === undefined) return { kind: "failed", code: "topic_not_found" };
  state.retained.delete(topic.id);
  state.idempotency.forgetTopic(topic.id);
  state.shares.forgetTopic(topic.id);
  state.topics.delete(topic);
  effects.topicDeleted(topic.ref);
  return DONE;
}

/** Without the fields that are not set, so that equal settings are equal objects. */
function retentionOf(ageMs: number | undefined, bytes: number | undefined): Retention {
  return Object.freeze({
    ...(ageMs === undefined ? {} : { ageMs }),
    ...(bytes === undefined ? {} : { bytes }),
  });
}
