/** Members that were away: across a compaction, while leaders change, over a restart, or that never had what the others began with. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { LogAppend } from "../../../cluster/log/log-store.js";
import { emptyLogImage, MemoryLog } from "../../../cluster/log/memory-log.js";
import type { MemorySnapshot } from "../../../cluster/log/memory-snapshot-store.js";
import { MemoryNetwork } from "../../../cluster/transport/memory-transport.js";
import {
  command,
  LIMITS,
  leads,
  type Member,
  MemoryGroup,
  type Overrides,
  peerOf,
} from "../../support/memory-group.js";

const IDS = ["1", "2", "3"];
/** Snapshots come soon, and members that are away hold the log back only a little. */
const SMALL = { ...LIMITS, snapshotLogBytes: 2_000 };

let group: MemoryGroup;

beforeEach(() => {
  group = new MemoryGroup(new MemoryNetwork());
});

afterEach(() => group.stop());

const knowsTags = ({ node }: Member): boolean =>
  Object.values(node.status().roster.members).every(({ tag }) => tag !== "");

/** The leader of those that are given. */
async function leaderOf(members: readonly Member[]): Promise<Member> {
  await group.until(() => members.filter(leads).length === 1, "one leads");
  return members.find(leads)!;
}

async function three(overrides: Overrides = {}): Promise<Member[]> {
  const members = IDS.map((id) => group.member(id, IDS, overrides));
  for (const each of members) await each.start();
  await leaderOf(members);
  await group.until(() => members.every(knowsTags), "all know each other");
  return members;
}

/** The same disk and state in a new life. */
function again({ id, image, snapshots, machine }: Member, overrides: Overrides = {}): Member {
  return group.member(id, IDS, { image, snapshots, machine, ...overrides });
}

async function write(members: readonly Member[], from: number, to: number, bytes = 100): Promise<void> {
  for (let i = from; i < to; i += 1) {
    const text = `${i} ${"x".repeat(bytes)}`;
    await group.until(() => members.some(({ node }) => node.propose(command(text))), "somebody takes it");
    await group.until(
      () => members.every(({ machine }) => machine.applied.includes(text)),
      `${i} is applied`,
    );
  }
}

/** A group of which one was away while the log was cut. */
async function oneAway(): Promise<{
  readonly away: Member;
  readonly others: readonly Member[];
  readonly leader: Member;
}> {
  const members = await three({ limits: SMALL });
  const away = members.find((member) => !leads(member))!;
  const others = members.filter((member) => member !== away);
  await away.node.stop();
  await write(others, 0, 150);
  const leader = others.find(leads)!;
  await group.until(() => leader.log.firstIndex() > away.log.lastIndex() + 1, "the log was cut");
  return { away, others, leader };
}

/** Whoever comes first waits until it is opened. */
function createGate() {
  let open: (() => void) | null = null;
  let isOpen = false;
  return {
    get isWaiting() {
      return open !== null && !isOpen;
    },
    async pass(): Promise<void> {
      if (isOpen || open !== null) return;
      await new Promise<void>((resolve) => {
        open = resolve;
      });
    },
    open(): void {
      isOpen = true;
      open?.();
    },
  };
}

