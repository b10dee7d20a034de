/** A snapshot on its way from a leader to a peer: whole and the same, or given up and told. Over calls that a test may lose. */
import { beforeEach, describe, expect, test } from "vitest";
import { MemorySnapshot, MemorySnapshotStore } from "../../../cluster/log/memory-snapshot-store.js";
import { SnapshotReceiver } from "../../../cluster/snapshot-receiver.js";
import { SNAPSHOT_PIECE_BYTES, SnapshotSender } from "../../../cluster/snapshot-sender.js";
import { EMPTY_CONF_STATE, type PeerMessage, type SnapshotMeta } from "../../../cluster/types.js";
import { seededRandom } from "../../../src/runtime/random.js";
import { contentOf } from "../../contracts/snapshot-store.contract.js";
import { CallingPeers, type SentFrame } from "../../support/calling-peers.js";
import { HandTicker, turnOfLoop } from "../../support/memory-group.js";

const SNAPSHOT_MESSAGE = 7;

const metaOf = (index: number): SnapshotMeta => ({
  index,
  term: 2,
  confState: {
    ...EMPTY_CONF_STATE,
    voters: ["1", "2", "3"],
    roster: { clusterId: "c", members: {}, removed: ["7"] },
  },
});

const offerOf = (from: string, index: number, term = 2): PeerMessage => ({
  kind: SNAPSHOT_MESSAGE,
  to: "2",
  from,
  term,
  logTerm: 0,
  index: 0,
  entries: [],
  commit: 0,
  snapshot: metaOf(index),
  reject: false,
  rejectHint: 0,
  context: "",
});

let ticker: HandTicker;
let peers: CallingPeers;

beforeEach(() => {
  ticker = new HandTicker();
  peers = new CallingPeers(ticker);
});

function leader(id: string, bytesPerSecondMax = 1e9) {
  const failed: string[] = [];
  const snapshots = new MemorySnapshotStore();
  const calls = peers.join(id);
  const sender = new SnapshotSender({
    calls,
    snapshots,
    bytesPerSecondMax,
    after: (delayMs, task) => ticker.after(delayMs, task),
    monotonicMs: ticker.monotonicMs,
    onFailed: (peer) => failed.push(peer),
    onInstalled: () => undefined,
    onDamaged: () => undefined,
  });
  return { sender, snapshots, failed, calls };
}

function follower(idle: () => Promise<void> = async () => undefined) {
  const ready: PeerMessage[] = [];
  const warnings: string[] = [];
  const snapshots = new MemorySnapshotStore();
  const calls = peers.join("2");
  const receiver = new SnapshotReceiver({
    calls,
    snapshots,
    idle,
    onReady: (offer) => ready.push(offer),
    after: (delayMs, task) => ticker.after(delayMs, task),
    onWarning: (facts) => warnings.push(String((facts as { reason?: string }).reason)),
  });
  return { receiver, snapshots, ready, warnings, calls };
}

/** Files of all sizes around a piece. */
function fill(store: MemorySnapshotStore, index: number, seed = 1): Promise<unknown> {
  const random = seededRandom(seed);
  const piece = SNAPSHOT_PIECE_BYTES;
  return store.create(metaOf(index), async (sink) => {
    for (const [nth, bytes] of [0, 1, piece - 1, piece, piece + 1, 4 * piece + 7].entries()) {
      const content = Buffer.alloc(bytes);
      for (let at = 0; at < bytes; at += 4_099) content[at] = Math.floor(random.unit() * 256);
      await sink.write(`file-${nth}`, content);
    }
  });
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let turn = 0; turn < 3_000; turn += 1) {
    if (condition()) return;
    await turnOfLoop();
    if (condition()) return;
    ticker.tick();
  }
  throw new Error(`never: ${what}`);
}

const isRead = ({ frame }: SentFrame): boolean =>
  frame.kind === "request" && frame.method === "snapshot-read";

