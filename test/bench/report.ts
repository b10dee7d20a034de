/** Memory that is really held, and tables on a terminal. */

/** Bytes in use after everything that nobody needs is gone; asks for `--expose-gc`. */
export function heapBytes(): number {
  if (globalThis.gc === undefined) throw new Error("run with node --expose-gc");
  for (let i = 0; i < 4; i += 1) globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

export function row([first = "", ...rest]: readonly string[]): string {
  return [first.padEnd(28), ...rest.map((text) => text.padStart(12))].join("");
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
