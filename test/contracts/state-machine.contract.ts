/**
 * What replication may rely on of every StateMachine: order, what is there after a restart, pins that hold still, restores.
 * Snapshots go through a real snapshot store, the twin or the disk's.
 */
import { describe, expect, it } from "vitest";
import type { SnapshotSource, SnapshotStore } from "../../cluster/log/snapshot-store.js";
import type { StateMachine } from "../../cluster/state-machine.js";
import { EMPTY_CONF_STATE } from "../../cluster/types.js";

/** One place that a state machine keeps things in, and a second, empty one to restore into. */
export interface StateMachineUnderTest {
  /** Opens what the place holds: at first nothing, later what the last one left, as after a kill. */
  open(): Promise<StateMachine>;
  /** The same with an empty place of its own. */
  openElsewhere(): Promise<StateMachine>;
  snapshots(): Promise<SnapshotStore>;
  /** The bytes of one command that adds `text` to the state. */
  command(text: string): Uint8Array;
  /** Every text that was added, in order. */
  texts(machine: StateMachine): Promise<string[]>;
}

const entry = (index: number, data: Uint8Array) => ({ index, term: 1, data });
const EMPTY = new Uint8Array(0);

export function describeStateMachine(name: string, prepare: () => Promise<StateMachineUnderTest>): void {
  describe(`StateMachine: ${name}`, () => {
    async function snapshotOf(machine: StateMachine, under: StateMachineUnderTest): Promise<SnapshotSource> {
      const store = await under.snapshots();
      const pinned = await machine.pin();
      const meta = { index: pinned.index, term: 1, confState: EMPTY_CONF_STATE };
      const source = await store.create(meta, (sink) => pinned.write(sink));
      pinned.release();
      return source;
    }

    it("is empty at first", async () => {
      const under = await prepare();
      const machine = await under.open();
      expect(machine.durableIndex).toBe(0);
      expect(await under.texts(machine)).toEqual([]);
    });

    it("applies commands in order and passes over entries without one", async () => {
      const under = await prepare();
      const machine = await under.open();
      machine.apply([entry(2, EMPTY), entry(3, under.command("a")), entry(4, under.command("b"))]);
      machine.apply([entry(5, under.command("c"))]);
      expect(await under.texts(machine)).toEqual(["a", "b", "c"]);
    });

    it("knows what it can read, and is the same after it looked", async () => {
      const under = await prepare();
      const machine = await under.open();
      machine.apply([entry(2, under.command("a"))]);
      const whole = under.command("b");
      expect(machine.canRead(whole)).toBe(true);
      for (const other of [
        EMPTY,
        whole.slice(0, -1),
        whole.slice(1),
        Buffer.from("no command"),
        Buffer.alloc(300),
      ])
        expect(machine.canRead(other)).toBe(false);
      machine.apply([entry(3, whole)]);
      expect(await under.texts(machine)).toEqual(["a", "b"]);
    });

    it("after a kill is where its durable index says; applied again from there it is where it was", async () => {
      const under = await prepare();
      const machine = await under.open();
      const commands = ["a", "b", "c", "d"].map((text, i) => entry(i + 2, under.command(text)));
      machine.apply(commands.slice(0, 2));
      const pinned = await machine.pin();
      pinned.release();
      expect(pinned.index).toBe(3);
      machine.apply(commands.slice(2));
      const again = await under.open();
      expect(again.durableIndex).toBeGreaterThanOrEqual(pinned.index);
      again.apply(commands.filter(({ index }) => index > again.durableIndex));
      expect(await under.texts(again)).toEqual(["a", "b", "c", "d"]);
    });

    it("a pin holds the state still while entries are applied", async () => {
      const under = await prepare();
      const machine = await under.open();
      machine.apply([entry(2, under.command("before"))]);
      const store = await under.snapshots();
      const pinned = await machine.pin();
      machine.apply([entry(3, under.command("after"))]);
      const meta = { index: pinned.index, term: 1, confState: EMPTY_CONF_STATE };
      const source = await store.create(meta, (sink) => pinned.write(sink));
      pinned.release();
      const other = await under.openElsewhere();
      await other.restore(source);
      expect(other.durableIndex).toBe(2);
      expect(await under.texts(other)).toEqual(["before"]);
    });

    it("a restored state goes on like the one it was taken of", async () => {
      const under = await prepare();
      const machine = await under.open();
      for (let i = 0; i < 30; i += 1) machine.apply([entry(i + 2, under.command(`number ${i}`))]);
      const source = await snapshotOf(machine, under);
      const other = await under.openElsewhere();
      await other.restore(source);
      for (const each of [machine, other]) each.apply([entry(32, under.command("one more"))]);
      expect(await under.texts(other)).toEqual(await under.texts(machine));
      expect((await under.texts(other)).length).toBe(31);
    });

    it("a restore replaces what was there", async () => {
      const under = await prepare();
      const machine = await under.open();
      machine.apply([entry(2, under.command("kept"))]);
      const source = await snapshotOf(machine, under);
      const other = await under.openElsewhere();
      for (let i = 0; i < 5; i += 1) other.apply([entry(i + 2, under.command(`gone ${i}`))]);
      await other.restore(source);
      expect(await under.texts(other)).toEqual(["kept"]);
    });
  });
}
