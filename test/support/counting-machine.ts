/** A state machine for tests of replication: remembers what was applied, in order, and can be pinned and restored. */
import type { SnapshotSource } from "../../cluster/log/snapshot-store.js";
import type { CommittedEntry, PinnedState, StateMachine } from "../../cluster/state-machine.js";

const FILE = "applied.json";

export class CountingMachine implements StateMachine {
  durableIndex = 0;
  /** The commands, as text, in the order of the log. */
  applied: string[] = [];
  appliedIndex = 0;

  apply(entries: readonly CommittedEntry[]): void {
    for (const { index, data } of entries) {
      if (index !== this.appliedIndex + 1 && this.appliedIndex !== 0)
        throw new Error(`entry ${index} out of turn`);
      this.appliedIndex = index;
      if (data.byteLength > 0) this.applied.push(Buffer.from(data).toString());
    }
  }

  /** Any text but one that says so. */
  canRead(data: Uint8Array): boolean {
    return data.byteLength > 0 && !Buffer.from(data).toString().startsWith("unreadable");
  }

  async pin(): Promise<PinnedState> {
    const index = this.appliedIndex;
    const state = Buffer.from(JSON.stringify({ index, applied: this.applied }));
    this.durableIndex = index;
    return { index, write: (sink) => sink.write(FILE, state), release: () => undefined };
  }

  async restore(source: SnapshotSource): Promise<void> {
    const size = source.files.find((file) => file.name === FILE)?.bytes ?? 0;
    const { index, applied } = JSON.parse(Buffer.from(await source.read(FILE, 0, size)).toString());
    this.applied = applied;
    this.appliedIndex = index;
    this.durableIndex = index;
  }
}
