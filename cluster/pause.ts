/** Waiting on the caller's clock. */

/** Resolves after so long. `after` runs a task then. */
export function pause(
  after: (delayMs: number, task: () => void) => () => void,
  delayMs: number,
): Promise<void> {
  return new Promise((resolve) => {
    after(delayMs, resolve);
  });
}
