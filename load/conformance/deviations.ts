/**
 * What we fail on purpose: tests of others that ask for more than the standard does, or for something else, each with the clause
 * that we hold against it. Everything that fails and is not here is a failure.
 */

export interface Deviation {
  readonly suite: string;
  /** Which tests: matched against the whole name of a failure. */
  readonly pattern: RegExp;
  /** Clause of the standard, by its number there. */
  readonly clause: string;
  readonly reason: string;
}

export const DEVIATIONS: readonly Deviation[] = [];

export function deviationOf(suite: string, name: string): Deviation | undefined {
  return DEVIATIONS.find((one) => one.suite === suite && one.pattern.test(name));
}
