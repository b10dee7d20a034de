/** What a seed decides about disks: whether the nodes run the stores of production, how small their files are, and what goes wrong with them. */
import type { Chance } from "./chance.js";

export interface FilesProfile {
  readonly logSegmentBytes: number;
  readonly logCacheBytesMax: number;
  readonly messageSegmentBytes: number;
  readonly recentBytesMax: number;
  /** Of the nemesis's strokes at disks, in the mean one comes in so many milliseconds; 0: none. */
  readonly faultMs: number;
  /** The same of bytes that change by themselves. */
  readonly corruptionMs: number;
}

/** Seeds of which the nodes run the stores of production. */
const FILES_CHANCE = 0.35;

/** In a long run strokes come so many times more rarely: else nodes would hardly serve. */
const LONGER = 4;

/** `null` where nodes have the twins. */
export function filesProfileOf(
  chance: Chance,
  stores: "either" | "files" | "twins",
  isShort: boolean,
): FilesProfile | null {
  const isChosen = chance.of(FILES_CHANCE);
  if (stores === "twins" || (stores === "either" && !isChosen)) return null;
  return {
    logSegmentBytes: chance.pick([4_096, 8_192, 32_768]),
    logCacheBytesMax: chance.pick([0, 2_000, 1 << 20]),
    messageSegmentBytes: chance.pick([4_000, 16_000, 100_000]),
    recentBytesMax: chance.pick([0, 1_000, 1 << 20]),
    faultMs: chance.pick([0, 150, 500]) * (isShort ? 1 : LONGER),
    corruptionMs: chance.pick([0, 200, 500]) * (isShort ? 1 : LONGER),
  };
}
