/** Events a minute as moving averages over one, five and fifteen minutes, as the load of an operating system is given. Pure. */

const MINUTE_MS = 60_000;
const SPANS = [
  ["1min", 1 * MINUTE_MS],
  ["5min", 5 * MINUTE_MS],
  ["15min", 15 * MINUTE_MS],
] as const;

/** The averages of one count. */
interface Averaged {
  total: number;
  readonly perMinute: number[];
}

export class LoadAverages {
  readonly #averaged = new Map<string, Averaged>();
  #atMs: number;

  /** Counts begin at 0 at `startMs`, of a clock that never goes back. */
  constructor(startMs: number) {
    this.#atMs = startMs;
  }

  /** Takes what everything has come to. */
  sample(totals: Readonly<Record<string, number>>, nowMs: number): void {
    const elapsedMs = nowMs - this.#atMs;
    if (elapsedMs <= 0) return;
    this.#atMs = nowMs;
    for (const [name, total] of Object.entries(totals)) {
      let averaged = this.#averaged.get(name);
      if (averaged === undefined) {
        averaged = { total: 0, perMinute: SPANS.map(() => 0) };
        this.#averaged.set(name, averaged);
      }
      const present = ((total - averaged.total) * MINUTE_MS) / elapsedMs;
      averaged.total = total;
      for (const [index, [, spanMs]] of SPANS.entries()) {
        const before = averaged.perMinute[index] ?? 0;
        averaged.perMinute[index] = present + Math.exp(-elapsedMs / spanMs) * (before - present);
      }
    }
  }

  /** `name/1min` and so on, with two decimals. */
  *entries(): IterableIterator<readonly [string, string]> {
    for (const [name, { perMinute }] of this.#averaged) {
      for (const [index, [span]] of SPANS.entries()) {
        yield [`${name}/${span}`, (perMinute[index] ?? 0).toFixed(2)];
      }
    }
  }
}
