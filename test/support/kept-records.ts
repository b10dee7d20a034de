/** What a store keeps of a machine, for tests that have none: records by key. */
import type { Machine, StateRecord } from "../../src/state-machine/machine.js";

/** Moves what changed into the records, as a checkpoint does. Returns the keys, deleted ones with a minus. */
export function keepChanges(machine: Machine, records: Map<string, Uint8Array>): string[] {
  const keys: string[] = [];
  for (const { key, value } of machine.takeChanges()) {
    keys.push(value === null ? `-${key}` : key);
    // A copy, as a store makes one.
    if (value === null) records.delete(key);
    else records.set(key, Buffer.from(value));
  }
  return keys;
}

export function recordsOf(records: ReadonlyMap<string, Uint8Array>): StateRecord[] {
  return [...records].map(([key, value]) => ({ key, value }));
}