describe("a transfer", () => {
  test("brings every byte, the membership with its roster, and then the offer", async () => {
    const [from, to] = [leader("1"), follower()];
    await fill(from.snapshots, 50);
    from.sender.offered("2", 50);
    to.receiver.offered(offerOf("1", 50));
    expect(to.receiver.isReceiving).toBe(true);
    await until(() => to.ready.length > 0, "it is here");
    expect(to.ready).toEqual([offerOf("1", 50)]);
    const [sent, received] = [from.snapshots.latest()!, to.snapshots.latest()!];
    expect(received.meta).toEqual(sent.meta);
    expect(received.files).toEqual(sent.files);
    expect(await contentOf(received)).toEqual(await contentOf(sent));
    await until(() => !to.receiver.isReceiving, "it is over");
    expect([from.failed, to.warnings]).toEqual([[], []]);
    expect(ticker.pending).toBe(0);
  });

  test("of a snapshot that is here already costs nothing", async () => {
    const [from, to] = [leader("1"), follower()];
    await fill(from.snapshots, 50);
    await fill(to.snapshots, 60);
    to.receiver.offered(offerOf("1", 50));
    await until(() => to.ready.length > 0, "it is told");
    expect(to.ready[0]?.snapshot?.index).toBe(60);
    expect(peers.sent.filter(isRead)).toEqual([]);
  });

  test("is made where the one that is here already is damaged, and that is said", async () => {
    const [from, to] = [leader("1"), follower()];
    await fill(from.snapshots, 50);
    await fill(to.snapshots, 60, 2);
    const here = to.snapshots.latest() as MemorySnapshot;
    here.contents.get("file-4")![3]! ^= 1;
    to.receiver.offered(offerOf("1", 50));
    await until(() => to.ready.length > 0, "it is told");
    expect(to.ready[0]?.snapshot?.index).toBe(50);
    expect(await contentOf(to.snapshots.latest()!)).toEqual(await contentOf(from.snapshots.latest()!));
    expect(to.warnings).toEqual(["file-4 is damaged"]);
  });

  test("brings the newer one that the leader has by now", async () => {
    const [from, to] = [leader("1"), follower()];
    await fill(from.snapshots, 80);
    to.receiver.offered(offerOf("1", 50));
    await until(() => to.ready.length > 0, "it is here");
    expect(to.ready[0]?.snapshot).toEqual(metaOf(80));
  });

  test("refuses one that is older than what was offered", async () => {
    const [from, to] = [leader("1"), follower()];
    await fill(from.snapshots, 40);
    to.receiver.offered(offerOf("1", 50));
    await until(() => to.warnings.length > 0, "it is refused");
    expect([to.ready, to.snapshots.latest()]).toEqual([[], null]);
  });

  test("waits until what came before is installed", async () => {
    let letGo: () => void = () => undefined;
    const from = leader("1");
    const to = follower(
      () =>
        new Promise((resolve) => {
          letGo = resolve;
        }),
    );
    await fill(from.snapshots, 50);
    to.receiver.offered(offerOf("1", 50));
    for (let turn = 0; turn < 10; turn += 1) await turnOfLoop();
    expect(peers.sent).toEqual([]);
    letGo();
    await until(() => to.ready.length > 0, "it is here");
  });

  test("asks again for pieces that are lost, question or answer", async () => {
    const [from, to] = [leader("1"), follower()];
    await fill(from.snapshots, 50);
    let nth = 0;
    peers.loses = ({ frame }) => {
      if (!frame.isBulk) return false;
      nth += 1;
      return nth % 3 === 0;
    };
    to.receiver.offered(offerOf("1", 50));
    await until(() => to.ready.length > 0, "it is here all the same");
    expect(await contentOf(to.snapshots.latest()!)).toEqual(await contentOf(from.snapshots.latest()!));
  });

  test("finds a piece that is damaged on the way or at its source, keeps nothing of it and tells the leader", async () => {
    const [from, to] = [leader("1"), follower()];
    await fill(from.snapshots, 50);
    const source = from.snapshots.latest() as MemorySnapshot;
    expect(source).toBeInstanceOf(MemorySnapshot);
    source.contents.get("file-5")![3]! ^= 4;
    from.sender.offered("2", 50);
    to.receiver.offered(offerOf("1", 50));
    await until(() => from.failed.length > 0, "the leader is told");
    expect(to.warnings).toEqual(["file-5 of the snapshot arrived damaged"]);
    expect([to.ready, to.snapshots.latest()]).toEqual([[], null]);
    source.contents.get("file-5")![3]! ^= 4;
    to.receiver.offered(offerOf("1", 50));
    await until(() => to.ready.length > 0, "the next attempt works");
  });

  test.each<[string, Record<string, unknown>]>([
    ["no metadata", { files: [] }],
    ["no list", { meta: metaOf(50), files: "none" }],
    ["a file without a length", { meta: metaOf(50), files: [{ name: "a", crc: 1 }] }],
    ["a length that is no count", { meta: metaOf(50), files: [{ name: "a", crc: 1, bytes: -1 }] }],
    ["a name that leads elsewhere", { meta: metaOf(50), files: [{ name: "../a", crc: 0, bytes: 0 }] }],
  ])("takes no list with %s", async (_what, params) => {
    const to = follower();
    const calls = peers.join("1");
    calls.handle("snapshot-open", async () => ({ params }));
    to.receiver.offered(offerOf("1", 50));
    await until(() => to.warnings.length > 0, "it is refused");
    expect([to.ready, to.snapshots.latest(), to.receiver.isReceiving]).toEqual([[], null, false]);
  });
});

