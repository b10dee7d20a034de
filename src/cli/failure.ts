/** A client command could not do what it was asked: exit code 1 and one line with a stable code. */

/** Why, and whether the same request may be sent again. */
export class ClientFailure extends Error {
  /** The node's own code, or `unreachable`, `connection_lost`, `bad_answer`. */
  readonly code: string;
  /** The node asks to wait, or the connection broke: sending the same again may help. */
  readonly retryable: boolean;
  /** What `Retry-After` asks for. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: string,
    message: string,
    options: { readonly retryable?: boolean; readonly retryAfterMs?: number | undefined } = {},
  ) {
    super(message);
    this.name = "ClientFailure";
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.retryAfterMs = options.retryAfterMs;
  }
}
