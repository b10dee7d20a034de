/** Groups that change while they work: they grow, every member is replaced, the leadership moves, links fail one way. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ClusterError } from "../../../cluster/errors.js";
import { MemoryNetwork } from "../../../cluster/transport/memory-transport.js";
import { command, leads, type Member, MemoryGroup, peerOf, tagOf } from "../../support/memory-group.js";

const IDS = ["1", "2", "3"];

let group: MemoryGroup;

beforeEach(() => {
  group = new MemoryGroup(new MemoryNetwork());
});

afterEach(() => group.stop());

async function leaderOf(members: readonly Member[]): Promise<Member> {
  await group.until(() => members.filter(leads).length === 1, "one leads");
  return members.find(leads)!;
}

async function three(): Promise<Member[]> {
  const members = IDS.map((id) => group.member(id, IDS));
  for (const each of members) await each.start();
  const leader = await leaderOf(members);
  await group.until(() => leader.node.changes.isFounded, "they have met");
  return members;
}

/** One more member: announced through somebody, started, and a voter when it has caught up. */
async function grow(members: readonly Member[], id: string, wantsVote = true): Promise<Member> {
  const asked = members[0]!;
  await group.settled(
    asked.node.changes.add(id, { peer: peerOf(id), tag: tagOf(id), wantsVote }),
    `${id} is added`,
  );
  const newcomer = group.member(id, []);
  await newcomer.start({ contacts: new Map(members.map((member) => [member.id, peerOf(member.id)])) });
  await group.until(
    () => newcomer.node.status()[wantsVote ? "voters" : "learners"].includes(id),
    `${id} belongs`,
  );
  return newcomer;
}

async function write(members: readonly Member[], text: string): Promise<void> {
  await group.until(() => members.some(({ node }) => node.propose(command(text))), "somebody takes it");
  await group.until(
    () => members.every(({ machine }) => machine.applied.includes(text)),
    `${text} is applied`,
  );
}

const failuresOf = (members: readonly Member[]): unknown[] => members.flatMap(({ failures }) => failures);

