/** Who speaks on a connection: a stranger until CONNACK, then a client. The connection hands it packets and asks it what to say. */
import type { FrameHandler } from "./framer.js";
import type { Reason } from "./packets/reason-codes.js";
import type { RefusalCode } from "./refusal.js";

/** Why the server ends a connection. */
export interface Refusal {
  readonly code: RefusalCode;
  /** For people. */
  readonly detail: string;
  /** What MQTT 5.0 says; `null` when nothing is said. */
  readonly reason: Reason | null;
}

export interface Speaker extends FrameHandler {
  /** `undefined` before CONNECT. */
  readonly clientId: string | undefined;
  /** Nothing that it asked for waits for commit. */
  readonly isIdle: boolean;
  /** Packets were handled: those of a received chunk, or what a hold had left of one. */
  afterRead(): void;
  /** The flush that was asked for (`Connection.wake`): what is settled is answered with `Connection.reply`. */
  flush(): void;
  /** The stream has taken everything that was written. */
  drained(): void;
  /** The last packet of the server; `null` for none. */
  farewell(refusal: Refusal): Buffer | null;
  /** The connection is ending, once; what is answered now is still sent. */
  ended(): void;
}
