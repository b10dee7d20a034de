/**
 * Every fault that the broker has to survive: what injects it, and which recorded results tell how often that was done and what came
 * of it. A fault without a result is an error of the page.
 */

/** Where rounds and violations of a fault are found. */
export type Evidence =
  /** Faults of these kinds in simulated lives. */
  | { readonly kind: "simulated"; readonly faults: readonly string[] }
  /** Rows of a campaign; all of them when no name is given. */
  | { readonly kind: "campaign"; readonly campaign: string; readonly rows: readonly string[] | null }
  /** A file of `npm test`, which runs on every commit. */
  | { readonly kind: "test"; readonly file: string };

export interface FaultRow {
  readonly fault: string;
  readonly evidence: readonly Evidence[];
}

const simulated = (...faults: string[]): Evidence => ({ kind: "simulated", faults });
const processes = (...rows: string[]): Evidence => ({ kind: "campaign", campaign: "faults", rows });
const campaign = (name: string, ...rows: string[]): Evidence => ({
  kind: "campaign",
  campaign: name,
  rows: rows.length === 0 ? null : rows,
});
const test = (file: string): Evidence => ({ kind: "test", file });

export const FAULTS: readonly FaultRow[] = [
  {
    fault: "power loss of all nodes",
    evidence: [simulated("power cut of all nodes"), processes("power-loss")],
  },
  {
    fault: "power loss of one node, with pauses",
    evidence: [
      simulated("power loss of one node"),
      // All lose it, while some stand still: more than is asked for.
      simulated("power cut among pauses"),
      processes("power-loss-of-one"),
    ],
  },
  {
    fault: "torn log tail",
    evidence: [
      simulated("power loss of one node"),
      test("test/unit/cluster/log/recovery.test.ts"),
      test("test/unit/cluster/log/end-mark.test.ts"),
    ],
  },
  {
    fault: "a flipped bit in the middle of the log on a minority",
    evidence: [
      simulated("bit flipped"),
      campaign("corruption", "raft log: bit flipped", "raft log: sector zeroed", "raft log: cut short"),
      test("test/unit/cluster/log/recovery.test.ts"),
    ],
  },
  {
    fault: "a flipped or truncated snapshot",
    evidence: [
      simulated("bit flipped", "file cut short"),
      campaign(
        "corruption",
        ...["snapshot's state: bit flipped", "snapshot's state: cut short"],
        ...["snapshot's manifest: bit flipped", "snapshot's manifest: cut short"],
        ...["snapshot's messages: bit flipped", "snapshot's messages: cut short"],
      ),
      test("test/unit/cluster/log/snapshot-faults.test.ts"),
    ],
  },
  {
    fault: "damaged message segments, indexes, state (lmdb) and node.json",
    evidence: [
      campaign(
        "corruption",
        ...["message segment: bit flipped", "message segment: cut short", "message segment: sector zeroed"],
        ...["index of messages: bit flipped", "index of messages: cut short"],
        ...["state (lmdb): bit flipped", "state (lmdb): cut short", "state (lmdb): sector zeroed"],
        ...["state (lmdb): pages swapped", "node.json: bit flipped", "node.json: cut short"],
        ...["list of trims: bit flipped", "list of trims: cut short", "list of trims: sector zeroed"],
        ...["lock of the state (lmdb): bit flipped", "lock of the state (lmdb): cut short"],
        "mark of the state's sum: removed",
      ),
      test("test/unit/store/lmdb-state-store.test.ts"),
    ],
  },
  {
    fault: "a crash at each named point around save, send, apply, snapshot, compact, rename",
    evidence: [simulated("crash at a named point"), campaign("crash-places")],
  },
  {
    fault: "fsync returning EIO",
    evidence: [
      simulated("fsync fails (EIO)", "disk call fails (EIO)"),
      campaign("disk-calls", "EIO"),
      processes("failing-disk"),
    ],
  },
  {
    fault: "ENOSPC",
    evidence: [simulated("disk full (ENOSPC)"), campaign("disk-calls", "ENOSPC"), processes("full-disk")],
  },
  { fault: "short writes", evidence: [simulated("write done by half"), campaign("disk-calls", "short")] },
  {
    fault: "EMFILE",
    evidence: [
      simulated("no descriptors (EMFILE)"),
      campaign("disk-calls", "EMFILE"),
      processes("few-descriptors"),
    ],
  },
  { fault: "memory limit", evidence: [processes("little-memory")] },
  {
    fault: "a pause longer than the election timeout",
    evidence: [simulated("pause beyond an election timeout"), processes("pause-leader", "pause-follower")],
  },
  {
    fault: "clock jumps of an hour either way",
    evidence: [simulated("wall clock jump"), processes("clock-jumps")],
  },
  {
    fault: "symmetric, one-way and flapping partitions",
    evidence: [
      simulated("two-way cut", "one-way cut", "isolated node", "flapping link"),
      processes("partition", "partition-one-way", "flapping"),
    ],
  },
  {
    fault: "loss, reordering and duplication between peers",
    evidence: [
      simulated("frame lost", "frame twice", "frame overtaken"),
      processes("packet-loss", "packets-doubled"),
    ],
  },
  {
    fault: "replacing a member during a partition",
    evidence: [simulated("member replaced"), processes("replaced-in-partition")],
  },
  { fault: "a node back with a wiped disk", evidence: [simulated("disk wiped"), processes("wiped")] },
  {
    fault: "a slow subscriber across a compaction",
    evidence: [processes("slow-subscriber"), test("test/mqtt/session-backlog.test.ts")],
  },
  {
    fault: "restart of every node in turn under load",
    evidence: [simulated("restart of every node in turn"), processes("rolling")],
  },
  {
    fault: "upgrade of the on-disk format",
    evidence: [
      test("test/unit/state-machine/records.test.ts"),
      test("test/unit/commands/golden-envelopes.test.ts"),
      test("test/unit/cluster/log/end-mark.test.ts"),
      test("test/golden/data-directory.test.ts"),
    ],
  },
];
