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

/** What may go wrong, as it is counted. */
export type DiskFault = "eio" | "eioSync" | "short" | "enospc" | "emfile" | "slow";

const GROWING: ReadonlySet<DiskCall> = new Set(["write", "durable write", "name", "sync", "sync directory"]);
const SYNCING: ReadonlySet<DiskCall> = new Set(["durable write", "sync"]);

export class DiskFaults {
  /** So many calls from now one fails, or is done by half. */
  #armed: { readonly kind: "eio" | "eioSync" | "short"; calls: number } | null = null;
  #fullUntilMs = 0;
  #noDescriptorsUntilMs = 0;
  slowUntilMs = 0;
  /** A call failed. */
  isMet = false;
  readonly #nowMs: () => number;
  readonly #chance: Chance;
  readonly #onMet: (fault: DiskFault, call: DiskCall) => void;

  constructor(nowMs: () => number, chance: Chance, onMet: (fault: DiskFault, call: DiskCall) => void) {
    this.#nowMs = nowMs;
    this.#chance = chance;
    this.#onMet = onMet;
  }

  arm(kind: "eio" | "eioSync" | "short", calls: number): void {
    this.#armed = { kind, calls };
  }

  fill(forMs: number): void {
    this.#fullUntilMs = this.#nowMs() + forMs;
  }

  takeDescriptors(forMs: number): void {
    this.#noDescriptorsUntilMs = this.#nowMs() + forMs;
  }

  /** How a call ends. Throws the system's error where it fails with nothing done. */
  outcome(call: DiskCall): Outcome {
    if (call === "open" && this.#nowMs() < this.#noDescriptorsUntilMs) this.#fails("emfile", call);
    if (GROWING.has(call) && this.#nowMs() < this.#fullUntilMs) this.#fails("enospc", call);
    const armed = this.#armed;
    if (armed === null || !isAimedAt(armed.kind, call)) return "done";
    armed.calls -= 1;
    if (armed.calls > 0) return "done";
    this.#armed = null;
    if (armed.kind === "short") {
      this.#onMet("short", call);
      return "half";
    }
    if (SYNCING.has(call) && this.#chance.of(0.7)) {
      this.isMet = true;
      this.#onMet(armed.kind, call);
      return "lost";
    }
    return this.#fails(armed.kind, call);
  }

  #fails(fault: DiskFault, call: DiskCall): never {
    this.isMet = true;
    this.#onMet(fault, call);
    const code = {
      eio: "EIO",
      eioSync: "EIO",
      short: "EIO",
      enospc: "ENOSPC",
      emfile: "EMFILE",
      slow: "EIO",
    }[fault];
    throw systemError(code, call);
  }
}

function isAimedAt(kind: "eio" | "eioSync" | "short", call: DiskCall): boolean {
  if (kind === "eioSync") return SYNCING.has(call) || call === "sync directory";
  if (kind === "short") return call === "durable write" || call === "write";
  return true;
}
