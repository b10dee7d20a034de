/** What is fuzzed: a decoder, how to call it, and what must hold of whatever it makes of any bytes. */

export interface Target {
  readonly name: string;
  /** Good inputs to begin with. */
  readonly seeds: () => readonly Uint8Array[] | Promise<readonly Uint8Array[]>;
  /** Parts of the format that mutation alone would hardly make. */
  readonly dictionary?: readonly (string | Uint8Array)[];
  /** Inputs are no longer than this, bytes. */
  readonly inputBytesMax: number;
  /** Most bytes that an input of so many may make the decoder take at once. */
  readonly allocationMax?: (inputBytes: number) => number;
  /** Makes checksums in the input right, in place: they keep random changes out, but nobody who writes them himself. */
  readonly repair?: (input: Buffer) => void;
  /** Tries one input. Throws when something does not hold; refusals that the decoder may give are not thrown. */
  readonly run: (input: Buffer) => void | Promise<void>;
  /** Clears away what was made for it; nothing is tried after. */
  readonly close?: () => void;
}

/** Where a target stands, and the sources whose branches are counted for it: beginnings of paths from the repository's root, without extension. */
export interface TargetPlace {
  readonly name: string;
  readonly module: string;
  readonly covers: readonly string[];
}

/** Room for a window, a header, a default: no more without having got more. */
const ALLOCATION_FREE_BYTES = 1024 * 1024;
const ALLOCATION_FACTOR = 16;

export function allocationMax(target: Target, inputBytes: number): number {
  return target.allocationMax?.(inputBytes) ?? ALLOCATION_FREE_BYTES + ALLOCATION_FACTOR * inputBytes;
}

/** Something does not hold. */
export class Broken extends Error {
  constructor(what: string, options?: ErrorOptions) {
    super(what, options);
    this.name = "Broken";
  }
}

export function must(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Broken(what);
}

/** What a value says, as text: whether bytes are a view or a copy, or a zero has a sign, says nothing, and JSON keeps neither. */
export function said(value: object): string {
  return JSON.stringify(value, function text(this: Readonly<Record<string, unknown>>, key, plain) {
    const bytes = this[key];
    return bytes instanceof Uint8Array ? Buffer.from(bytes).toString("latin1") : plain;
  });
}
