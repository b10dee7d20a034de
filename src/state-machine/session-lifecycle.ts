/**
 * How connections and sessions end, whoever ends them: the will, the expiry, what others are told. Every way out of a connection
 * leads through here.
 */
import type { EffectList } from "./effect-list.js";
import type { DisplacedReason } from "./effects.js";
import { CHANGED_PROGRESS, CHANGED_SESSION, type SessionState } from "./session-state.js";
import type { State } from "./state.js";
import { publishWill } from "./wills.js";

/** Sessions that one envelope lets happen what is due of: the others wait for the next, so that no pause is long. */
const DUE_PER_ENVELOPE_MAX = 4_096;

/** The session's connection ends, and perhaps the session with it (MQTT 5.0, 3.1.2.11.2). */
export function endConnection(state: State, session: SessionState, effects: EffectList): void {
  detach(state, session);
  afterConnection(state, session, effects);
}

/** The connections of a node that is gone. Nobody of them is given what another one leaves. */
export function loseConnections(state: State, sessions: readonly SessionState[], effects: EffectList): void {
  for (const session of sessions) {
    session.sentThrough = state.head;
    detach(state, session);
  }
  for (const session of sessions) afterConnection(state, session, effects);
}

function afterConnection(state: State, session: SessionState, effects: EffectList): void {
  const { timeMs } = state;
  if (session.expirySeconds === 0) {
    endSession(state, session, effects);
    return;
  }
  session.endsAtMs = session.endAfter(timeMs);
  const delaySeconds = session.will?.delaySeconds ?? 0;
  if (delaySeconds === 0) publishWill(state, session, effects);
  else session.willAtMs = timeMs + delaySeconds * 1000;
  state.sessions.schedule(session);
}

/**
 * The connection is replaced by another of the same session, which goes on. Its will is published, unless it was to wait
 * (MQTT-3.1.3-9).
 */
export function replaceConnection(state: State, session: SessionState, effects: EffectList): void {
  session.sentThrough = state.head;
  detach(state, session);
  if (session.will?.delaySeconds === 0) publishWill(state, session, effects);
}

/** Ends a connection that may be alive: its node is told. Up to the head anything may have been sent. */
export function displace(session: SessionState, reason: DisplacedReason, effects: EffectList): void {
  const { number, epoch, clientId, owner } = session;
  if (owner === null) return;
  effects.displaced({ session: number, epoch, clientId, owner, reason });
}

/** The session is over: its will is published if that was still to come (MQTT 5.0, 3.1.2.5). */
export function endSession(state: State, session: SessionState, effects: EffectList): void {
  detach(state, session);
  state.shares.offline(session, true);
  publishWill(state, session, effects);
  state.passes.end(session);
  state.sessions.delete(session);
}

/** Lets happen what is due: wills that waited (MQTT 5.0, 3.1.3.2.2) and ends of sessions. */
export function runDue(state: State, effects: EffectList): void {
  for (let i = 0; i < DUE_PER_ENVELOPE_MAX; i += 1) {
    const session = state.sessions.takeDue(state.timeMs);
    if (session === undefined) return;
    settle(state, session, effects);
  }
}

/** Lets happen what is due of one session. Returns whether it goes on. */
export function settle(state: State, session: SessionState, effects: EffectList): boolean {
  const { timeMs } = state;
  if (session.endsAtMs !== 0 && session.endsAtMs <= timeMs) {
    endSession(state, session, effects);
    return false;
  }
  if (session.willAtMs !== 0 && session.willAtMs <= timeMs) {
    session.willAtMs = 0;
    publishWill(state, session, effects);
    state.sessions.touch(session, CHANGED_SESSION);
    state.sessions.schedule(session);
  }
  return true;
}

/** The session has no connection any more. */
function detach(state: State, session: SessionState): void {
  if (session.owner === null) return;
  state.nodes.get(session.owner.node)?.sessions.delete(session);
  state.sessions.setOwner(session, null);
  session.sinceMs = state.timeMs;
  session.closedAt = state.head;
  state.sessions.touch(session, CHANGED_SESSION | CHANGED_PROGRESS);
  state.shares.offline(session, false);
}
