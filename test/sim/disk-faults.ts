/**
 * What is wrong with the disk of one life of a node: a call that fails, no room, no descriptors, long waits. And what of it the life has met:
 * only then may it end by itself with `disk_failed` or `disk_full`.
 */
import type { Chance } from "./chance.js";
import { systemError } from "./sim-files.js";

export type DiskCall =
  | "open"
  | "read"
  | "write"
  | "durable write"
  | "sync"
  | "truncate"
  | "list"
  | "name"
  | "sync directory";

/** How a call is to end that does not simply fail. */
export type Outcome = "done" | "half" | "lost";

/** What may go wrong with a call. */
export type DiskFault = keyof typeof CODES;
type Armed = Exclude<DiskFault, "disk full (ENOSPC)" | "no descriptors (EMFILE)">;

const CODES = {
  "disk call fails (EIO)": "EIO",
  "fsync fails (EIO)": "EIO",
  "write done by half": "EIO",
  "disk full (ENOSPC)": "ENOSPC",
  "no descriptors (EMFILE)": "EMFILE",
} as const;

/** The stable code of an error of ours; "" of any other. */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

const GROWING: ReadonlySet<DiskCall> = new Set(["write", "durable write", "name", "sync", "sync directory"]);
const SYNCING: ReadonlySet<DiskCall> = new Set(["durable write", "sync"]);

export class DiskFaults {
  /** So many calls from now one fails, or is done by half. */
  #armed: { readonly kind: Armed; calls: number } | null = null;
  #fullUntilMs = 0;
  #noDescriptorsUntilMs = 0;
  #slowUntilMs = 0;
  #isMet = false;
  readonly #nowMs: () => number;
  readonly #chance: Chance;
  readonly #onMet: (fault: DiskFault, call: DiskCall) => void;

  constructor(nowMs: () => number, chance: Chance, onMet: (fault: DiskFault, call: DiskCall) => void) {
    this.#nowMs = nowMs;
    this.#chance = chance;
    this.#onMet = onMet;
  }

  /** A call failed: an error that says so is no news. */
  explains(error: unknown): boolean {
    return this.#isMet && /^disk_(failed|full)$/.test(codeOf(error));
  }

  arm(kind: Armed, calls: number): void {
    this.#armed = { kind, calls };
  }

  fill(forMs: number): void {
    this.#fullUntilMs = this.#nowMs() + forMs;
  }

  takeDescriptors(forMs: number): void {
    this.#noDescriptorsUntilMs = this.#nowMs() + forMs;
  }

  slowDown(forMs: number): void {
    this.#slowUntilMs = this.#nowMs() + forMs;
  }

  heal(): void {
    this.#armed = null;
    this.#fullUntilMs = 0;
    this.#noDescriptorsUntilMs = 0;
    this.#slowUntilMs = 0;
  }

  /** So much longer than usual a sync takes. */
  get waitMs(): number {
    return Math.max(0, this.#slowUntilMs - this.#nowMs());
  }

  /** How a call ends. Throws the system's error where it fails with nothing done. */
  outcome(call: DiskCall): Outcome {
    if (call === "open" && this.#nowMs() < this.#noDescriptorsUntilMs)
      this.#fails("no descriptors (EMFILE)", call);
    if (GROWING.has(call) && this.#nowMs() < this.#fullUntilMs) this.#fails("disk full (ENOSPC)", call);
    const armed = this.#armed;
    if (armed === null || !isAimedAt(armed.kind, call)) return "done";
    armed.calls -= 1;
    if (armed.calls > 0) return "done";
    this.#armed = null;
    if (armed.kind === "write done by half") {
      this.#onMet("write done by half", call);
      return "half";
    }
    if (SYNCING.has(call) && this.#chance.of(0.7)) {
      this.#isMet = true;
      this.#onMet(armed.kind, call);
      return "lost";
    }
    return this.#fails(armed.kind, call);
  }

  #fails(fault: DiskFault, call: DiskCall): never {
    this.#isMet = true;
    this.#onMet(fault, call);
    throw systemError(CODES[fault], call);
  }
}

function isAimedAt(kind: Armed, call: DiskCall): boolean {
  if (kind === "fsync fails (EIO)") return SYNCING.has(call) || call === "sync directory";
  if (kind === "write done by half") return call === "durable write" || call === "write";
  return true;
}
