/** The store's disk over a file system that keeps of names and bytes only what was synced, as POSIX allows it to. Nothing fails on it. */
import type { Disk } from "../../../src/store/disk.js";
import type { Chance } from "../../sim/chance.js";
import { DiskFaults } from "../../sim/disk-faults.js";
import { Scope } from "../../sim/event-queue.js";
import { SimStoreDisk } from "../../sim/sim-file-ports.js";
import type { SimFiles } from "../../sim/sim-files.js";

export function namesDisk(files: SimFiles, chance: Chance): Disk {
  const none = async (): Promise<void> => undefined;
  const faults = new DiskFaults(
    () => 0,
    chance,
    () => undefined,
  );
  return new SimStoreDisk({ files, faults, scope: new Scope(), wait: none, sleep: none, unit: chance.unit });
}
