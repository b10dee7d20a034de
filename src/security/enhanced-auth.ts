/**
 * Port: enhanced authentication (MQTT 5.0, 4.12), a conversation between a client and a method that both know. The edge carries the bytes; what
 * they mean is the method's.
 */

/** Whom a conversation is about. */
export interface AuthSubject {
  readonly clientId: string;
  readonly userName: string | null;
  /** As in CONNECT; `null` for none, and when it is asked again. */
  readonly password: Uint8Array | null;
  /** Where it connects from, for people. */
  readonly address: string;
  /** It is connected and proves itself once more (4.12.1). */
  readonly isAgain: boolean;
}

/** What the method makes of what the client said. */
export type AuthStep =
  /** The client is to answer to `data`. */
  | { readonly kind: "continue"; readonly data: Uint8Array | null }
  | { readonly kind: "success"; readonly data: Uint8Array | null }
  /** `detail` is for people; the client is told no more than that it may not. */
  | { readonly kind: "failure"; readonly detail: string };

/** One conversation. What it throws counts as failure. */
export interface AuthConversation {
  /** What the client says: the authentication data of CONNECT, then of each AUTH; `null` for none. Called again only when it has answered. */
  next(data: Uint8Array | null): AuthStep | Promise<AuthStep>;
}

export interface EnhancedAuthentication {
  /** A conversation by the method that the client names; `null` when it is not served. */
  begin(method: string, subject: AuthSubject): AuthConversation | null;
}

/** No method is served: CONNECT with one is refused (MQTT-4.12.0-1). */
export const NO_ENHANCED_AUTHENTICATION: EnhancedAuthentication = { begin: () => null };
