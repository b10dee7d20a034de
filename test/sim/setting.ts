/** What a run has once and all its nodes share, and what one life is told of its node. */
import type { Origin } from "../../cluster/node-options.js";
import type { CrashPoint } from "../../cluster/ready-loop.js";
import type { Scope } from "./event-queue.js";
import type { History } from "./history.js";
import type { Ledger } from "./ledger.js";
import type { Profile } from "./profile.js";
import type { Seams } from "./seams.js";
import type { SimClock } from "./sim-clock.js";
import type { SimDisk } from "./sim-disk.js";
import type { SimNetwork } from "./sim-network.js";
import type { Strokes } from "./strokes.js";
import type { World } from "./world.js";

/** What all lives of all nodes have in common. */
export interface Setting {
  readonly world: World;
  readonly profile: Profile;
  readonly seams: Seams;
  readonly network: SimNetwork;
  readonly history: History;
  readonly ledger: Ledger;
  readonly strokes: Strokes;
}

/** What a life knows of its node. */
export interface Host {
  readonly id: string;
  readonly setting: Setting;
  readonly scope: Scope;
  readonly clock: SimClock;
  readonly disk: SimDisk;
  /** Of its disk. */
  readonly tag: string;
  readonly streamTag: () => string;
  readonly random: () => number;
  /** Kept durably by the node: above that of every earlier life. */
  readonly incarnation: number;
  /** Listens before it starts, as where the system chooses the port. */
  readonly listensFirst: boolean;
  /** Joins, if that is what the node was told. */
  readonly origin: () => Promise<Origin>;
  /** As it was told when it joined; "" before. */
  readonly clusterId: () => string;
  /** May end the life. */
  readonly onCrashPoint: (point: CrashPoint) => void;
  /** It does not belong, or not any more: its life is about to end. */
  readonly onExpelled: (code: string) => void;
  /** Whether what went wrong with its disk is why: then it may say so, or stop. */
  readonly explains: (error: unknown) => boolean;
  /** Its disk failed it: its life is about to end. */
  readonly onDiskFailed: (error: Error) => void;
}
