/**
 * What a node finds when it starts, put together: log, newest snapshot and state machine are brought to agree, or the node does not
 * start. Nothing is guessed: what is missing is told.
 */
import { assertInvariant, ClusterError } from "./errors.js";
import type { LogStore, RecoveredLog } from "./log/log-store.js";
import type { SnapshotStore } from "./log/snapshot-store.js";
import type { Membership } from "./membership.js";
import type { StateMachine } from "./state-machine.js";
import type { ConfState, HardState, LogIndex, SnapshotMeta } from "./types.js";

export interface Stores {
  readonly log: LogStore;
  readonly snapshots: SnapshotStore;
  readonly machine: StateMachine;
}

/** Where a node goes on. */
export interface Restart {
  readonly hardState: HardState;
  /** The membership was adopted as of this entry; from there on the loop meets every change again. */
  readonly from: LogIndex;
  /** What a member that is far behind may be offered; of a group that has just begun the entry it began with. `null` without a log. */
  readonly offer: SnapshotMeta | null;
}

/**
 * Opens log and snapshots, begins a new group with `founding` where there is none (`null`: waits for one), restores the machine where
 * the log does not reach back to it, adopts the membership. Throws `log_corrupt`, `log_version`, `snapshot_corrupt`, `disk_failed`.
 */
export async function restart(
  stores: Stores,
  founding: ConfState | null,
  membership: Membership,
): Promise<Restart> {
  let recovered = await stores.log.open();
  await stores.snapshots.open();
  if (recovered.snapshot === null) recovered = await bootstrap(stores, founding, recovered);
  recovered = await recoverMachine(stores, recovered);
  const from = adoptMembership(stores, recovered, membership);
  // What is applied was committed, whether or not the log says so yet.
  const commit = Math.max(recovered.hardState.commit, stores.machine.durableIndex);
  const offer = stores.snapshots.latest()?.meta ?? recovered.snapshot;
  return { hardState: { ...recovered.hardState, commit }, from, offer };
}

/** A new group begins from a snapshot at index 1, so that every later member starts from the same base (engine rule 4). */
async function bootstrap(
  { log, machine, snapshots }: Stores,
  founding: ConfState | null,
  recovered: RecoveredLog,
): Promise<RecoveredLog> {
  const founded = founding === null ? 0 : (snapshots.latest()?.meta.index ?? 0);
  const held = Math.max(machine.durableIndex, founded);
  if (held > 0) {
    throw new ClusterError(
      "log_corrupt",
      `the state holds entry ${held} but there is no log: the log directory was lost (restore a backup, or remove this node's data and let it rejoin)`,
    );
  }
  if (founding === null) return recovered;
  const snapshot = { index: 1, term: 1, confState: founding };
  const hardState = { term: 1, vote: "", commit: 1 };
  await log.append({ entries: [], hardState, snapshot });
  return { ...recovered, hardState, snapshot, firstIndex: 2, lastIndex: 1 };
}

/** The log must reach back to what the state machine holds; where it does not, the newest snapshot fills the gap. */
async function recoverMachine(
  { log, machine, snapshots }: Stores,
  recovered: RecoveredLog,
): Promise<RecoveredLog> {
  const needed = recovered.firstIndex - 1;
  if (machine.durableIndex >= needed || needed <= 1) return recovered;
  const newest = snapshots.latest();
  if (newest === null || newest.meta.index < needed) {
    throw new ClusterError(
      "log_corrupt",
      `the state ends at entry ${machine.durableIndex}, the log begins after ${needed}, and no snapshot covers what is between`,
    );
  }
  await newest.verify();
  const begun = await beginBehind(newest.meta, log, recovered);
  await machine.restore(newest);
  assertInvariant(
    machine.durableIndex === newest.meta.index,
    "a restored state stands elsewhere than its snapshot",
  );
  return begun;
}

/**
 * The log as it is where it has the snapshot's entry. Else a peer sent the snapshot, and the crash came before the log began anew behind
 * it: what the log says otherwise was never committed. Before the state is restored, not after: a state beyond its log is a log that lost
 * its end.
 */
async function beginBehind(
  snapshot: SnapshotMeta,
  log: LogStore,
  recovered: RecoveredLog,
): Promise<RecoveredLog> {
  const { index } = snapshot;
  if (index <= recovered.lastIndex && log.term(index) === snapshot.term) return recovered;
  const { term, vote } = recovered.hardState;
  const isLater = snapshot.term > term;
  const hardState = { term: isLater ? snapshot.term : term, vote: isLater ? "" : vote, commit: index };
  await log.append({ entries: [], hardState, snapshot });
  return { ...recovered, hardState, snapshot, firstIndex: index + 1, lastIndex: index };
}

/** That of the log's base, or of the newest snapshot where that is later and within what is applied. */
function adoptMembership(
  { machine, snapshots }: Stores,
  { snapshot, lastIndex }: RecoveredLog,
  membership: Membership,
): LogIndex {
  if (machine.durableIndex > lastIndex) {
    throw new ClusterError(
      "log_corrupt",
      `the state holds entry ${machine.durableIndex} but the log ends at ${lastIndex}: the log lost its end (restore a backup, or remove this node's data and let it rejoin)`,
    );
  }
  if (snapshot === null) return 0;
  membership.reset(snapshot.index, snapshot.confState);
  const newest = snapshots.latest()?.meta;
  if (newest === undefined || newest.index <= snapshot.index || newest.index > machine.durableIndex) {
    return snapshot.index;
  }
  membership.changed(newest.index, newest.confState);
  return newest.index;
}
