/** What is not tried, or not promised. */

export const LIMITS: readonly string[] = [
  "LMDB, which keeps the small state, is native code: the simulator has a twin in its place, and its pages carry no checksums of their own.",
  "Disk calls that are made to fail one by one in a real node are Node's asynchronous ones: LMDB's are not, and a directory of which a sync failed has its names still.",
  "The simulated network orders what travels one way, as TCP does; reordering is that of frames on different links, and of packets below TCP in the fault campaign.",
  "Peers prove that they know the cluster's secret; what travels between them is neither encrypted nor signed.",
  "There is no authentication of clients and no access control yet: nothing of that kind is tried.",
  "Rounds of the fault campaign share two cores with three nodes and their clients: times in it are upper bounds.",
];
