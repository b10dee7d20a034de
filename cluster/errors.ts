/**
 * Every error that replication can give, by stable code. Callers match on `code`, never on the text.
 */

/** The codes: each says what happened; the message says what to do about it. */
export type ClusterErrorCode =
  | "no_leader"
  | "member_exists"
  | "change_pending"
  | "quorum_at_risk"
  | "transfer_failed"
  | "call_timeout"
  | "call_failed"
  | "log_compacted"
  | "log_unavailable"
  | "log_corrupt"
  | "log_version"
  | "snapshot_corrupt"
  | "directory_locked"
  | "disk_full"
  | "disk_failed"
  | "peer_frame"
  | "peer_port_taken"
  | "peer_listen_failed"
  | "peer_unauthorized"
  | "peer_version"
  | "wrong_cluster"
  | "wrong_node_id"
  | "member_unknown"
  | "member_removed"
  | "member_wiped"
  | "shutdown"
  | "invariant";

/** An error of `cluster/`, with a stable code and a message that says what to do. */
export class ClusterError extends Error {
  readonly code: ClusterErrorCode;

  constructor(code: ClusterErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ClusterError";
    this.code = code;
  }
}

/** Whether it says that a snapshot is damaged, and not that reading it failed. */
export function isSnapshotDamage(error: unknown): error is ClusterError {
  return error instanceof ClusterError && error.code === "snapshot_corrupt";
}

/**
 * Stays on in production: a node that finds its own rules broken stops rather than lies.
 * Throws `ClusterError` with code `invariant`.
 */
export function assertInvariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new ClusterError("invariant", message);
}
