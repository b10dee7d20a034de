/** What a seed decides before the first event: how large, how fast, how hostile. */
import type { FanoutLimits } from "../../src/topics/registry.js";
import type { Chance } from "./chance.js";
import { type FilesProfile, filesProfileOf } from "./disk-profile.js";

export interface Profile {
  readonly voters: readonly string[];
  /** Hostile for this long; then everything has to come right. */
  readonly hostileMs: number;
  /** Between two strokes of the nemesis, in the mean. */
  readonly strokeMs: number;
  /** Of the strokes, how many begin a flurry: several, close together. */
  readonly flurryChance: number;
  readonly diskMs: number;
  readonly diskSlowChance: number;
  readonly publishers: number;
  readonly subscribers: number;
  /** Clients of MQTT with a session that never ends. */
  readonly clients: number;
  /** Clients of MQTT whose sessions end, with subscriptions of their own. */
  readonly roamers: number;
  /** And those that are in one share. */
  readonly members: number;
  /** Between two commands of one publisher. */
  readonly thinkMs: number;
  /** Between two reads. */
  readonly readMs: number;
  /** Between two looks at a node's store and state while it works. */
  readonly inspectMs: number;
  /** Between two whims of a client or a subscriber. */
  readonly whimMs: number;
  readonly tickMs: number;
  readonly checkpointPeriodMs: number;
  readonly retentionPeriodMs: number;
  readonly retentionBytes: number;
  /** Whether topics are given a retention of their own while they are used. */
  readonly topicRetention: boolean;
  readonly snapshotLogBytes: number;
  readonly applyBytesMax: number;
  readonly messageBytesMax: number;
  readonly submit: {
    readonly proposalBytesTarget: number;
    readonly proposalsInFlightMax: number;
    readonly submitBytesMax: number;
    readonly submitCommandsMax: number;
    readonly submitPatienceMs: number;
  };
  readonly fanout: FanoutLimits;
  /** Whether peers' messages go through their codec. */
  readonly encodeFrames: boolean;
  /** Whether nodes listen to peers before they have looked at their logs. */
  readonly listensFirst: boolean;
  /** When a silent node counts as gone. */
  readonly goneAfterMs: number;
  /** Of the nemesis's strokes, how many are at the membership. */
  readonly membershipChance: number;
  /** Of the stores of production; `null` where nodes run on their twins. */
  readonly files: FilesProfile | null;
}

/** More than a run comes to. */
export const PLENTY = 1 << 30;

function fanoutOf(chance: Chance): FanoutLimits {
  return {
    flushBytesMax: chance.pick([100, 1_000, 100_000]),
    flushMessagesMax: chance.pick([3, 50]),
    flushDelayMsMax: 50,
    recentBatchBytesMax: chance.pick([2_000, 200_000]),
    catchUpPageBytesMax: chance.pick([60, 2_000]),
    catchUpPageMessagesMax: chance.pick([2, 20]),
  };
}

/** Voters that a group begins with. */
export type Size = 1 | 3 | 5;
/**
 * `short`: a few seconds in which everything follows closely on everything else, ticks of 10 ms among it. `long`: half a minute with the
 * ticks and elections of production, where what takes its time has it; strokes come one by one or in flurries.
 */
export type Length = "short" | "long";

/** How closely things follow each other. */
type Pace = Pick<
  Profile,
  | "hostileMs"
  | "strokeMs"
  | "flurryChance"
  | "thinkMs"
  | "readMs"
  | "inspectMs"
  | "whimMs"
  | "tickMs"
  | "checkpointPeriodMs"
  | "retentionPeriodMs"
  | "snapshotLogBytes"
  | "goneAfterMs"
>;

/** Of the groups that begin with one node, how many get others. */
const GROWING = 0.25;

/** As in production: an election takes 500 to 1000 ms. */
const TICK_MS = 50;

