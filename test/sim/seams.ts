/** Where a bug can be planted without touching the production code: the ports of a node, and what joins its parts. */
import type { LogStore } from "../../cluster/log/log-store.js";
import type { StateMachine } from "../../cluster/state-machine.js";
import type { Replica } from "../../src/replica/replica.js";
import type { Applied } from "../../src/state-machine/effects.js";
import type { MessageStore } from "../../src/store/message-store.js";
import type { StateStore } from "../../src/store/state-store.js";
import type { SimDisk } from "./sim-disk.js";
import { SimLog, SimMessageStore, SimStateStore } from "./sim-stores.js";

/** A batch on its way to Raft, and the answer on its way back (`null`: kept from the submitter). */
export interface Proposals {
  propose(payload: Uint8Array, toRaft: (payload: Uint8Array) => boolean): boolean;
  applied(applied: Applied): Applied | null;
}

export interface Seams {
  log(disk: SimDisk): LogStore;
  stateStore(disk: SimDisk): StateStore;
  messageStore(disk: SimDisk): MessageStore;
  /** What replication writes to and drives. */
  consensus(log: LogStore, replica: Replica): { readonly log: LogStore; readonly machine: StateMachine };
  proposals(): Proposals;
}

/** No bug planted. */
export const SOUND: Seams = {
  log: (disk) => new SimLog(disk),
  stateStore: (disk) => new SimStateStore(disk),
  messageStore: (disk) => new SimMessageStore(disk),
  consensus: (log, machine) => ({ log, machine }),
  proposals: () => ({
    propose: (payload, toRaft) => toRaft(payload),
    applied: (applied) => applied,
  }),
};
