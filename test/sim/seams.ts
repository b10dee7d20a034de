/** Where a bug can be planted without touching the production code: the ports of a node, and what joins its parts. */
import type { LogStore } from "../../cluster/log/log-store.js";
import type { SnapshotStore } from "../../cluster/log/snapshot-store.js";
import type { RaftNode } from "../../cluster/node.js";
import type { StateMachine } from "../../cluster/state-machine.js";
import type { PeerIdentity, RefusalCode } from "../../cluster/transport/handshake.js";
import type { PeerFrame } from "../../cluster/transport/transport.js";
import type { ConfState, NodeId } from "../../cluster/types.js";
import type { Replica } from "../../src/replica/replica.js";
import type { Applied } from "../../src/state-machine/effects.js";
import type { MessageStore } from "../../src/store/message-store.js";
import type { StateStore } from "../../src/store/state-store.js";
import { fileLog, fileMessages, fileSnapshots } from "./file-stores.js";
import type { SimDisk } from "./sim-disk.js";
import { SimLog, SimMessageStore, SimSnapshotStore, SimStateStore } from "./sim-stores.js";

/** A batch on its way to Raft, and the answer on its way back (`null`: kept from the submitter). */
export interface Proposals {
  propose(payload: Uint8Array, toRaft: (payload: Uint8Array) => boolean): boolean;
  applied(applied: Applied): Applied | null;
}

export interface Seams {
  /** Whether nodes run the stores of production: "either" is for the seed to decide. Their twins are what most bugs are planted in. */
  readonly stores: "either" | "files" | "twins";
  log(disk: SimDisk): LogStore;
  stateStore(disk: SimDisk): StateStore;
  messageStore(disk: SimDisk): MessageStore;
  snapshots(disk: SimDisk): SnapshotStore;
  /** What replication writes to and drives. */
  consensus(log: LogStore, replica: Replica): { readonly log: LogStore; readonly machine: StateMachine };
  proposals(): Proposals;
  /** What a node that joins begins with: nothing. */
  foundingOfJoiner(id: NodeId): ConfState | null;
  /** Whether a peer is let in. */
  admit(raft: RaftNode, peer: PeerIdentity): RefusalCode | null;
  /** What a peer is sent. */
  sends(frame: PeerFrame): PeerFrame;
  /** Before a read. */
  barrier(raft: RaftNode): Promise<void>;
}

/** No bug planted. */
export const SOUND: Seams = {
  stores: "either",
  log: (disk) => (disk.base === null ? new SimLog(disk) : fileLog(disk.base)),
  stateStore: (disk) => new SimStateStore(disk),
  messageStore: (disk) => (disk.base === null ? new SimMessageStore(disk) : fileMessages(disk.base)),
  snapshots: (disk) => (disk.base === null ? new SimSnapshotStore(disk) : fileSnapshots(disk.base)),
  consensus: (log, machine) => ({ log, machine }),
  proposals: () => ({
    propose: (payload, toRaft) => toRaft(payload),
    applied: (applied) => applied,
  }),
  foundingOfJoiner: () => null,
  admit: (raft, peer) => raft.refusalOf(peer),
  sends: (frame) => frame,
  barrier: (raft) => raft.barrier(),
};
