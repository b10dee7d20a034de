/** The Ready loop over memory twins: one voter, three voters, restarts, snapshots, and the order of disk and apply. */
import { afterEach, describe, expect, test } from "vitest";
import type { LogAppend } from "../../../cluster/log/log-store.js";
import { emptyLogImage, MemoryLog, type MemoryLogImage } from "../../../cluster/log/memory-log.js";
import { MemorySnapshotStore } from "../../../cluster/log/memory-snapshot-store.js";
import { RaftNode } from "../../../cluster/node.js";
import type { RaftNodeOptions } from "../../../cluster/node-options.js";
import type { CrashPoint } from "../../../cluster/ready-loop.js";
import { MemoryNetwork } from "../../../cluster/transport/memory-transport.js";
import { EMPTY_CONF_STATE, type PeerMessage } from "../../../cluster/types.js";
import { seededRandom } from "../../../src/runtime/random.js";
import { CountingMachine } from "../../support/counting-machine.js";

/** Ticks only when the test says so. */
class HandTicker {
  #tasks = new Set<() => void>();
  #nowMs = 0;
  monotonicMs = (): number => this.#nowMs;

  every(_periodMs: number, task: () => void): () => void {
    this.#tasks.add(task);
    return () => this.#tasks.delete(task);
  }

  /** In ticks of a hundred milliseconds. */
  after(delayMs: number, task: () => void): () => void {
    let left = Math.ceil(delayMs / 100);
    const cancel = this.every(100, () => {
      left -= 1;
      if (left > 0) return;
      cancel();
      task();
    });
    return cancel;
  }

