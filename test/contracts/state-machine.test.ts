/** The StateMachine contract on the replica: over memory stores, over the disk's, and over message segments of a few messages. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";
import { FileSnapshotStore } from "../../cluster/log/file-snapshot-store.js";
import { MemorySnapshotStore } from "../../cluster/log/memory-snapshot-store.js";
import type { StateMachine } from "../../cluster/state-machine.js";
import { EnvelopeEncoder } from "../../src/commands/codec.js";
import { Replica } from "../../src/replica/replica.js";
import { LmdbStateStore } from "../../src/store/lmdb-state-store.js";
import { MemoryStateStore } from "../../src/store/memory-state-store.js";
import { MemoryMessageStore } from "../../src/store/memory-store.js";
import type { MessageStore } from "../../src/store/message-store.js";
import { SegmentStore } from "../../src/store/segment-store.js";
import type { StateStore } from "../../src/store/state-store.js";
import { describeStateMachine, type StateMachineUnderTest } from "./state-machine.contract.js";

const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Replicas over the stores that `stores` opens; the one before is dropped as a kill would, its files closed. */
function replicas(
  stores: (place: "here" | "elsewhere") => { state: StateStore; messages: MessageStore },
): Pick<StateMachineUnderTest, "open" | "openElsewhere" | "command" | "texts"> {
  let here: Replica | null = null;
  const messagesOf = new Map<StateMachine, MessageStore>();
  let sequence = 0;
  const open = async (place: "here" | "elsewhere"): Promise<Replica> => {
    const { state, messages } = stores(place);
    const replica = new Replica({
      stateStore: state,
      messageStore: messages,
      onEffect: () => undefined,
      onApplied: () => undefined,
      onBroken: (error) => {
        throw error;
      },
    });
    await replica.open();
    messagesOf.set(replica, messages);
    return replica;
  };
  return {
    async open() {
      await here?.abort();
      here = await open("here");
      const opened = here;
      cleanups.push(async () => {
        if (here === opened) await opened.abort();
      });
      return here;
    },
    async openElsewhere() {
      const replica = await open("elsewhere");
      cleanups.push(() => replica.abort());
      return replica;
    },
    /** Each of an incarnation of its own, so that a test may apply any of them anywhere. */
    command(text) {
      sequence += 1;
      const encoder = new EnvelopeEncoder();
      encoder.begin("1", sequence);
      const payload = Buffer.from(text);
      const message = {
        payload,
        contentType: "",
        qos: 1,
        retain: false,
        expiresAtMs: 0,
        properties: new Uint8Array(0),
      } as const;
      encoder.add({
        kind: "publish",
        topic: "t",
        messages: [message],
        autoCreate: true,
        idempotency: null,
        publisher: 0,
        receipt: null,
      });
      return encoder.finish(1, sequence);
    },
    async texts(machine) {
      const messages = messagesOf.get(machine);
      if (messages === undefined) throw new Error("not one of these replicas");
      const all = { topics: { accepts: () => true }, messagesMax: 1000, bytesMax: 1_000_000 };
      const page = await messages.read({ ...all, after: 0, through: messages.lastPosition });
      return page.messages.map(({ payload }) => Buffer.from(payload).toString());
    },
  };
}

async function temporaryDirectory(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "jangada-replica-"));
  cleanups.push(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

describeStateMachine("a replica over memory", async () => {
  const image = () => ({
    state: { entries: new Map() },
    messages: { messages: [], floors: new Map(), syncedThrough: 0 },
  });
  const images = { here: image(), elsewhere: image() };
  const made = replicas((place) => ({
    state: new MemoryStateStore(images[place].state),
    messages: new MemoryMessageStore(images[place].messages),
  }));
  return {
    ...made,
    snapshots: async () =>
      new MemorySnapshotStore({ latest: null }, (path) => MemoryMessageStore.source(path)),
  };
});

for (const segmentBytes of [1024 * 1024, 400]) {
  describeStateMachine(`a replica over the disk, segments of ${segmentBytes} bytes`, async () => {
    const [here, elsewhere, snapshotDir] = [
      await temporaryDirectory(),
      await temporaryDirectory(),
      await temporaryDirectory(),
    ];
    const dirs = { here, elsewhere };
    const made = replicas((place) => ({
      state: new LmdbStateStore({ dir: dirs[place] }),
      messages: new SegmentStore({ dir: dirs[place], segmentBytes }),
    }));
    return {
      ...made,
      async snapshots() {
        const store = new FileSnapshotStore({ dir: snapshotDir, group: 0 });
        await store.open();
        return store;
      },
    };
  });
}
