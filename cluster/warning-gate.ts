/**
 * Lets a warning through once in a while and counts the rest: whoever can reach the peer port could otherwise fill the log.
 */
import type { Ticker } from "./node-options.js";

/** At most one warning of a text in so long. */
const INTERVAL_MS = 5_000;

export class WarningGate {
  readonly #ticker: Pick<Ticker, "monotonicMs">;
  readonly #onWarning: (facts: Readonly<Record<string, unknown>>, text: string) => void;
  readonly #byText = new Map<string, { lastMs: number; held: number }>();

  constructor(
    ticker: Pick<Ticker, "monotonicMs">,
    onWarning: (facts: Readonly<Record<string, unknown>>, text: string) => void,
  ) {
    this.#ticker = ticker;
    this.#onWarning = onWarning;
  }

  /** `text` is one of a fixed set; what varies is in the facts. */
  warn(facts: Readonly<Record<string, unknown>>, text: string): void {
    const now = this.#ticker.monotonicMs();
    const known = this.#byText.get(text);
    if (known !== undefined && now - known.lastMs < INTERVAL_MS) {
      known.held += 1;
      return;
    }
    this.#byText.set(text, { lastMs: now, held: 0 });
    const held = known?.held ?? 0;
    this.#onWarning(held === 0 ? facts : { ...facts, heldBack: held }, text);
  }
}