function shortPace(chance: Chance, isAlone: boolean, onFiles: boolean): Pace {
  const thinkMs = chance.pick(isAlone ? [4, 10, 30] : [10, 30]);
  return {
    hostileMs: chance.between(1_500, 3_500),
    strokeMs: isAlone ? chance.pick([60, 150, 400]) : chance.pick([40, 100, 200]),
    flurryChance: 0,
    thinkMs,
    readMs: thinkMs,
    inspectMs: 300,
    whimMs: 30,
    tickMs: isAlone ? TICK_MS : 10,
    checkpointPeriodMs: chance.pick([5, 25, 100, 500]),
    retentionPeriodMs: chance.pick([50, 300]),
    // Where a snapshot is many files it takes a newcomer longer: the log has to reach back as far.
    snapshotLogBytes: chance.pick(onFiles ? [6_000, 12_000, 20_000, PLENTY] : [300, 1_500, 6_000, PLENTY]),
    goneAfterMs: chance.pick([20, 200, 1_000]),
  };
}

function longPace(chance: Chance, isAlone: boolean, onFiles: boolean): Pace {
  return {
    hostileMs: chance.between(30_000, 33_000),
    strokeMs: isAlone ? chance.pick([500, 1_000, 2_000]) : chance.pick([500, 1_500, 3_000]),
    flurryChance: chance.pick([0.05, 0.2]),
    thinkMs: chance.pick([400, 1_000, 3_000]),
    readMs: 600,
    inspectMs: 4_000,
    whimMs: chance.pick([300, 800]),
    tickMs: TICK_MS,
    checkpointPeriodMs: chance.pick([50, 500, 2_000]),
    retentionPeriodMs: chance.pick([500, 3_000]),
    snapshotLogBytes: chance.pick([onFiles ? 3_000 : 1_500, 6_000, 20_000, PLENTY]),
    goneAfterMs: chance.pick([1_000, 2_000]),
  };
}

function roamersOf(chance: Chance): Pick<Profile, "roamers" | "members"> {
  return { roamers: chance.pick([0, 1, 1, 2]), members: chance.pick([0, 0, 0, 2, 3]) };
}

/** Whether the group is one node, and stays so. */
export function isAlone({ voters, membershipChance }: Profile): boolean {
  return voters.length === 1 && membershipChance === 0;
}

/** Whether retention may drop something of a topic that there is. */
export function mayTrim({ retentionBytes, topicRetention }: Profile): boolean {
  return retentionBytes < PLENTY || topicRetention;
}

export function profileOf(
  chance: Chance,
  nodes: Size,
  length: Length,
  stores: "either" | "files" | "twins",
): Profile {
  const grows = nodes === 1 && chance.stream("growth").of(GROWING);
  const alone = nodes === 1 && !grows;
  const files = filesProfileOf(chance.stream("files"), stores, length === "short");
  const pace = (length === "short" ? shortPace : longPace)(chance.stream("pace"), alone, files !== null);
  return {
    ...pace,
    voters: Array.from({ length: nodes }, (_, i) => String(i + 1)),
    diskMs: chance.pick([0.2, 1, 4]),
    diskSlowChance: chance.pick([0, 0.01, 0.05]),
    publishers: chance.whole(1, 4),
    subscribers: chance.whole(1, 4),
    clients: chance.whole(0, 3),
    ...roamersOf(chance.stream("roamers")),
    retentionBytes: chance.of(0.25) ? chance.whole(300, 3_000) : PLENTY,
    topicRetention: chance.stream("topic retention").of(0.15),
    applyBytesMax: chance.pick([50, 1_000, 1 << 24]),
    messageBytesMax: chance.pick([100, 2_000, 1 << 20]),
    submit: {
      proposalBytesTarget: chance.pick([80, 1_000, 256 * 1024]),
      proposalsInFlightMax: chance.whole(1, 4),
      submitBytesMax: chance.pick([1_000, 1 << 25]),
      submitCommandsMax: chance.pick([5, 100_000]),
      submitPatienceMs: chance.pick([1_000, 8_000]),
    },
    fanout: fanoutOf(chance),
    encodeFrames: chance.of(0.25),
    listensFirst: chance.of(0.25),
    membershipChance: alone ? 0 : grows ? 0.3 : chance.pick([0, 0.15, 0.3]),
    files,
  };
}
