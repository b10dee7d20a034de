/**
 * Clients that were refused because it was not known in time whether their session was opened. What was lost from sight may still be
 * committed, and would leave a session that counts as connected and is not: it is looked for behind the next command, and closed.
 */
import type { Broker } from "../../../broker.js";
import type { Clock } from "../../../runtime/clock.js";
import type { ClientRegistry } from "../client-registry.js";
import type { SessionCloser } from "./session-closer.js";

/** How long after a command of which nothing was heard the next one is tried. */
const RETRY_MS = 1_000;

export interface LostOpensOptions {
  readonly broker: Broker;
  readonly clock: Clock;
  readonly clients: ClientRegistry;
  readonly closer: SessionCloser;
}

export class LostOpens {
  readonly #options: LostOpensOptions;
  #clientIds = new Set<string>();
  #isAsking = false;

  constructor(options: LostOpensOptions) {
    this.#options = options;
  }

  /** Whether the `open-session` of this client was committed is not known. */
  add(clientId: string): void {
    this.#clientIds.add(clientId);
    if (!this.#isAsking) this.#ask();
  }

  /** This node's commands are applied in their order: when one that is submitted now is, the lost ones before it have been, or never will be. */
  #ask(): void {
    this.#isAsking = true;
    const asked = this.#clientIds;
    this.#clientIds = new Set();
    const { broker, clock } = this.#options;
    broker.submit({ kind: "tick" }, (result) => {
      if (result.kind === "failed") {
        for (const clientId of asked) this.#clientIds.add(clientId);
        if (result.code !== "shutting_down") clock.after(RETRY_MS, () => this.#ask());
        return;
      }
      // Whoever is answered in the same turn has its client by then.
      clock.soon(() => this.#settle(asked));
    });
  }

  #settle(clientIds: ReadonlySet<string>): void {
    const { broker, clients, closer } = this.#options;
    const { nodeId } = broker.status();
    for (const clientId of clientIds) {
      const session = broker.sessionOf(clientId);
      if (session?.owner?.node !== nodeId) continue;
      const { number, epoch } = session;
      if (clients.of(number, epoch) !== undefined) continue;
      closer.close({
        kind: "close-session",
        session: number,
        epoch,
        withWill: true,
        expirySeconds: null,
        sentThrough: 0,
      });
    }
    this.#isAsking = false;
    if (this.#clientIds.size > 0) this.#ask();
  }
}