describe("a group of three", () => {
  test("writes down who its members are before it is founded", async () => {
    const members = await three();
    await group.until(
      () => members.every(({ node }) => Object.values(node.status().roster.members).every(({ tag }) => tag)),
      "all know all tags",
    );
    for (const { node } of members) {
      expect(node.status().roster).toEqual({
        clusterId: "cluster",
        members: Object.fromEntries(
          IDS.map((id) => [id, { peer: peerOf(id), tag: tagOf(id), wantsVote: true }]),
        ),
        removed: [],
      });
      expect(node.refusalOf({ id: "2", tag: "another", clusterId: "cluster", address: "" })).toBe(
        "member_wiped",
      );
      // One that says it belongs may have been added by an entry that is not here yet.
      expect(node.refusalOf({ id: "8", tag: "t", clusterId: "cluster", address: "" })).toBeNull();
      expect(node.refusalOf({ id: "8", tag: "t", clusterId: "", address: "" })).toBe("member_unknown");
    }
  });

  test("elects a leader though one of it cannot take a snapshot that knows the newest voter", async () => {
    const members = await three();
    const leader = await leaderOf(members);
    const [full, short] = members.filter((member) => member !== leader) as [Member, Member];
    full.snapshots.create = () => Promise.reject(new ClusterError("disk_full", "no room for a snapshot"));
    const newest = await grow(members, "4");
    await write([...members, newest], "before");
    // Who is behind cannot lead, and both others need the votes of all that are left.
    group.isolate(short.id, ["1", "2", "3", "4"]);
    await write([leader, full, newest], "after");
    await leader.node.stop();
    group.network.heal();
    await leaderOf([full, short, newest]);
    await write([full, short, newest], "at last");
    expect(failuresOf([full, short, newest])).toEqual([]);
  });

  test("grows by a learner that becomes a voter, and by one that stays what it is", async () => {
    const members = await three();
    await write(members, "before");
    const voter = await grow(members, "4");
    const learner = await grow(members, "5", false);
    const all = [...members, voter, learner];
    await write(all, "after");
    for (const { machine } of all) expect(machine.applied).toEqual(["before", "after"]);
    expect(learner.node.status()).toMatchObject({ voters: [...IDS, "4"], learners: ["5"], role: "follower" });
    await write([learner], "given to the learner");
    expect(failuresOf(all)).toEqual([]);
    const { leaderId } = learner.node.status();
    const reports = await group.settled(learner.node.matches(), "the leader's view");
    expect([...reports.keys()].sort()).toEqual([...IDS, "4", "5"]);
    expect(reports.get(leaderId)?.alive).toBe(true);
  });

  test("has every member replaced while it works, and nobody's id comes back", async () => {
    let members = await three();
    const texts: string[] = [];
    const note = async (text: string): Promise<void> => {
      texts.push(text);
      await write(members, text);
    };
    await note("begun");
    for (const [nth, gone] of IDS.entries()) {
      const newcomer = await grow(members, String(4 + nth));
      members = [...members, newcomer];
      await note(`${newcomer.id} came`);
      const out = members.find(({ id }) => id === gone)!;
      const others = members.filter((member) => member !== out);
      await group.settled(others[0]!.node.changes.remove(gone), `${gone} is removed`);
      members = others;
      await note(`${gone} went`);
      await out.node.stop();
    }
    const leader = await leaderOf(members);
    expect([...leader.node.status().voters].sort()).toEqual(["4", "5", "6"]);
    expect(leader.node.status().roster.removed).toEqual(IDS);
    for (const { machine } of members) expect(machine.applied).toEqual(texts);
    expect(failuresOf(members)).toEqual([]);
    const back = leader.node.changes.add("1", { peer: "x:1", tag: "new", wantsVote: true });
    await expect(group.settled(back, "the answer")).rejects.toMatchObject({ code: "member_removed" });
    expect(leader.node.refusalOf({ id: "1", tag: tagOf("1"), clusterId: "cluster", address: "" })).toBe(
      "member_removed",
    );
  });

  test("a member that is removed stops, says so once, and does not start again", async () => {
    const members = await three();
    const leader = await leaderOf(members);
    const out = members.find((member) => member !== leader)!;
    await group.settled(leader.node.changes.remove(out.id), "it is removed");
    // What tells it where its links are cut at once.
    out.node.expelled("member_removed", "it was removed");
    out.node.expelled("member_removed", "it was removed");
    expect(out.failures).toMatchObject([{ code: "member_removed" }]);
    expect(out.node.propose(command("more"))).toBe(false);
  });

  test("hands its leadership over before the leader stops: the next one leads without an election timeout", async () => {
    const members = await three();
    const leader = await leaderOf(members);
    const others = members.filter((member) => member !== leader);
    const { term } = leader.node.status();
    const beganMs = group.ticker.monotonicMs();
    await group.settled(leader.node.handOver(), "it is handed over");
    expect(group.ticker.monotonicMs() - beganMs).toBeLessThan(1_000);
    const next = await leaderOf(others);
    expect(next.node.status().term).toBe(term + 1);
    await leader.node.stop();
    await write(others, "goes on");
    expect(group.ticker.monotonicMs() - beganMs).toBeLessThan(1_500);
  });

  test("a leader that nobody can take over from stops all the same", async () => {
    const members = await three();
    const leader = await leaderOf(members);
    group.isolate(leader.id, IDS);
    await group.settled(leader.node.handOver(), "it gives up");
    await leader.node.stop();
    expect(leader.failures).toEqual([]);
  });
});

test("a node that is told to stop while it starts leaves no timer and no loop behind", async () => {
  const member = group.member("1", ["1"]);
  const started = member.start();
  const stopped = member.node.stop();
  await Promise.all([started, stopped]);
  expect(group.ticker.pending).toBe(0);
  expect(member.node.propose(command("late"))).toBe(false);
  await group.pass(5);
  expect([member.log.lastIndex(), member.failures]).toEqual([1, []]);
});

