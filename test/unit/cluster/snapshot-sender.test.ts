/** What becomes of a snapshot that was offered to a peer. */
import { expect, test } from "vitest";
import { Calls } from "../../../cluster/calls.js";
import { MemorySnapshot, MemorySnapshotStore } from "../../../cluster/log/memory-snapshot-store.js";
import { SNAPSHOT_METHODS, SnapshotSender } from "../../../cluster/snapshot-sender.js";
import type { PeerFrame } from "../../../cluster/transport/transport.js";
import { EMPTY_CONF_STATE } from "../../../cluster/types.js";
import { turnOfLoop } from "../../support/memory-group.js";

async function sender(): Promise<{
  readonly sender: SnapshotSender;
  readonly snapshots: MemorySnapshotStore;
  readonly failed: string[];
  readonly installed: string[];
  readonly damaged: string[];
  readonly clock: { nowMs: number };
  ask(method: string, params: Readonly<Record<string, unknown>>): Promise<void>;
}> {
  const snapshots = new MemorySnapshotStore();
  await snapshots.create({ index: 5, term: 1, confState: EMPTY_CONF_STATE }, (sink) =>
    sink.write("state.bin", Uint8Array.of(1)),
  );
  const failed: string[] = [];
  const installed: string[] = [];
  const damaged: string[] = [];
  const clock = { nowMs: 0 };
  const answers: PeerFrame[] = [];
  const after = (): (() => void) => () => undefined;
  const calls = new Calls({ group: 0, lastCall: 0, send: (_to, frame) => void answers.push(frame), after });
  const made = new SnapshotSender({
    calls,
    snapshots,
    bytesPerSecondMax: 1e9,
    after,
    monotonicMs: () => clock.nowMs,
    onFailed: (peer) => failed.push(peer),
    onInstalled: (peer) => installed.push(peer),
    onDamaged: ({ code }) => damaged.push(code),
  });
  const ask = async (method: string, params: Readonly<Record<string, unknown>>): Promise<void> => {
    const before = answers.length;
    calls.receive("2", { kind: "request", group: 0, call: before + 1, method, params, isBulk: false });
    await expect.poll(() => answers.length).toBe(before + 1);
  };
  return { sender: made, snapshots, failed, installed, damaged, clock, ask };
}

test("an offer to a peer that cannot be reached has failed", async () => {
  const { sender: made, failed } = await sender();
  made.offered("2", 5);
  made.unreachable("2");
  expect(failed).toEqual(["2"]);
});

test("a transfer under way outlives a broken link", async () => {
  const { sender: made, failed, ask } = await sender();
  made.offered("2", 5);
  await ask(SNAPSHOT_METHODS.open, {});
  made.unreachable("2");
  expect(failed).toEqual([]);
});

test("the installation is waited for long, and not when the peer is gone meanwhile: its answer may be lost", async () => {
  const { sender: made, failed, clock, ask } = await sender();
  made.offered("2", 5);
  await ask(SNAPSHOT_METHODS.open, {});
  await ask(SNAPSHOT_METHODS.close, { isComplete: true });
  clock.nowMs = 50_000;
  made.settle(() => true);
  expect([failed, made.neededFrom()]).toEqual([[], 6]);
  made.unreachable("2");
  expect([failed, made.neededFrom()]).toEqual([["2"], null]);
});

test("a peer that says that it has installed it is sent what comes after", async () => {
  const { sender: made, failed, installed, ask } = await sender();
  made.offered("2", 5);
  await ask(SNAPSHOT_METHODS.open, {});
  await ask(SNAPSHOT_METHODS.close, { isComplete: true });
  expect(installed).toEqual([]);
  await ask(SNAPSHOT_METHODS.close, { isComplete: true, isInstalled: true });
  await ask(SNAPSHOT_METHODS.close, { isComplete: true, isInstalled: true });
  expect(installed).toEqual(["2"]);
  made.unreachable("2");
  expect(failed).toEqual([]);
});

test("a peer that got it damaged: whoever sent it looks whether it is here that it is damaged", async () => {
  const { snapshots, failed, damaged, ask } = await sender();
  const get = async (): Promise<void> => {
    await ask(SNAPSHOT_METHODS.open, {});
    await ask(SNAPSHOT_METHODS.close, { isComplete: false, isDamaged: true });
    await turnOfLoop();
  };
  await get();
  expect([failed, damaged]).toEqual([["2"], []]);
  const newest = snapshots.latest();
  if (newest instanceof MemorySnapshot) newest.contents.set("state.bin", Uint8Array.of(2));
  await get();
  expect([failed, damaged]).toEqual([["2", "2"], ["snapshot_corrupt"]]);
});
