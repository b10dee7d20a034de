/**
 * One enhanced authentication (MQTT 5.0, 4.12): asks the method, step by step, and says what came of it. While the method thinks the
 * connection is not read.
 */
import { asError } from "../../../errors.js";
import type { AuthConversation, AuthStep } from "../../../security/enhanced-auth.js";
import type { Connection } from "../connection.js";
import { Hold } from "../hold.js";
import { encodeAuth } from "../packets/auth.js";
import { Reason } from "../packets/reason-codes.js";

export interface AuthenticationOptions {
  readonly connection: Connection;
  readonly conversation: AuthConversation;
  readonly method: string;
  /** The method is content; `data` is its last word. */
  readonly onSuccess: (data: Uint8Array | null) => void;
}

export class Authentication {
  readonly method: string;
  readonly #options: AuthenticationOptions;

  constructor(options: AuthenticationOptions) {
    this.method = options.method;
    this.#options = options;
  }

  /** What the client says next. Answers with AUTH 0x18, calls `onSuccess`, or ends the connection with 0x87. */
  hear(data: Uint8Array | null): void {
    const { connection, conversation } = this.#options;
    let step: AuthStep | Promise<AuthStep>;
    try {
      step = conversation.next(data);
    } catch (error) {
      step = failure(error);
    }
    if (!(step instanceof Promise)) {
      this.#take(step);
      return;
    }
    connection.hold(Hold.Authentication);
    void step.catch(failure).then((result) => {
      if (!connection.isOpen) return;
      connection.release(Hold.Authentication);
      this.#take(result);
    });
  }

  #take(step: AuthStep): void {
    const { connection, method, onSuccess } = this.#options;
    if (step.kind === "success") onSuccess(step.data);
    else if (step.kind === "failure") connection.refuse("not_authorized", step.detail);
    else connection.reply(encodeAuth(Reason.ContinueAuthentication, method, step.data));
  }
}

function failure(error: unknown): AuthStep {
  return { kind: "failure", detail: `the authentication failed: ${asError(error).message}` };
}
