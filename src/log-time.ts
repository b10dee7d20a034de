/** Wires what runs by the log's time: the clock that knows it, who keeps it, who says which nodes are there, retention. */
import type { RaftNode } from "../cluster/node.js";
import { LogClock } from "./commands/log-clock.js";
import type { Submitter } from "./commands/submit.js";
import type { ServeConfig } from "./config.js";
import type { Lifecycle } from "./lifecycle.js";
import { limits } from "./limits.js";
import { Housekeeping } from "./replica/housekeeping.js";
import { Presence } from "./replica/presence.js";
import type { Replica } from "./replica/replica.js";
import { Timekeeper } from "./replica/timekeeper.js";
import { systemClock, systemUptimeMs } from "./runtime/clock.js";
import type { Logger } from "./runtime/logger.js";
import type { Metrics } from "./runtime/metrics.js";
import type { MessageStore } from "./store/message-store.js";

/** What all of them are built from. */
export interface LogTimeParts {
  readonly config: ServeConfig;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly lifecycle: Lifecycle;
}

/** Whom they ask, and through whom they speak. */
export interface Group {
  readonly raft: RaftNode;
  readonly replica: Replica;
  readonly submitter: Submitter;
  readonly clock: LogClock;
}

export function createLogClock({ logger, metrics }: LogTimeParts, replica: Replica): LogClock {
  return new LogClock({
    clock: systemClock,
    uptimeMs: systemUptimeMs,
    appliedMs: () => replica.machine.timeMs,
    onJump: (jumpMs) => {
      metrics.wallClockJumps.inc();
      logger.warn({ jumpMs }, "this node's wall clock was set: the log's time does not jump with it");
    },
  });
}

export function createTimekeeper({ logger }: LogTimeParts, group: Group): Timekeeper {
  const { raft, replica, submitter, clock } = group;
  return new Timekeeper({
    clock,
    submit: (command, done) => submitter.submit(command, done),
    appliedMs: () => replica.machine.timeMs,
    isLeader: () => raft.status().role === "leader",
    agreedMs: () => raft.agreedMs(),
    logger,
  });
}

export function createPresence({ config, logger }: LogTimeParts, group: Group): Presence {
  const { raft, replica, submitter, clock } = group;
  return new Presence({
    nodeId: config.nodeId,
    submit: (command, done) => submitter.submit(command, done),
    nodesUp: () => replica.machine.nodesUp(),
    nextDueMs: () => replica.machine.nextDueMs(),
    isLeader: () => raft.status().role === "leader",
    isAlive: (node) => raft.peers().some(({ id, isAlive }) => id === node && isAlive),
    goneAfterMs: limits.nodeGoneAfterMs,
    clock,
    logger,
  });
}

export function createHousekeeping(
  { config, lifecycle, logger, metrics }: LogTimeParts,
  { replica, store, clock }: Pick<Group, "replica" | "clock"> & { readonly store: MessageStore },
): Housekeeping {
  return new Housekeeping({
    replica,
    store,
    clock,
    checkpointPeriodMs: limits.checkpointPeriodMs,
    retentionPeriodMs: limits.retentionPeriodMs,
    retention: {
      ageMs: config.retentionAgeMs,
      bytes: config.retentionBytes,
      heldBytes: config.sessionBacklogBytes,
    },
    onSessionLoss: (loss) => {
      metrics.sessionMessagesLost.inc(loss.messages);
      logger.warn(loss, "sessions lost messages: retention could hold them back no longer");
    },
    onFailed: lifecycle.fail,
  });
}
