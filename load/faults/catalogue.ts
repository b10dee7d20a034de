/** All scenarios of the fault campaign: their names, what they need of the machine, and how they are run. */
import { keepDirectory, removeDirectory, temporaryDirectory } from "../lib/support.js";
import { LoopbackTerrain, type Terrain } from "../lib/terrain.js";
import { runFlapping, runLossy, runReplacedInPartition } from "./bad-links.js";
import { ClockTerrain, clocksUnavailable, proveClocks, runClockJumps } from "./clock-jumps.js";
import {
  FailingDiskTerrain,
  proveFailingDisk,
  proveSmallDisks,
  runFailingDisk,
  runFullDisk,
  SmallDiskTerrain,
  shimUnavailable,
  smallDisksUnavailable,
} from "./failing-disk.js";
import { runMembers } from "./members.js";
import { NamespaceTerrain, namespacesUnavailable } from "./namespaces.js";
import { runNewcomer } from "./newcomer.js";
import { PowerTerrain, powerUnavailable } from "./power.js";
import { runPowerLoss, runPowerLossOfOne } from "./power-loss.js";
import { proveLossy, proveNamespaces, provePowerLoss } from "./proofs.js";
import { runRolling } from "./rolling.js";
import {
  fewFiles,
  LittleMemoryTerrain,
  proveFewFiles,
  proveLittleMemory,
  runFewFiles,
  runLittleMemory,
} from "./scarcity.js";
import type { Conditions, ScenarioReport } from "./scenario.js";
import {
  type Fault,
  KILL_FOLLOWER,
  KILL_LEADER,
  PARTITION,
  PARTITION_ONE_WAY,
  PAUSE_FOLLOWER,
  PAUSE_LEADER,
  runSingleFault,
} from "./single-faults.js";
import { runSlow } from "./slow.js";
import { runSnapshot } from "./snapshot.js";
import { runWiped } from "./wiped.js";

export const SCENARIO_NAMES = [
  "kill-leader",
  "kill-follower",
  "pause-leader",
  "pause-follower",
  "partition",
  "partition-one-way",
  "flapping",
  "packet-loss",
  "packets-doubled",
  "replaced-in-partition",
  "power-loss",
  "power-loss-of-one",
  "clock-jumps",
  "failing-disk",
  "full-disk",
  "few-descriptors",
  "little-memory",
  "slow-subscriber",
  "members",
  "newcomer",
  "rolling",
  "wiped",
  "snapshot",
] as const;
export type ScenarioName = (typeof SCENARIO_NAMES)[number];

/** Conditions without a terrain: the catalogue knows which one a scenario needs. */
export interface CampaignConditions extends Omit<Conditions, "terrain"> {
  /** What is published while a node is down, in the snapshot scenario. */
  readonly bulkBytes: number;
}

interface Entry {
  /** Why it cannot run here; null when it can. */
  readonly unavailable: () => string | null;
  /** Shows that its tool bites; resolves with what does not hold. */
  readonly prove: () => Promise<readonly string[]>;
  readonly run: (conditions: CampaignConditions) => Promise<ScenarioReport>;
}

const anywhere = { unavailable: () => null, prove: async () => [] };
const inNamespaces = { unavailable: namespacesUnavailable, prove: proveNamespaces };

/** Runs on a terrain in a directory of its own, which stays as evidence when something was violated. */
async function on<Place extends Terrain>(
  makeTerrain: (directory: string) => Promise<Place>,
  run: (terrain: Place) => Promise<ScenarioReport>,
): Promise<ScenarioReport> {
  const directory = temporaryDirectory("faults");
  const terrain = await makeTerrain(directory);
  let report: ScenarioReport;
  try {
    report = await run(terrain);
  } finally {
    await terrain.close();
  }
  if (report.violations.length === 0) {
    removeDirectory(directory);
    return report;
  }
  keepDirectory(directory);
  return { ...report, notes: [...report.notes, `data and logs are kept in ${directory}`] };
}

const loopback = async (directory: string): Promise<Terrain> => new LoopbackTerrain(directory);
const onNamespaces = (run: (terrain: NamespaceTerrain) => Promise<ScenarioReport>): Promise<ScenarioReport> =>
  on((directory) => NamespaceTerrain.create(directory), run);

