/** What a run costs, however busy the machine is. */

/** Milliseconds of processors that this process has used since. */
export function cpuMsSince(begun: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / 1_000;
}
