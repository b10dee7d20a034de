/** What is not tried, or not promised. */

export const LIMITS: readonly string[] = [
  "LMDB, which keeps the small state, is native code: the simulator has a twin in its place, and its pages carry no checksums of their own.",
  "Disk calls that are made to fail one by one in a real node are Node's asynchronous ones: LMDB's are not, and a directory of which a sync failed has its names still.",
  "What travels between two nodes changes its order only in the simulator, and only Raft's own frames do; everything else keeps it there, as over TCP. The fault campaign on processes drops and doubles packets below TCP and does not change their order.",
  "The engine behind `RaftCore.step` (cluster/raft-core.ts) is not fuzzed: frames are up to there, and what a peer that is let in says of terms, indexes and entries is trusted as far as the engine goes.",
  "Peers prove that they know the cluster's secret; what travels between them is neither encrypted nor signed.",
  "There is no authentication of clients and no access control yet: nothing of that kind is tried.",
  "Rounds of the fault campaign share two cores with three nodes and their clients: times in it are upper bounds.",
  "Of QoS 0 every drop is counted but two: what a share gave a member while its node caught up by a snapshot, and retained messages that a client had not been sent when its connection ended.",
  "A kept session that stayed away until retention had to drop messages it held back (the node says so) may have had one of them under way at QoS 2: its PUBREL does not come, and a client that waits for it takes the next message with that packet identifier, one in 65,535, for a copy of it.",
];