describe("a leader that dies in the middle", () => {
  test("is waited for a while; then another one's offer is taken", async () => {
    const [first, second, to] = [leader("1"), leader("3"), follower()];
    await fill(first.snapshots, 50);
    await fill(second.snapshots, 60, 2);
    to.receiver.offered(offerOf("1", 50));
    await until(() => peers.sent.filter(isRead).length > 2, "it has begun");
    peers.loses = ({ from, to: target }) => from === "1" || target === "1";
    to.receiver.offered(offerOf("3", 60, 3));
    await until(() => to.ready.length > 0, "the other one's is here");
    expect(to.ready.at(-1)).toEqual(offerOf("3", 60, 3));
    expect(await contentOf(to.snapshots.latest()!)).toEqual(await contentOf(second.snapshots.latest()!));
    await until(() => !to.receiver.isReceiving && ticker.pending === 0, "nothing is left");
  });

  test("and nobody offers: the receiver gives up and is free for the next offer", async () => {
    const [from, to] = [leader("1"), follower()];
    await fill(from.snapshots, 50);
    to.receiver.offered(offerOf("1", 50));
    await until(() => peers.sent.filter(isRead).length > 2, "it has begun");
    peers.loses = () => true;
    await until(() => !to.receiver.isReceiving, "it gives up");
    await until(() => ticker.pending === 0, "nothing is left");
    expect(to.snapshots.latest()).toBeNull();
    peers.loses = () => false;
    to.receiver.offered(offerOf("1", 50));
    await until(() => to.ready.length > 0, "the next attempt works");
  });

  test("a stop in the middle ends at once and tells nobody", async () => {
    const [from, to] = [leader("1"), follower()];
    await fill(from.snapshots, 50);
    to.receiver.offered(offerOf("1", 50));
    await until(() => peers.sent.filter(isRead).length > 2, "it has begun");
    to.calls.stop();
    await to.receiver.stop();
    expect([to.ready, to.warnings, to.snapshots.latest()]).toEqual([[], [], null]);
    to.receiver.offered(offerOf("1", 50));
    expect(to.receiver.isReceiving).toBe(false);
    from.sender.stop();
  });
});