function onLoopback(
  run: (conditions: Conditions, campaign: CampaignConditions) => Promise<ScenarioReport>,
): Entry {
  return {
    ...anywhere,
    run: (campaign) => on(loopback, (terrain) => run({ ...campaign, terrain }, campaign)),
  };
}

function partition(fault: Fault): Entry {
  return {
    ...inNamespaces,
    run: (campaign) => onNamespaces((terrain) => runSingleFault(fault, { ...campaign, terrain })),
  };
}

function inNamespacesOf(run: (conditions: Conditions) => Promise<ScenarioReport>): Entry {
  return { ...inNamespaces, run: (campaign) => onNamespaces((terrain) => run({ ...campaign, terrain })) };
}

function lossy(doubles: boolean): Entry {
  return {
    unavailable: namespacesUnavailable,
    prove: () => proveLossy(doubles),
    run: (campaign) => onNamespaces((terrain) => runLossy({ ...campaign, terrain }, terrain, doubles)),
  };
}

function onTools<Place extends Terrain>(
  tool: Pick<Entry, "unavailable" | "prove">,
  makeTerrain: (directory: string) => Promise<Place>,
  run: (conditions: Omit<Conditions, "terrain">, terrain: Place) => Promise<ScenarioReport>,
): Entry {
  return { ...tool, run: (campaign) => on(makeTerrain, (terrain) => run(campaign, terrain)) };
}

function withPower(run: typeof runPowerLoss): Entry {
  return {
    unavailable: powerUnavailable,
    prove: provePowerLoss,
    async run(campaign) {
      const terrain = new PowerTerrain();
      try {
        return await run({ ...campaign, terrain }, terrain);
      } finally {
        await terrain.close();
      }
    },
  };
}

export const CATALOGUE: Readonly<Record<ScenarioName, Entry>> = {
  "kill-leader": onLoopback((conditions) => runSingleFault(KILL_LEADER, conditions)),
  "kill-follower": onLoopback((conditions) => runSingleFault(KILL_FOLLOWER, conditions)),
  "pause-leader": onLoopback((conditions) => runSingleFault(PAUSE_LEADER, conditions)),
  "pause-follower": onLoopback((conditions) => runSingleFault(PAUSE_FOLLOWER, conditions)),
  partition: partition(PARTITION),
  "partition-one-way": partition(PARTITION_ONE_WAY),
  flapping: inNamespacesOf(runFlapping),
  "packet-loss": lossy(false),
  "packets-doubled": lossy(true),
  "replaced-in-partition": inNamespacesOf(runReplacedInPartition),
  "power-loss": withPower(runPowerLoss),
  "power-loss-of-one": withPower(runPowerLossOfOne),
  "clock-jumps": onTools(
    { unavailable: clocksUnavailable, prove: proveClocks },
    async (directory) => new ClockTerrain(directory),
    runClockJumps,
  ),
  "failing-disk": onTools(
    { unavailable: shimUnavailable, prove: proveFailingDisk },
    FailingDiskTerrain.create,
    runFailingDisk,
  ),
  "full-disk": onTools(
    { unavailable: smallDisksUnavailable, prove: proveSmallDisks },
    async (directory) => new SmallDiskTerrain(directory),
    runFullDisk,
  ),
  "few-descriptors": onTools(
    { unavailable: () => null, prove: proveFewFiles },
    async (directory) => fewFiles(directory),
    (conditions, terrain) => runFewFiles({ ...conditions, terrain }),
  ),
  "little-memory": onTools(
    { unavailable: () => null, prove: proveLittleMemory },
    async (directory) => new LittleMemoryTerrain(directory),
    runLittleMemory,
  ),
  "slow-subscriber": onLoopback((conditions) => runSlow(conditions)),
  members: onLoopback((conditions) => runMembers(conditions)),
  newcomer: onLoopback(runNewcomer),
  rolling: onLoopback(runRolling),
  wiped: onLoopback(runWiped),
  // Gigabytes, so once: a second round would tell nothing new.
  snapshot: onLoopback((conditions, { bulkBytes }) => runSnapshot({ ...conditions, rounds: 1 }, bulkBytes)),
};
