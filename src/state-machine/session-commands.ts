/** Connecting and disconnecting: what becomes of the session of a client id, and of whoever had it before. */

import { ownedCopy } from "../commands/codec/owned-copy.js";
import type {
  CloseSessionCommand,
  DisplaceSessionCommand,
  Envelope,
  OpenSessionCommand,
} from "../commands/command.js";
import type { EffectList } from "./effect-list.js";
import type { CommandResult } from "./effects.js";
import { nodeOf } from "./node-commands.js";
import { displace, endConnection, endSession, replaceConnection, settle } from "./session-lifecycle.js";
import { CHANGED_SESSION, type SessionState } from "./session-state.js";
import { willBytesOf } from "./sessions.js";
import { DISPLACED, speakerOf } from "./speaker.js";
import type { State } from "./state.js";
import { DONE } from "./topic-commands.js";

/** One live connection a client id (MQTT-3.1.4-3), Session Present (MQTT-3.2.2-2, 3.2.2-3), Clean Start (MQTT-3.1.2-4 to 3.1.2-6). */
export function applyOpen(
  state: State,
  command: OpenSessionCommand,
  envelope: Envelope,
  effects: EffectList,
): CommandResult {
  const { clientId } = command;
  // First: with an earlier start of the node its sessions may end, this one among them.
  const node = nodeOf(state, envelope.origin, envelope.incarnation, effects);
  const known = state.sessions.byClientId(clientId);
  if (isTooMuch(state, command, known)) return { kind: "failed", code: "too_many_sessions" };
  const present = known === undefined ? undefined : goesOn(state, known, command.cleanStart, effects);
  const isKept = command.expirySeconds > 0;
  const session = present ?? state.sessions.create(clientId, isKept, state.timeMs, state.head);
  session.epoch += 1;
  session.expirySeconds = command.expirySeconds;
  session.endsAtMs = 0;
  session.willAtMs = 0;
  session.sinceMs = state.timeMs;
  session.openedAt = state.head;
  state.sessions.setOwner(session, node.owner);
  node.sessions.add(session);
  state.sessions.setWill(session, ownedWill(command.will));
  state.sessions.touch(session, CHANGED_SESSION);
  state.shares.online(session);
  return { kind: "opened", session: session.number, epoch: session.epoch, present: present !== undefined };
}

function isTooMuch(state: State, command: OpenSessionCommand, known: SessionState | undefined): boolean {
  const { sessions } = state;
  if (known === undefined && sessions.size >= state.sessionsMax) return true;
  const present = willBytesOf(known?.will ?? null);
  const added = willBytesOf(command.will);
  return added > present && sessions.willBytes - present + added > state.willBytesMax;
}

/** The session of the client id without the connection that it had; `undefined` when it does not outlive that. */
function goesOn(
  state: State,
  known: SessionState,
  cleanStart: boolean,
  effects: EffectList,
): SessionState | undefined {
  if (!settle(state, known, effects)) return undefined;
  displace(known, "taken_over", effects);
  if (cleanStart || known.expirySeconds === 0) {
    endSession(state, known, effects);
    return undefined;
  }
  if (known.owner !== null) replaceConnection(state, known, effects);
  return known;
}

export function applyClose(state: State, command: CloseSessionCommand, effects: EffectList): CommandResult {
  const session = speakerOf(state, command);
  if (session === undefined) return DISPLACED;
  if (!command.withWill) state.sessions.setWill(session, null);
  // What was not kept from the start cannot be kept afterwards (MQTT 5.0, 3.14.2.2.2).
  if (command.expirySeconds !== null && session.expirySeconds > 0)
    session.expirySeconds = command.expirySeconds;
  session.sentThrough = Math.max(session.sentThrough, Math.min(command.sentThrough, state.head));
  endConnection(state, session, effects);
  return DONE;
}

export function applyDisplace(
  state: State,
  command: DisplaceSessionCommand,
  effects: EffectList,
): CommandResult {
  const session = state.sessions.byClientId(command.clientId);
  if (session === undefined || !settle(state, session, effects)) {
    return { kind: "failed", code: "session_not_found" };
  }
  const wasConnected = session.owner !== null;
  displace(session, "administrative", effects);
  session.sentThrough = wasConnected ? state.head : session.sentThrough;
  if (command.forget) endSession(state, session, effects);
  else if (wasConnected) endConnection(state, session, effects);
  return DONE;
}

/** A view would hold the whole log entry in memory for as long as the client is connected. */
function ownedWill(will: OpenSessionCommand["will"]): OpenSessionCommand["will"] {
  if (will === null) return null;
  return Object.freeze({ ...will, payload: ownedCopy(will.payload), properties: ownedCopy(will.properties) });
}