describe("the sender", () => {
  const awaits = () => true;

  /** Ticks pass, and the leader looks after its transfers as it does. */
  function pass(sender: SnapshotSender, ticks: number, isAwaited: (peer: string) => boolean = awaits): void {
    for (let tick = 0; tick < ticks; tick += 1) {
      ticker.tick();
      sender.settle(isAwaited);
    }
  }

  test("tells that an offer failed that nobody comes for within a second, once", async () => {
    const { sender, failed, snapshots } = leader("1");
    await fill(snapshots, 50);
    sender.offered("2", 50);
    expect(sender.neededFrom()).toBe(51);
    pass(sender, 10);
    expect(failed).toEqual([]);
    pass(sender, 20);
    expect(failed).toEqual(["2"]);
    expect(sender.neededFrom()).toBeNull();
  });

  test("forgets an offer that the core does not wait for any more", () => {
    const { sender, failed } = leader("1");
    sender.offered("2", 50);
    pass(sender, 1, () => false);
    expect([failed, sender.neededFrom()]).toEqual([[], null]);
  });

  test("gives up a transfer that stands still, and lets go of the snapshot", async () => {
    const [from, to] = [leader("1"), follower()];
    await fill(from.snapshots, 50);
    from.sender.offered("2", 50);
    to.receiver.offered(offerOf("1", 50));
    await until(() => peers.sent.filter(isRead).length > 2, "it has begun");
    peers.loses = () => true;
    await turnOfLoop();
    pass(from.sender, 30);
    expect(from.failed).toEqual([]);
    pass(from.sender, 2);
    expect([from.failed, from.sender.neededFrom()]).toEqual([["2"], null]);
  });

  test("takes silence of a peer in the middle of a transfer for no end: it may go on", async () => {
    const { sender, failed, snapshots } = leader("1");
    await fill(snapshots, 50);
    const asking = peers.join("2");
    await asking.call("1", "snapshot-open", {}, { timeoutMs: 1_000 });
    sender.unreachable("2");
    sender.unreachable("3");
    expect([failed, sender.neededFrom()]).toEqual([[], 51]);
  });

  test("has no snapshot, no such piece, or no transfer: says so", async () => {
    const { snapshots } = leader("1");
    const asking = peers.join("2");
    const ask = (method: string, params = {}) => {
      const answer = asking.call("1", method, params, { timeoutMs: 1_000 });
      // The next piece may go a moment after the last.
      void turnOfLoop().then(() => ticker.tick());
      return answer;
    };
    await expect(ask("snapshot-open")).rejects.toMatchObject({ code: "call_failed" });
    await fill(snapshots, 50);
    await expect(ask("snapshot-read", { index: 50, name: "file-1", offset: 0 })).rejects.toThrow(
      "begin again",
    );
    await ask("snapshot-open");
    for (const bad of [
      { index: 49, name: "file-1", offset: 0 },
      { index: 50, name: "other", offset: 0 },
      { index: 50, name: "file-1", offset: -1 },
      { index: 50, name: "file-1", offset: 0.5 },
      { index: 50, name: "file-1" },
    ]) {
      await expect(ask("snapshot-read", bad)).rejects.toMatchObject({ code: "call_failed" });
    }
    const { bytes } = await ask("snapshot-read", { index: 50, name: "file-2", offset: 2 });
    expect(bytes.byteLength).toBe(SNAPSHOT_PIECE_BYTES - 3);
    expect((await ask("snapshot-read", { index: 50, name: "file-2", offset: 1e9 })).bytes).toHaveLength(0);
    await expect(ask("snapshot-close", { isComplete: true })).resolves.toBeDefined();
  });

  test("goes on with the one that it began with when a newer takes its place", async () => {
    const [from, to] = [leader("1"), follower()];
    await fill(from.snapshots, 50);
    const begun = await contentOf(from.snapshots.latest()!);
    to.receiver.offered(offerOf("1", 50));
    await until(() => peers.sent.filter(isRead).length > 2, "it has begun");
    await fill(from.snapshots, 90, 7);
    await until(() => to.ready.length > 0, "it is here");
    expect(to.ready[0]?.snapshot?.index).toBe(50);
    expect(await contentOf(to.snapshots.latest()!)).toEqual(begun);
  });

  test("sends no more than so many bytes a second, all transfers together", async () => {
    const from = leader("1", SNAPSHOT_PIECE_BYTES);
    const piece = SNAPSHOT_PIECE_BYTES;
    await from.snapshots.create(metaOf(50), (sink) => sink.write("file", Buffer.alloc(8 * piece)));
    const askers = ["2", "3"].map((id) => peers.join(id));
    let got = 0;
    for (const asker of askers) await asker.call("1", "snapshot-open", {}, { timeoutMs: 1_000 });
    for (const asker of askers) {
      for (let nth = 0; nth < 4; nth += 1) {
        void asker
          .call("1", "snapshot-read", { index: 50, name: "file", offset: nth * piece }, { timeoutMs: 60_000 })
          .then(({ bytes }) => {
            got += bytes.byteLength;
          });
      }
    }
    const at: number[] = [];
    for (let second = 0; second < 9; second += 1) {
      for (let turn = 0; turn < 3; turn += 1) await turnOfLoop();
      at.push(got / piece);
      for (let tick = 0; tick < 10; tick += 1) ticker.tick();
    }
    expect(at).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 8]);
  });

  test("tells the core at once when the peer says that it failed", async () => {
    const { sender, failed, snapshots } = leader("1");
    await fill(snapshots, 50);
    sender.offered("2", 50);
    const asking = peers.join("2");
    await asking.call("1", "snapshot-close", { isComplete: false }, { timeoutMs: 1_000 });
    expect(failed).toEqual(["2"]);
    await asking.call("1", "snapshot-close", { isComplete: false }, { timeoutMs: 1_000 });
    expect(failed).toEqual(["2"]);
  });
});
