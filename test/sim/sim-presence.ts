/** Which nodes there are, as a life sees it: wired as src/core.ts wires it. */
import type { RaftNode } from "../../cluster/node.js";
import type { Submitter } from "../../src/commands/submit.js";
import { Presence } from "../../src/replica/presence.js";
import type { Replica } from "../../src/replica/replica.js";
import type { Clock } from "../../src/runtime/clock.js";
import { silentLogger } from "../../src/runtime/logger.js";

export interface SimPresenceOptions {
  readonly nodeId: string;
  readonly replica: Replica;
  readonly raft: RaftNode;
  readonly submitter: Submitter;
  readonly goneAfterMs: number;
  readonly clock: Clock;
}

export function createSimPresence(options: SimPresenceOptions): Presence {
  const { nodeId, replica, raft, submitter, goneAfterMs, clock } = options;
  return new Presence({
    nodeId,
    submit: (command, done) => submitter.submit(command, done),
    nodesUp: () => replica.machine.nodesUp(),
    nextDueMs: () => replica.machine.nextDueMs(),
    isLeader: () => raft.status().role === "leader",
    isAlive: (node) => raft.peers().some(({ id, isAlive }) => id === node && isAlive),
    goneAfterMs,
    clock,
    logger: silentLogger,
  });
}
