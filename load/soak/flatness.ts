/**
 * Whether what nodes take still grows at the end: the slope over the second half of a run. Nodes restart, and one that has just started
 * takes less: each sample is held against others of the same node at the same age, so that only what grows from life to life, or goes on
 * growing within a long life, is seen. What is held after a collection is asked of the node that is never restarted alone. Pure.
 */

/** What may be gained over the second half, however long it is: what has no end passes any bound, and more messages only make it pass sooner. */
const GAIN_MAX = {
  "live heap, MiB": 3,
  /** Up to 32 MiB of the log's newest entries come and go as it is cut. */
  "buffers held, MiB": 16,
  "outside of the heap, MiB": 12,
  "timers and handles": 12,
  "series of metrics": 12,
  "state file, MiB": 8,
  descriptors: 8,
  sockets: 8,
  /** Segments are whole files: one more or less of the log and of the store. */
  "disk, MiB": 48,
  /** V8 takes more before it collects, and the allocator keeps what it had: what is held is judged above. */
  "rss, MiB": 128,
} as const;

export type Figure = keyof typeof GAIN_MAX;
export const FIGURES = Object.keys(GAIN_MAX) as readonly Figure[];

export interface Sample {
  readonly node: number;
  /** Since the run began. */
  readonly atSeconds: number;
  /** Since the node was started. */
  readonly ageSeconds: number;
  readonly values: Readonly<Partial<Record<Figure, number>>>;
}

/** Ages in one group; all above the last are one: a node that has lived so long has all its pools. */
const AGE_SECONDS = 30;
const AGE_GROUPS = 6;
const SAMPLES_MIN = 6;

export interface Trend {
  readonly figure: Figure;
  readonly mean: number;
  /** By the slope, over the second half. */
  readonly gain: number;
  readonly gainMax: number;
  readonly perHour: number;
  readonly isFlat: boolean;
}

interface Point {
  readonly group: string;
  readonly x: number;
  readonly y: number;
}

/**
 * The median of the slopes between any two points of a group, each weighing as much as they are apart (Theil and Sen): a subscriber that
 * is far behind while a node is cut off, or a segment that has just been begun, does not tilt it.
 */
export function slopeWithin(points: readonly Point[]): number {
  const slopes: { readonly slope: number; readonly weight: number }[] = [];
  points.forEach((a, at) => {
    for (let other = at + 1; other < points.length; other += 1) {
      const b = points[other];
      if (b === undefined || b.group !== a.group || b.x === a.x) continue;
      slopes.push({ slope: (b.y - a.y) / (b.x - a.x), weight: Math.abs(b.x - a.x) });
    }
  });
  slopes.sort((a, b) => a.slope - b.slope);
  let left = slopes.reduce((sum, { weight }) => sum + weight, 0) / 2;
  for (const { slope, weight } of slopes) {
    left -= weight;
    if (left <= 0) return slope;
  }
  return 0;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** `null` where there are too few samples to say anything. */
export function trendOf(samples: readonly Sample[], figure: Figure, seconds: number): Trend | null {
  const points = samples.flatMap(({ node, atSeconds, ageSeconds, values }): Point[] => {
    const y = values[figure];
    if (y === undefined || atSeconds < seconds / 2) return [];
    const age = Math.min(AGE_GROUPS, Math.floor(ageSeconds / AGE_SECONDS));
    return [{ group: `${node}/${age}`, x: atSeconds, y }];
  });
  if (points.length < SAMPLES_MIN) return null;
  const slope = slopeWithin(points);
  const gain = (slope * seconds) / 2;
  const gainMax = GAIN_MAX[figure];
  const level = mean(points.map(({ y }) => y));
  return { figure, mean: level, gain, gainMax, perHour: slope * 3_600, isFlat: gain <= gainMax };
}
