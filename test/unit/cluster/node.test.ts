/** The Ready loop over memory twins: one voter, three voters, restarts, snapshots, and the order of disk and apply. */
import { afterEach, describe, expect, test } from "vitest";
import type { LogAppend } from "../../../cluster/log/log-store.js";
import { MemoryLog } from "../../../cluster/log/memory-log.js";
import type { CrashPoint } from "../../../cluster/ready-loop.js";
import { MemoryNetwork } from "../../../cluster/transport/memory-transport.js";
import { EMPTY_CONF_STATE, type PeerMessage } from "../../../cluster/types.js";
import { CountingMachine } from "../../support/counting-machine.js";
import {
  command,
  LIMITS,
  leads,
  type Member,
  MemoryGroup,
  type Overrides,
} from "../../support/memory-group.js";

const groups: MemoryGroup[] = [];

afterEach(async () => {
  for (const group of groups.splice(0)) await group.stop();
});

function createGroup(): MemoryGroup {
  const group = new MemoryGroup(new MemoryNetwork());
  groups.push(group);
  return group;
}

/** As it was before there were peers: votes, and no roster. */
const plain = (...voters: string[]) => ({ founding: { ...EMPTY_CONF_STATE, voters } });

async function until(condition: () => boolean, what: string): Promise<void> {
  await groups.at(-1)!.until(condition, what);
}

async function single(overrides: Overrides = {}): Promise<Member> {
  const only = createGroup().member("1", ["1"], overrides);
  await only.start(plain("1"));
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
    const limits = { ...LIMITS, snapshotLogBytes: 2_000 };
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
    const lost = createGroup().member("1", ["1"], { machine });
    await expect(lost.start(plain("1"))).rejects.toMatchObject({ code: "log_corrupt" });
  });
});

describe("a group of three over the memory transport", () => {
  async function three(): Promise<{ members: Member[]; network: MemoryNetwork }> {
    const group = createGroup();
    const ids = ["1", "2", "3"];
    const members = ids.map((id) => group.member(id, ids));
    for (const each of members) await each.start(plain(...ids));
    await until(() => members.filter(leads).length === 1, "one leads");
    return { members, network: group.network };
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
    groups.at(-1)?.isolate(oldId, ["1", "2", "3"]);
    old.node.propose(command("never"));
    await until(() => others.some(leads), "another one leads");
    others.find(leads)?.node.propose(command("yes"));
    await until(() => others.every(({ machine }) => machine.applied.includes("yes")), "the others go on");
    network.heal();
    await until(() => old.machine.applied.includes("yes"), "the old leader follows");
    expect(old.machine.applied).toEqual(["yes"]);
  });
});
