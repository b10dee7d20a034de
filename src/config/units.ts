/** Sizes and times as people write them: `64MiB`, `24h`, or a plain number of the base unit. Pure. */

const BYTE_UNITS: ReadonlyMap<string, number> = new Map([
  ["b", 1],
  ["kib", 1024],
  ["mib", 1024 ** 2],
  ["gib", 1024 ** 3],
  ["tib", 1024 ** 4],
  ["kb", 1000],
  ["mb", 1000 ** 2],
  ["gb", 1000 ** 3],
  ["tb", 1000 ** 4],
]);

const DURATION_UNITS: ReadonlyMap<string, number> = new Map([
  ["ms", 1],
  ["s", 1_000],
  ["m", 60_000],
  ["min", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
]);

const QUANTITY = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i;

function quantity(text: string, units: ReadonlyMap<string, number>, baseUnit: number): number | undefined {
  const [, digits, unit] = QUANTITY.exec(text.trim()) ?? [];
  if (digits === undefined || unit === undefined) return undefined;
  const factor = unit === "" ? baseUnit : units.get(unit.toLowerCase());
  if (factor === undefined) return undefined;
  const value = Math.round(Number(digits) * factor);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Bytes from `10485760`, `10MiB` (1024s) or `10MB` (1000s), in any case; `undefined` when it is none of these. */
export function parseBytes(text: string): number | undefined {
  return quantity(text, BYTE_UNITS, 1);
}

/**
 * Milliseconds from `1500ms`, `90s`, `5m`, `24h` or `7d`; a plain number counts `plainUnitMs` each.
 * `undefined` when it is none of these.
 */
export function parseDurationMs(text: string, plainUnitMs = 1): number | undefined {
  return quantity(text, DURATION_UNITS, plainUnitMs);
}

function inLargestUnit(value: number, units: readonly (readonly [string, number])[]): string {
  for (const [unit, factor] of units) {
    if (value >= factor && value % factor === 0) return `${value / factor}${unit}`;
  }
  return String(value);
}

const SIZES = [
  ["TiB", 1024 ** 4],
  ["GiB", 1024 ** 3],
  ["MiB", 1024 ** 2],
  ["KiB", 1024],
] as const;

/** The shortest exact way to write a size: `64MiB`; reads back as the same number. */
export function formatBytes(bytes: number): string {
  return inLargestUnit(bytes, SIZES);
}

/** A size to be looked at: `12 bytes`, `111.2KiB`, one decimal at most. */
export function approximateBytes(bytes: number): string {
  for (const [unit, factor] of SIZES) {
    // What would be rounded up to the next unit is written in that.
    if (bytes >= factor * (1 - 1 / 20_480) && bytes >= 1024)
      return `${Math.round((bytes * 10) / factor) / 10}${unit}`;
  }
  return bytes === 1 ? "1 byte" : `${bytes} bytes`;
}

/** The shortest exact way to write a time: `24h`; reads back as the same number. Days are written from two on. */
export function formatDurationMs(ms: number): string {
  if (ms >= 2 * 86_400_000 && ms % 86_400_000 === 0) return `${ms / 86_400_000}d`;
  return inLargestUnit(ms, [
    ["h", 3_600_000],
    ["m", 60_000],
    ["s", 1_000],
    ["ms", 1],
  ]);
}