  tick(): void {
    this.#nowMs += 100;
    for (const task of [...this.#tasks]) task();
  }
}

interface Member {
  readonly node: RaftNode;
  readonly log: MemoryLog;
  readonly image: MemoryLogImage;
  readonly snapshots: MemorySnapshotStore;
  readonly machine: CountingMachine;
  readonly failures: Error[];
  start(): Promise<void>;
}

const ticker = new HandTicker();
const running: RaftNode[] = [];

afterEach(async () => {
  for (const node of running.splice(0)) await node.stop();
});

type Overrides = Partial<RaftNodeOptions> & { readonly image?: MemoryLogImage };

function member(id: string, voters: string[], network: MemoryNetwork, overrides: Overrides = {}): Member {
  const failures: Error[] = [];
  const image = overrides.image ?? emptyLogImage();
  const log = (overrides.log as MemoryLog | undefined) ?? new MemoryLog(image);
  const snapshots = (overrides.snapshots as MemorySnapshotStore | undefined) ?? new MemorySnapshotStore();
  const machine = (overrides.machine as CountingMachine | undefined) ?? new CountingMachine();
  const node = new RaftNode({
    id,
    tag: `tag of ${id}`,
    log,
    snapshots,
    machine,
    transport: network.join(id),
    group: 0,
    ticker,
    random: seededRandom(Number(id)).unit,
    limits: {
      tickMs: 100,
      electionTicks: 10,
      heartbeatTicks: 1,
      messageBytesMax: 1_000,
      applyBytesMax: 10_000,
      uncommittedBytesMax: 100_000,
      inflightMessagesMax: 16,
      snapshotLogBytes: 1_000_000,
      snapshotBytesPerSecondMax: 1e9,
    },
    onWarning: () => undefined,
    onFailed: (error) => failures.push(error),
    ...overrides,
  });
  running.push(node);
  const start = async (): Promise<void> => {
    await node.listen();
    await node.start({ peer: "", founding: { ...EMPTY_CONF_STATE, voters }, contacts: new Map() });
  };
  return { node, log, image, snapshots, machine, failures, start };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let turn = 0; turn < 5_000; turn += 1) {
    if (condition()) return;
    ticker.tick();
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`never: ${what}`);
}

const leads = ({ node }: Member): boolean => node.status().role === "leader";
const command = (text: string): Uint8Array => Buffer.from(text);

async function single(overrides: Overrides = {}): Promise<Member> {
  const only = member("1", ["1"], new MemoryNetwork(), overrides);
  await only.start();
  await until(() => leads(only), "a group of one has a leader");
  return only;
}

describe("a group of one", () => {
  test("leads at once and applies what is proposed, in order", async () => {
    const only = await single();
    for (const text of ["a", "b", "c"]) expect(only.node.propose(command(text))).toBe(true);
    await until(() => only.machine.applied.length === 3, "three commands are applied");
    expect(only.machine.applied).toEqual(["a", "b", "c"]);
  });

  test("applies nothing before the append that holds it has resolved", async () => {
    const log = new MemoryLog();
    let letGo: () => void = () => undefined;
    const append = log.append.bind(log);
    let appends = 0;
    log.append = async (batch: LogAppend): Promise<void> => {
      appends += 1;
      if (batch.entries.some(({ data }) => Buffer.from(data).toString() === "slow")) {
        await new Promise<void>((resolve) => {
          letGo = resolve;
        });
      }
      await append(batch);
    };
    const only = await single({ log });
    only.node.propose(command("slow"));
    const before = appends;
    await until(() => appends > before, "the append began");
    only.node.propose(command("next"));
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(only.machine.applied).toEqual([]);
    letGo();
    await until(() => only.machine.applied.length === 2, "both are applied");
    expect(only.machine.applied).toEqual(["slow", "next"]);
  });

  test("a failed append stops the loop, applies nothing of it and says so once", async () => {
    const log = new MemoryLog();
    const append = log.append.bind(log);
    log.append = async (batch) => {
      if (batch.entries.some(({ data }) => data.byteLength > 0)) throw new Error("the disk is gone");
      await append(batch);
    };
    const only = await single({ log });
    only.node.propose(command("lost"));
    await until(() => only.failures.length > 0, "the failure is told");
    expect(only.failures.map(({ message }) => message)).toEqual(["the disk is gone"]);
    expect(only.machine.applied).toEqual([]);
    expect(only.node.propose(command("later"))).toBe(false);
  });

  test("restarts where it was: what the machine kept is not applied again, what it lost is", async () => {
    const first = await single();
    for (const text of ["a", "b"]) first.node.propose(command(text));
    await until(() => first.machine.applied.length === 2, "two are applied");
    const kept = await first.machine.pin();
    first.node.propose(command("c"));
    await until(() => first.machine.applied.length === 3, "the third is applied");
    await first.node.stop();
    const machine = new CountingMachine();
    machine.durableIndex = kept.index;
    machine.appliedIndex = kept.index;
    const again = await single({ image: first.image, snapshots: first.snapshots, machine });
    expect(again.machine.applied).toEqual(["c"]);
    again.node.propose(command("d"));
    await until(() => again.machine.applied.length === 2, "the next one is applied");
    expect(again.machine.applied).toEqual(["c", "d"]);
  });

  test("passes its crash points in the order of the rounds", async () => {
    const points: CrashPoint[] = [];
    const only = await single({ crashPoint: (point) => points.push(point) });
    await until(
      () => only.node.status().applied === only.node.status().commit,
      "the leader's own entry is applied",
    );
    points.length = 0;
    only.node.propose(command("a"));
    await until(() => only.machine.applied.length === 1, "it is applied");
    expect(points.slice(0, 5)).toEqual(["round-begun", "sent-early", "persisted", "sent", "applied"]);
  });

  test("takes a snapshot when the log has grown, compacts, and comes back from it without its state", async () => {
    const limits = {
      tickMs: 100,
      electionTicks: 10,
      heartbeatTicks: 1,
      messageBytesMax: 1_000,
      applyBytesMax: 10_000,
      uncommittedBytesMax: 100_000,
      inflightMessagesMax: 16,
      snapshotLogBytes: 2_000,
      snapshotBytesPerSecondMax: 1e9,
    };
    const only = await single({ limits });
    for (let i = 0; i < 50; i += 1) {
      only.node.propose(command(`command ${i} ${"x".repeat(100)}`));
      await until(() => only.machine.applied.length === i + 1, "it is applied");
    }
    await until(() => only.log.firstIndex() > 10, "the log was compacted");
    const snapshot = only.snapshots.latest();
    expect(snapshot?.meta.confState.voters).toEqual(["1"]);
    await only.node.stop();
    const again = await single({ image: only.image, snapshots: only.snapshots, limits });
    expect(again.machine.applied).toEqual(only.machine.applied);
  });

  test("refuses to start when the state is ahead of the log, or the log is gone", async () => {
    const machine = new CountingMachine();
    machine.durableIndex = 99;
    const lost = member("1", ["1"], new MemoryNetwork(), { machine });
    await expect(lost.start()).rejects.toMatchObject({ code: "log_corrupt" });
  });
});

describe("a group of three over the memory transport", () => {
  async function three(): Promise<{ members: Member[]; network: MemoryNetwork }> {
    const network = new MemoryNetwork();
    const members = ["1", "2", "3"].map((id) => member(id, ["1", "2", "3"], network));
    for (const each of members) await each.start();
    await until(() => members.filter(leads).length === 1, "one leads");
    return { members, network };
  }

  test("elects one leader and applies the same commands in the same order everywhere", async () => {
    const { members } = await three();
    const leader = members.find(leads);
    for (let i = 0; i < 100; i += 1) expect(leader?.node.propose(command(`c${i}`))).toBe(true);
    await until(() => members.every(({ machine }) => machine.applied.length === 100), "all have all");
    for (const { machine } of members) expect(machine.applied).toEqual(members[0]?.machine.applied);
  });

  test("a frame that cannot be true stops the node that gets it, and not whoever carries it", async () => {
    const { members, network } = await three();
    const follower = members.find((each) => !leads(each))!;
    const { term, leaderId } = follower.node.status();
    const heartbeat = 8;
    const lie: PeerMessage = {
      kind: heartbeat,
      to: String(members.indexOf(follower) + 1),
      from: leaderId,
      term,
      logTerm: 0,
      index: 0,
      entries: [],
      commit: 1_000,
      snapshot: null,
      reject: false,
      rejectHint: 0,
      context: "",
    };
    const liar = network.join("9");
    await liar.start();
    liar.setPeers(new Map([[lie.to, ""]]));
    liar.send(lie.to, { kind: "raft", group: 0, message: lie });
    await until(() => follower.failures.length > 0, "the follower stops");
    expect(follower.failures.map(({ message }) => message)).toEqual([
      expect.stringContaining("out of range"),
    ]);
  });

  test("what a follower is given is appended by the leader and applied everywhere", async () => {
    const { members } = await three();
    expect(members.find((each) => !leads(each))?.node.propose(command("x"))).toBe(true);
    await until(() => members.every(({ machine }) => machine.applied.includes("x")), "all have it");
  });

  test("a leader that is cut off is replaced, and what it had not committed is not applied", async () => {
    const { members, network } = await three();
    const old = members.find(leads)!;
    const others = members.filter((each) => each !== old);
    const oldId = old.node.status().leaderId;
    for (const id of ["1", "2", "3"]) {
      network.cut(oldId, id);
      network.cut(id, oldId);
    }
    old.node.propose(command("never"));
    await until(() => others.some(leads), "another one leads");
    others.find(leads)?.node.propose(command("yes"));
    await until(() => others.every(({ machine }) => machine.applied.includes("yes")), "the others go on");
    network.heal();
    await until(() => old.machine.applied.includes("yes"), "the old leader follows");
    expect(old.machine.applied).toEqual(["yes"]);
  });
});
