/** Wills: messages that the machine itself publishes for clients that went without a word (MQTT 5.0, 3.1.2.5). */
import type { Will } from "../commands/command.js";
import type { EffectList } from "./effect-list.js";
import { applyPublish } from "./publish.js";
import type { SessionState } from "./session-state.js";
import type { State } from "./state.js";

/**
 * Publishes the session's will, if it has one, and takes it out of the session (MQTT-3.1.2-8, MQTT-3.1.2-10). One that cannot be
 * published is dropped: nobody is there to be told.
 */
export function publishWill(state: State, session: SessionState, effects: EffectList): void {
  const { will } = session;
  if (will === null) return;
  state.sessions.setWill(session, null);
  const result = applyPublish(state, publishOf(will, session.number, state.timeMs), effects);
  if (result.kind === "published") state.counters.willsPublished += 1;
  else state.counters.willsDropped += 1;
}

function publishOf(will: Will, publisher: number, nowMs: number): Parameters<typeof applyPublish>[1] {
  const { topic, payload, contentType, qos, retain, properties, expirySeconds } = will;
  const expiresAtMs = expirySeconds === 0 ? 0 : nowMs + expirySeconds * 1000;
  return {
    kind: "publish",
    topic,
    messages: [{ payload, contentType, qos, retain, properties, expiresAtMs }],
    autoCreate: true,
    idempotency: null,
    publisher,
    receipt: null,
  };
}
