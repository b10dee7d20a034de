/** Whose connection a command speaks for: an old one can change nothing any more. */
import type { CommandResult } from "./effects.js";
import type { SessionState } from "./session-state.js";
import type { State } from "./state.js";

export const DISPLACED: CommandResult = Object.freeze({ kind: "failed", code: "session_displaced" });

/** The session that a command speaks for; `undefined` when its connection counts no longer. */
export function speakerOf(
  state: State,
  command: { readonly session: number; readonly epoch: number },
): SessionState | undefined {
  const session = state.sessions.byNumber(command.session);
  return session?.epoch === command.epoch && session.owner !== null ? session : undefined;
}
