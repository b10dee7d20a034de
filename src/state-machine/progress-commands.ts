/** What clients acknowledged: how far each session is, and which of its own packet identifiers it may use again. */
import type { ProgressCommand, ReleaseCommand, SessionProgress } from "../commands/command.js";
import type { CommandResult } from "./effects.js";
import { CHANGED_PROGRESS, type SessionState } from "./session-state.js";
import { DISPLACED, speakerOf } from "./speaker.js";
import type { State } from "./state.js";
import { forgetPassed } from "./subscription-commands.js";
import { DONE } from "./topic-commands.js";

/**
 * Entries of an epoch that is not the present one are passed over. What a client said before its connection ended is true
 * afterwards as well.
 */
export function applyProgress(state: State, command: ProgressCommand): CommandResult {
  for (const entry of command.entries) {
    const session = state.sessions.byNumber(entry.session);
    if (session?.epoch !== entry.epoch) continue;
    if (entry.source === 0) takeLive(state, session, entry);
    else if (!takePass(state, session, entry)) {
      state.shares.progress(session, entry.source, entry.received, entry.done);
    }
  }
  return DONE;
}

function takeLive(state: State, session: SessionState, entry: SessionProgress): void {
  if (!session.isKept) return;
  const through = Math.min(entry.through, state.head);
  session.sentThrough = Math.max(session.sentThrough, Math.min(entry.sentThrough, state.head));
  session.live.take({ through, received: entry.received, done: entry.done });
  state.sessions.touch(session, CHANGED_PROGRESS);
  forgetPassed(state, session);
}

/** Returns whether the source is one of the session's passes. */
function takePass(state: State, session: SessionState, entry: SessionProgress): boolean {
  const pass = session.passes.find(({ source }) => source === entry.source);
  if (pass === undefined) return false;
  pass.take(entry);
  if (pass.through >= pass.asOf) state.passes.finish(session, pass);
  state.sessions.touch(session, CHANGED_PROGRESS);
  return true;
}

/** PUBREL: the packet identifier stands for another message from now on (MQTT 5.0, 4.3.3). */
export function applyRelease(state: State, command: ReleaseCommand): CommandResult {
  const session = speakerOf(state, command);
  if (session === undefined) return DISPLACED;
  if (session.releaseIncoming(command.packetId)) state.sessions.touch(session, CHANGED_PROGRESS);
  return DONE;
}