describe("links that fail one way", () => {
  test.each<[string, (id: string, other: string) => void]>([
    ["hears nobody", (id, other) => group.network.cut(other, id)],
    ["is heard by nobody", (id, other) => group.network.cut(id, other)],
  ])("a leader that %s is replaced, and nothing that it had not committed is applied", async (_what, cut) => {
    const members = await three();
    const leader = await leaderOf(members);
    const others = members.filter((member) => member !== leader);
    for (const { id } of others) cut(leader.id, id);
    leader.node.propose(command("perhaps"));
    await group.until(() => others.some(leads), "another one leads");
    await write(others, "yes");
    group.network.heal();
    await write(members, "all again");
    const [first] = members;
    for (const { machine } of members) expect(machine.applied).toEqual(first?.machine.applied);
    expect(failuresOf(members)).toEqual([]);
  });

  test.each<[string, (id: string, other: string) => void]>([
    ["hears nobody", (id, other) => group.network.cut(other, id)],
    ["is heard by nobody", (id, other) => group.network.cut(id, other)],
  ])("a follower that %s disturbs nobody, and comes back", async (_what, cut) => {
    const members = await three();
    const leader = await leaderOf(members);
    const [away, other] = members.filter((member) => member !== leader);
    const { term } = leader.node.status();
    for (const id of IDS) if (id !== away!.id) cut(away!.id, id);
    for (let nth = 0; nth < 10; nth += 1) {
      await group.pass(10);
      await write([leader, other!], `${nth}`);
    }
    expect([leads(leader), leader.node.status().term]).toEqual([true, term]);
    group.network.heal();
    await group.until(() => away!.machine.applied.length === 10, "it catches up");
    expect(leader.node.status().term).toBe(term);
    expect(failuresOf(members)).toEqual([]);
  });

  test("between two followers alone, nobody notices", async () => {
    const members = await three();
    const leader = await leaderOf(members);
    const [one, two] = members.filter((member) => member !== leader);
    group.isolate(one!.id, [two!.id]);
    const { term } = leader.node.status();
    await write(members, "a");
    await group.pass(100);
    await write(members, "b");
    expect(leader.node.status().term).toBe(term);
  });
});

describe("a barrier", () => {
  test("on every node comes after everything that was committed before it", async () => {
    const members = await three();
    for (let nth = 0; nth < 20; nth += 1) {
      const writer = members[nth % 3]!;
      const reader = members[(nth + 1) % 3]!;
      await write([writer], `${nth}`);
      await group.settled(reader.node.barrier(), "it reads");
      expect(reader.machine.applied).toContain(`${nth}`);
    }
  });

  test("of a leader that was replaced without knowing it waits for its end, and sees what the next one did", async () => {
    const members = await three();
    const old = await leaderOf(members);
    const others = members.filter((member) => member !== old);
    group.isolate(old.id, IDS);
    const next = others[0]!;
    await group.until(() => others.some(leads), "another one leads");
    await write(others, "new");
    let isRead = false;
    const read = old.node.barrier().then(() => {
      isRead = true;
    });
    await group.pass(20);
    expect([isRead, old.machine.applied.includes("new")]).toEqual([false, false]);
    group.network.heal();
    await group.settled(read, "it reads at last");
    expect(old.machine.applied).toContain("new");
    expect(next.failures).toEqual([]);
  });

  test("without a majority ends with no_leader, on whoever led and on whoever did not", async () => {
    const members = await three();
    for (const { id } of members) group.isolate(id, IDS);
    const reads = members.map(({ node }) =>
      node.barrier().then(
        () => "read",
        ({ code }) => code,
      ),
    );
    expect(await group.settled(Promise.all(reads), "all are answered")).toEqual(IDS.map(() => "no_leader"));
  });
});
