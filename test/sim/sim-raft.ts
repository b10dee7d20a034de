/** A life's member of the group, joined to the simulated network as src/core.ts joins it to the real one. */
import type { LogStore } from "../../cluster/log/log-store.js";
import { RaftNode } from "../../cluster/node.js";
import type { StateMachine } from "../../cluster/state-machine.js";
import type { RefusalCode } from "../../cluster/transport/handshake.js";
import { recorded } from "./recorded.js";
import { addressOf, changeAt } from "./roster.js";
import type { Host } from "./setting.js";
import type { Door } from "./sim-transport.js";
import { Crashed } from "./world.js";

/** The one Raft group. */
export const GROUP = 0;

const RAFT_TICKS = { electionTicks: 10, heartbeatTicks: 1 } as const;

export interface SimRaftParts {
  readonly log: LogStore;
  readonly machine: StateMachine;
  readonly onFailed: (error: Error) => void;
  /** A snapshot begins to replace the state; and again when it has. */
  readonly onRestore: () => void;
  /** There is a leader, perhaps another one. */
  readonly onLeader: () => void;
}

export function createSimRaft(
  host: Host,
  { log, machine, onFailed, onRestore, onLeader }: SimRaftParts,
): RaftNode {
  const { id, tag, setting, scope, disk, random, onCrashPoint } = host;
  const { world, profile, network, seams } = setting;
  const raft: RaftNode = new RaftNode({
    id,
    tag,
    log,
    snapshots: seams.snapshots(disk),
    machine: seen(host, { log, machine, onRestore }),
    transport: network.join(
      id,
      scope,
      doorOf(host, () => raft),
    ),
    group: GROUP,
    ticker: host.clock,
    random,
    limits: {
      ...RAFT_TICKS,
      tickMs: profile.tickMs,
      messageBytesMax: profile.messageBytesMax,
      applyBytesMax: profile.applyBytesMax,
      uncommittedBytesMax: 1 << 26,
      inflightMessagesMax: 16,
      snapshotLogBytes: profile.snapshotLogBytes,
      snapshotBytesPerSecondMax: 1e9,
    },
    onWarning: (facts, text) => {
      if (!scope.alive) return;
      world.tell(`n${id}`, text);
      if ("error" in facts && !host.explains(facts.error))
        world.fail(`node ${id} warned: ${text}: ${String(facts.error)}`);
    },
    onFailed,
    onLeader: (leaderId) => {
      if (scope.alive && leaderId !== "") onLeader();
    },
    onSnapshot: (index) => {
      world.counts.snapshots += 1;
      world.tell(`n${id}`, `snapshot at entry ${index}`);
    },
    crashPoint: onCrashPoint,
  });
  return raft;
}

/** What is applied goes into the history. */
function seen(
  { id, scope, setting: { history } }: Host,
  { log, machine, onRestore }: Pick<SimRaftParts, "log" | "machine" | "onRestore">,
): StateMachine {
  const applies: StateMachine["apply"] = (entries) => {
    if (!scope.alive) throw new Crashed();
    history.begins(id, entries[0]?.index ?? 0);
    for (const entry of entries) {
      history.applied(id, entry, entry.data.byteLength > 0 ? null : changeAt(log, entry.index));
    }
  };
  return recorded(machine, applies, onRestore);
}

/** As src/core.ts joins the transport to the membership. */
function doorOf({ id, tag, clusterId, setting }: Host, raft: () => RaftNode): Door {
  const { world, seams } = setting;
  const turnedAway = (by: string, code: RefusalCode): void => {
    world.tell(`n${id}`, `is refused by ${by}: ${code}`);
    world.counts.refusals += 1;
    if (code === "member_removed" || code === "member_wiped") raft().expelled(code, `${by} says so`);
    else if (code !== "member_unknown") world.fail(`node ${id} is refused by ${by}: ${code}`);
  };
  return {
    identity: () => ({
      id,
      tag,
      clusterId: raft().status().roster.clusterId || clusterId(),
      address: addressOf(id),
    }),
    admit: (peer) => seams.admit(raft(), peer),
    sends: seams.sends,
    met: (peer) => raft().meet(peer),
    refused: turnedAway,
  };
}
