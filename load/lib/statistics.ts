/** Medians, percentiles and a latency histogram that costs one array write a value. */

/** Middle value; NaN for none. */
export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** The value below which a share of the values lies, interpolated; NaN for none. `share` is 0 to 1. */
export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)] ?? Number.NaN;
  const above = sorted[Math.ceil(at)] ?? Number.NaN;
  return below + (above - below) * (at - Math.floor(at));
}

/** How far the values lie apart: (largest - smallest) / median; 0 for one value. */
export function spread(values: readonly number[]): number {
  if (values.length < 2) return 0;
  return (Math.max(...values) - Math.min(...values)) / median(values);
}

const STEPS_PER_OCTAVE = 32;
const OCTAVES = 32;

/** Latencies in logarithmic steps of about 2%, from a microsecond up. */
export class LatencyHistogram {
  readonly #counts = new Uint32Array(STEPS_PER_OCTAVE * OCTAVES);
  #total = 0;

  get count(): number {
    return this.#total;
  }

  add(ms: number): void {
    const step = Math.floor(Math.log2(Math.max(ms * 1000, 1)) * STEPS_PER_OCTAVE);
    const at = Math.min(step, this.#counts.length - 1);
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#total += 1;
  }

  clear(): void {
    this.#counts.fill(0);
    this.#total = 0;
  }

  /** Milliseconds below which a share (0 to 1) of the values lies; NaN when empty. */
  percentile(share: number): number {
    let rest = this.#total * share;
    for (let step = 0; step < this.#counts.length; step++) {
      rest -= this.#counts[step] ?? 0;
      if (rest <= 0 && this.#total > 0) return 2 ** ((step + 0.5) / STEPS_PER_OCTAVE) / 1000;
    }
    return Number.NaN;
  }
}
