/**
 * Whether what nodes take still grows at the end: the slope over the second half of a run. Nodes restart, and one that has just started
 * takes less: each sample is held against others of the same node at the same age, so that only what grows from life to life, or goes on
 * growing within a long life, is seen. Pure.
 */

export const FIGURES = ["rss, MiB", "heap, MiB", "descriptors", "sockets", "disk, MiB"] as const;
export type Figure = (typeof FIGURES)[number];

export interface Sample {
  readonly node: number;
  /** Since the run began. */
  readonly atSeconds: number;
  /** Since the node was started. */
  readonly ageSeconds: number;
  readonly values: Readonly<Partial<Record<Figure, number>>>;
}

/** What may be gained over the second half: this share of the mean, and this much whatever the mean is (a segment, a pool of buffers). */
const SHARE_MAX = 0.1;
const GAIN_MAX: Readonly<Record<Figure, number>> = {
  "rss, MiB": 24,
  "heap, MiB": 12,
  descriptors: 8,
  sockets: 8,
  "disk, MiB": 48,
};
/** Ages in one group; all above the last are one: a node that has lived so long has all its pools. */
const AGE_SECONDS = 30;
const AGE_GROUPS = 6;
const SAMPLES_MIN = 10;

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

/** Least squares with a level of its own for each group. */
export function slopeWithin(points: readonly Point[]): number {
  const groups = new Map<string, Point[]>();
  for (const point of points) {
    const group = groups.get(point.group) ?? [];
    groups.set(point.group, group);
    group.push(point);
  }
  let [together, own] = [0, 0];
  for (const group of groups.values()) {
    const meanX = mean(group.map(({ x }) => x));
    const meanY = mean(group.map(({ y }) => y));
    for (const { x, y } of group) {
      together += (x - meanX) * (y - meanY);
      own += (x - meanX) ** 2;
    }
  }
  return own === 0 ? 0 : together / own;
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
  const level = mean(points.map(({ y }) => y));
  const gain = (slope * seconds) / 2;
  const gainMax = Math.max(GAIN_MAX[figure], level * SHARE_MAX);
  return { figure, mean: level, gain, gainMax, perHour: slope * 3_600, isFlat: gain <= gainMax };
}
