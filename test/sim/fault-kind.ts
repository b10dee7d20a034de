/** What can go wrong in a run, by the name under which it is counted. */

export const FAULT_KINDS = [
  "crash at some moment",
  "crash at a named point",
  "power cut of all nodes",
  "clean stop",
  "pause",
  "pause beyond an election timeout",
  "wall clock jump",
  "one-way cut",
  "two-way cut",
  "isolated node",
  "flapping link",
  "frame lost",
  "frame twice",
  "slow disk call",
  "state lost",
  "state and messages lost",
  "disk wiped",
  "member added",
  "member removed",
  "member replaced",
  "learner promoted",
  "leadership transferred",
  "removed member comes back",
  "restart of every node in turn",
  "session taken over",
  "connection cut by its client",
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** How often each happened. */
export type FaultCounts = Readonly<Partial<Record<FaultKind, number>>>;
