/** What must never happen, in one line each, and who looks. Files are of this repository. */

export interface Invariant {
  readonly name: string;
  readonly promise: string;
  /** What would see it broken. */
  readonly checkers: readonly string[];
}

export const INVARIANTS: readonly Invariant[] = [
  {
    name: "Durable",
    promise: "what was acknowledged was on the disks of a majority; after healing it is on every node, once",
    checkers: ["test/sim/ledger.ts", "test/sim/inspect.ts", "load/crash/checker.ts"],
  },
  {
    name: "Agreement",
    promise: "a position and an offset name one message, on every node, in every answer, over MQTT and SSE",
    checkers: ["test/sim/ledger.ts", "test/sim/history.ts", "load/crash/checker.ts"],
  },
  {
    name: "No phantom",
    promise: "what is delivered was published and not refused",
    checkers: ["test/sim/ledger.ts", "load/crash/checker.ts"],
  },
  {
    name: "Order",
    promise: "offsets increase for a subscriber; one publisher's messages keep their order",
    checkers: ["test/sim/subscriber.ts", "test/sim/publisher.ts", "load/crash/checker.ts"],
  },
  {
    name: "No gap",
    promise: "a subscriber gets every match, or is told of the gap",
    checkers: ["test/sim/subscriber.ts", "load/faults/slow.ts"],
  },
  {
    name: "QoS 0",
    promise: "at most once; what the broker drops is counted",
    checkers: ["test/mqtt/flow.test.ts"],
  },
  {
    name: "QoS 1",
    promise: "at least once; what is unacknowledged comes again, in order",
    checkers: ["test/sim/session-client.ts", "load/sessions/audit.ts"],
  },
  {
    name: "QoS 2",
    promise: "one append for a packet identifier until PUBREL, on whichever node; once to the subscriber",
    checkers: ["test/sim/session-client.ts", "test/sim/ledger.ts", "load/sessions/audit.ts"],
  },
  {
    name: "Idempotency-Key",
    promise: "the same key and body give the same offset; another body a conflict",
    checkers: ["test/sim/publisher.ts", "load/faults/clock-jumps.ts"],
  },
  {
    name: "SSE",
    promise: "after an event id comes the next match above it, from any node",
    checkers: ["test/sim/subscriber.ts", "load/crash/follower.ts"],
  },
  {
    name: "Retained",
    promise: "the last in log order; a deleted one never comes back",
    checkers: ["test/sim/inspect.ts", "test/unit/state-machine/machine-properties.test.ts"],
  },
  {
    name: "Sessions",
    promise:
      "one connection a client id; session present tells the truth; wills of a dead node's clients, once",
    checkers: ["test/sim/session-client.ts", "load/sessions/wills.ts", "load/sessions/audit.ts"],
  },
  {
    name: "Raft",
    promise:
      "one leader a term; one history; a state after a snapshot is that after replay; damage stops or is repaired",
    checkers: ["test/sim/sim-network.ts", "test/sim/history.ts", "test/sim/inspect.ts"],
  },
  {
    name: "Liveness",
    promise: "everything comes right within bounded time after the last fault",
    checkers: ["test/sim/simulation.ts", "load/faults/stall-meter.ts"],
  },
];
