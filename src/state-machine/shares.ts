/** What the rest of the machine asks of shared subscriptions (MQTT 5.0, 4.8.2). */
import type { SubscriptionOptions } from "../commands/command.js";
import type { EffectList } from "./effect-list.js";
import type { StoredMessage } from "./effects.js";
import type { SessionState } from "./session-state.js";

export interface Shares {
  /** The session becomes a member, or is one with other options from now on. Returns the share's number. */
  join(session: SessionState, options: SubscriptionOptions, effects: EffectList): number;
  leave(session: SessionState, filter: string, share: string, effects: EffectList): void;
  /** The session has a connection: it has an owner and its present epoch. */
  online(session: SessionState, effects: EffectList): void;
  /** Its connection ended; it may be called again with `ended`, when the session is over as well. */
  offline(session: SessionState, ended: boolean, effects: EffectList): void;
  /** A message was appended. */
  assign(message: StoredMessage, effects: EffectList): void;
  progress(
    session: SessionState,
    source: number,
    received: readonly number[],
    done: readonly number[],
    effects: EffectList,
  ): void;
}

/** Until there are any: members get nothing. */
export class NoShares implements Shares {
  join(): number {
    return 0;
  }
  leave(): void {}
  online(): void {}
  offline(): void {}
  assign(): void {}
  progress(): void {}
}
