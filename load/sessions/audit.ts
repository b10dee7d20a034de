/**
 * What each subscriber was due and what it got, checked as it comes: nothing lost, nothing twice where both ends speak QoS 2, each
 * publisher's messages in its order. Pure: no clock, no socket.
 */

export type ViolationKind =
  | "lost"
  | "doubled"
  | "disorder"
  | "phantom"
  | "refused_delivered"
  | "session_lost"
  | "protocol"
  | "late"
  | "stuck";

export interface Violation {
  readonly kind: ViolationKind;
  readonly detail: string;
}

export type Outcome = "unknown" | "acknowledged" | "refused";

interface Published {
  readonly publisher: string;
  readonly sequence: number;
  readonly qos: 1 | 2;
  outcome: Outcome;
}

/** Everything that was published in a campaign. */
export class Ledger {
  readonly #published = new Map<string, Published>();
  /** Keys in the order of their acknowledgements. */
  readonly #acknowledged: string[] = [];
  #refused = 0;

  /** Throws when the key was used before. */
  invoke(publisher: string, sequence: number, qos: 1 | 2): string {
    const key = `${publisher}:${sequence}`;
    if (this.#published.has(key)) throw new Error(`${key} was published before`);
    this.#published.set(key, { publisher, sequence, qos, outcome: "unknown" });
    return key;
  }

  settle(key: string, outcome: "acknowledged" | "refused"): void {
    const published = this.#published.get(key);
    if (published === undefined || published.outcome !== "unknown") return;
    published.outcome = outcome;
    if (outcome === "acknowledged") this.#acknowledged.push(key);
    else this.#refused += 1;
  }

  of(key: string): Published | undefined {
    return this.#published.get(key);
  }

  get acknowledged(): number {
    return this.#acknowledged.length;
  }

  get refused(): number {
    return this.#refused;
  }

  /** What has no answer yet. */
  get unsettled(): readonly string[] {
    if (this.#acknowledged.length + this.#refused === this.#published.size) return [];
    return [...this.#published].flatMap(([key, { outcome }]) => (outcome === "unknown" ? [key] : []));
  }

  /** What was acknowledged after the first `from` of them. */
  acknowledgedFrom(from: number): readonly string[] {
    return this.#acknowledged.slice(from);
  }
}

/** What one subscriber got. */
export class Audit {
  readonly #ledger: Ledger;
  readonly #name: string;
  readonly #qos: 1 | 2;
  readonly #report: (violation: Violation) => void;
  readonly #seen = new Set<string>();
  readonly #lastOf = new Map<string, number>();
  /** How many of the acknowledged ones an earlier look has found there. */
  #settled = 0;
  #delivered = 0;
  #doubled = 0;

  constructor(ledger: Ledger, name: string, qos: 1 | 2, report: (violation: Violation) => void) {
    this.#ledger = ledger;
    this.#name = name;
    this.#qos = qos;
    this.#report = report;
  }

  /** Messages, without those that came again. */
  get delivered(): number {
    return this.#delivered;
  }

  /** Those that came again where at least once was agreed. */
  get again(): number {
    return this.#doubled;
  }

  deliver(key: string): void {
    const published = this.#ledger.of(key);
    if (published === undefined) {
      this.#complain("phantom", `${key} was never published`);
      return;
    }
    const { publisher, sequence, qos, outcome } = published;
    if (outcome === "refused") this.#complain("refused_delivered", `${key} had been refused`);
    if (this.#seen.has(key)) {
      if (qos === 2 && this.#qos === 2) this.#complain("doubled", `${key} came twice`);
      else this.#doubled += 1;
      return;
    }
    this.#seen.add(key);
    this.#delivered += 1;
    const last = this.#lastOf.get(publisher) ?? -1;
    if (sequence < last) this.#complain("disorder", `${key} came first after ${publisher}:${last}`);
    this.#lastOf.set(publisher, Math.max(last, sequence));
  }

  /** How many acknowledged messages it does not have. */
  get missing(): number {
    return this.#missing().length;
  }

  #missing(): readonly string[] {
    const due = this.#ledger.acknowledgedFrom(this.#settled);
    const missing = due.filter((key) => !this.#seen.has(key));
    if (missing.length === 0) this.#settled += due.length;
    return missing;
  }

  /** Reports what is missing as lost. */
  close(): void {
    const missing = this.#missing();
    if (missing.length === 0) return;
    const shown = missing.slice(0, 5).join(", ");
    this.#complain("lost", `${missing.length} acknowledged messages: ${shown}`);
  }

  #complain(kind: ViolationKind, detail: string): void {
    this.#report({ kind, detail: `${this.#name}: ${detail}` });
  }
}