describe("a follower that was away", () => {
  test("while the log was cut gets a snapshot, then entries, and holds the same", async () => {
    const { away, others, leader } = await oneAway();
    const back = again(away, { limits: SMALL });
    let installed = 0;
    const restore = back.machine.restore.bind(back.machine);
    back.machine.restore = async (source) => {
      installed += 1;
      await restore(source);
    };
    await back.start();
    await write([...others, back], 150, 153);
    expect(installed).toBe(1);
    expect(back.machine.applied).toEqual(leader.machine.applied);
    expect(back.node.status().roster).toEqual(leader.node.status().roster);
    expect(back.failures).toEqual([]);
  });

  test("and installs one leader's snapshot keeps it until that is done, whatever the next leader offers", async () => {
    const members = await three({ limits: SMALL });
    const away = members.find((member) => !leads(member))!;
    const others = members.filter((member) => member !== away);
    await away.node.stop();
    await write(others, 0, 100);
    const first = others.find(leads)!;
    const second = others.find((member) => member !== first)!;
    await group.until(() => first.log.firstIndex() > away.log.lastIndex() + 1, "the log was cut");

    // The last byte of the first snapshot takes long, and so does the beginning of the log behind it.
    const [received, begun] = [createGate(), createGate()];
    const create = away.snapshots.create.bind(away.snapshots);
    away.snapshots.create = (meta, fill) =>
      create(meta, async (sink) => {
        await fill(sink);
        await received.pass();
      });
    const log = new MemoryLog(away.image);
    const append = log.append.bind(log);
    log.append = async (batch: LogAppend): Promise<void> => {
      if (batch.snapshot !== undefined) await begun.pass();
      await append(batch);
    };
    const back = again(away, { limits: SMALL, log });
    await back.start();
    await group.until(() => received.isWaiting, "the snapshot is nearly here");

    await group.settled(first.node.changes.transfer(second.id), "the leadership is handed over");
    await write(others, 100, 200);
    await group.until(() => second.log.firstIndex() > back.log.lastIndex() + 100, "the log was cut again");
    await group.pass(30);
    received.open();
    await group.until(() => begun.isWaiting, "it is being installed");
    await group.pass(60);
    begun.open();
    await group.pass(60);
    expect(back.failures).toEqual([]);
    await write([...others, back], 200, 203);
    expect(back.machine.applied).toEqual(second.machine.applied);
  });

  test.each<[string, (bytes: Uint8Array) => Uint8Array]>([
    ["another", (bytes) => bytes.map((byte, at) => (at === 5 ? byte ^ 1 : byte))],
    ["missing", (bytes) => bytes.subarray(0, 20)],
  ])("gets one though a byte of the leader's is %s, and nothing new is written", async (_what, damage) => {
    const { away, others, leader } = await oneAway();
    const newest = leader.snapshots.latest() as MemorySnapshot;
    for (const [name, bytes] of newest.contents) newest.contents.set(name, damage(Buffer.from(bytes)));
    const back = again(away, { limits: SMALL });
    await back.start();
    await group.until(
      () => back.machine.appliedIndex === leader.machine.appliedIndex,
      "it has everything that the leader has",
    );
    expect(back.machine.applied).toEqual(leader.machine.applied);
    expect(leader.warnings).toContain("this node's snapshot is damaged: another one is taken");
    expect([...others, back].flatMap(({ failures }) => failures)).toEqual([]);
  });

  test("and finds nothing new reads what it has at once", async () => {
    const members = await three();
    await write(members, 0, 3);
    const leader = await leaderOf(members);
    const follower = members.find((member) => !leads(member))!;
    // A new member's entry is the last, and every member takes a snapshot that knows it.
    await group.settled(
      leader.node.changes.add("4", { peer: peerOf("4"), tag: "", wantsVote: false }),
      "a learner is added",
    );
    const end = leader.node.status().commit;
    await group.until(() => follower.snapshots.latest()?.meta.index === end, "the last entry is in it");
    await follower.node.stop();
    const back = again(follower);
    await back.start();
    await group.settled(back.node.barrier(), "it reads");
    expect(back.node.status().commit).toBe(end);
  });

  test("keeps in mind who belongs, with the log's base behind the newest snapshot", async () => {
    const members = await three();
    const leader = await leaderOf(members);
    await group.settled(
      leader.node.changes.add("4", { peer: peerOf("4"), tag: "t4", wantsVote: false }),
      "a learner is added",
    );
    await group.settled(leader.node.changes.remove("4"), "it is taken out");
    const follower = members.find((member) => !leads(member))!;
    await group.until(
      () => follower.snapshots.latest()?.meta.index === leader.node.status().commit,
      "the last entry is in a snapshot",
    );
    expect(follower.log.firstIndex()).toBe(2);
    const { roster } = follower.node.status();
    await follower.node.stop();
    const back = again(follower);
    await back.start();
    expect(back.node.status().roster).toEqual(roster);
    expect(roster.removed).toEqual(["4"]);
  });
});

describe("a founding member", () => {
  test("that begins with nothing, as if it joined, is given a snapshot and harms nobody", async () => {
    const [one, two] = ["1", "2"].map((id) => group.member(id, IDS));
    const founders = [one!, two!];
    for (const each of founders) await each.start();
    await leaderOf(founders);
    const contacts = new Map(IDS.map((id) => [id, peerOf(id)]));
    const late = group.member("3", [], { image: emptyLogImage() });
    await late.start({ contacts });
    await write([...founders, late], 0, 5);
    expect(founders.flatMap(({ failures }) => failures)).toEqual([]);
    expect(late.machine.applied).toEqual(founders[0]?.machine.applied);
    expect(late.node.status().voters).toEqual(IDS);
  });
});
