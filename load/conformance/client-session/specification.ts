/** A specification of what a client session does: run against any broker, by the conformance run and by the tests alike. */
import type { Clients, Version } from "./clients.js";

export interface Specification {
  readonly name: string;
  /** Throws what does not hold. */
  readonly run: (clients: Clients) => Promise<void>;
}

export const VERSION_NAMES: Readonly<Record<Version, string>> = { 4: "3.1.1", 5: "5.0" };
