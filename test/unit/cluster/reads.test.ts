/** Linearizable reads: on the leader, through a call, after silence and elections; and never an answer from before the question. */
import { beforeEach, describe, expect, test } from "vitest";
import type { CoreStatus } from "../../../cluster/core-types.js";
import type { ClusterError } from "../../../cluster/errors.js";
import { Reads } from "../../../cluster/reads.js";
import { CallingPeers } from "../../support/calling-peers.js";
import { HandTicker, turnOfLoop } from "../../support/memory-group.js";

interface Reader {
  readonly reads: Reads;
  /** Contexts that the core was asked under. */
  readonly contexts: string[];
  status: CoreStatus;
}

let ticker: HandTicker;
let peers: CallingPeers;

beforeEach(() => {
  ticker = new HandTicker();
  peers = new CallingPeers(ticker);
});

const statusOf = (role: CoreStatus["role"], leaderId: string): CoreStatus => ({
  role,
  leaderId,
  term: 1,
  commit: 0,
  applied: 0,
  progress: new Map(),
  isTransferring: false,
});

function reader(id: string, role: CoreStatus["role"], leaderId: string): Reader {
  const contexts: string[] = [];
  const reads = new Reads({
    id,
    calls: peers.join(id),
    status: () => made.status,
    readIndex: (context) => contexts.push(context),
    after: (delayMs, task) => ticker.after(delayMs, task),
    monotonicMs: ticker.monotonicMs,
  });
  const made: Reader = { reads, contexts, status: statusOf(role, leaderId) };
  return made;
}

/** "open" until it settles, then "read" or the error's code. */
function watch(promise: Promise<void>): { state: string } {
  const seen = { state: "open" };
  promise.then(
    () => {
      seen.state = "read";
    },
    ({ code }: ClusterError) => {
      seen.state = code;
    },
  );
  return seen;
}

async function pass(ticks: number): Promise<void> {
  for (let i = 0; i < ticks; i += 1) {
    ticker.tick();
    await turnOfLoop();
  }
}

describe("a leader", () => {
  test("reads when the core has confirmed it and as much is applied", async () => {
    const leader = reader("1", "leader", "1");
    const seen = watch(leader.reads.barrier());
    expect(leader.contexts).toHaveLength(1);
    leader.reads.confirmed(leader.contexts[0]!, 7);
    await turnOfLoop();
    leader.reads.applied(6);
    await turnOfLoop();
    expect(seen.state).toBe("open");
    leader.reads.applied(8);
    await turnOfLoop();
    expect(seen.state).toBe("read");
    expect(ticker.pending).toBe(0);
  });

  test("reads at once what was applied before", async () => {
    const leader = reader("1", "leader", "1");
    leader.reads.applied(9);
    const seen = watch(leader.reads.barrier());
    leader.reads.confirmed(leader.contexts[0]!, 9);
    await turnOfLoop();
    expect(seen.state).toBe("read");
  });

  test("asks again after silence, under a context that was never used, and takes no late answer to the first", async () => {
    const leader = reader("1", "leader", "1");
    const seen = watch(leader.reads.barrier());
    await pass(8);
    expect(leader.contexts.length).toBeGreaterThan(1);
    expect(new Set(leader.contexts).size).toBe(leader.contexts.length);
    leader.reads.confirmed(leader.contexts[0]!, 1);
    leader.reads.applied(5);
    await turnOfLoop();
    expect(seen.state).toBe("open");
    leader.reads.confirmed(leader.contexts.at(-1)!, 5);
    await turnOfLoop();
    expect(seen.state).toBe("read");
  });

  test("gives a question that comes while one is under way a round of its own", async () => {
    const leader = reader("1", "leader", "1");
    leader.reads.applied(3);
    const first = watch(leader.reads.barrier());
    const second = watch(leader.reads.barrier());
    const third = watch(leader.reads.barrier());
    expect(leader.contexts).toHaveLength(1);
    leader.reads.confirmed(leader.contexts[0]!, 3);
    await turnOfLoop();
    expect([first.state, second.state, third.state]).toEqual(["read", "open", "open"]);
    // Those that waited share the next one.
    expect(leader.contexts).toHaveLength(2);
    leader.reads.confirmed(leader.contexts[1]!, 3);
    await turnOfLoop();
    expect([second.state, third.state]).toEqual(["read", "read"]);
    expect(ticker.pending).toBe(0);
  });

  test("that is confirmed by nobody gives up after five seconds", async () => {
    const leader = reader("1", "leader", "1");
    const seen = watch(leader.reads.barrier());
    await pass(49);
    expect(seen.state).toBe("open");
    await pass(8);
    expect(seen.state).toBe("no_leader");
    expect(ticker.pending).toBe(0);
  });
});

describe("a follower", () => {
  test("asks its leader, and reads when it has applied as much itself", async () => {
    const leader = reader("1", "leader", "1");
    const follower = reader("2", "follower", "1");
    const seen = watch(follower.reads.barrier());
    await turnOfLoop();
    expect(follower.contexts).toEqual([]);
    leader.reads.applied(4);
    leader.reads.confirmed(leader.contexts[0]!, 4);
    await turnOfLoop();
    expect(seen.state).toBe("open");
    follower.reads.applied(4);
    await turnOfLoop();
    expect(seen.state).toBe("read");
    expect(ticker.pending).toBe(0);
  });

  test("asks again when the question or the answer is lost", async () => {
    const leader = reader("1", "leader", "1");
    const follower = reader("2", "follower", "1");
    follower.reads.applied(100);
    let lost = 0;
    peers.loses = () => {
      lost += 1;
      return lost <= 2;
    };
    const seen = watch(follower.reads.barrier());
    for (let turn = 0; turn < 30 && seen.state === "open"; turn += 1) {
      await pass(1);
      leader.reads.confirmed(leader.contexts.at(-1) ?? "", 4);
    }
    expect(seen.state).toBe("read");
    expect(lost).toBeGreaterThan(2);
  });

  test.each([-1, 1.5, 2 ** 53, Number.MAX_VALUE, "4", [4], null, true, undefined])(
    "asks again when its leader answers with %j, which is no index",
    async (index) => {
      const answers: unknown[] = [index, index, 4];
      peers.join("1").handle("read-index", async () => ({ params: { index: answers.shift() } }));
      const follower = reader("2", "follower", "1");
      follower.reads.applied(9);
      const seen = watch(follower.reads.barrier());
      await turnOfLoop();
      expect([seen.state, answers.length]).toEqual(["open", 2]);
      await pass(3);
      expect([seen.state, answers.length, ticker.pending]).toEqual(["read", 0, 0]);
    },
  );

  test("waits for a leader while there is none, and asks the next one when its own does not lead any more", async () => {
    const former = reader("1", "follower", "");
    const next = reader("3", "leader", "3");
    const follower = reader("2", "follower", "");
    follower.reads.applied(9);
    const seen = watch(follower.reads.barrier());
    await pass(5);
    expect(peers.sent).toEqual([]);
    follower.status = statusOf("follower", "1");
    await pass(3);
    expect(former.contexts).toEqual([]);
    expect(seen.state).toBe("open");
    follower.status = statusOf("follower", "3");
    await pass(3);
    next.reads.confirmed(next.contexts.at(-1)!, 9);
    await pass(1);
    expect(seen.state).toBe("read");
  });

  test("without a leader is told no_leader after five seconds", async () => {
    const follower = reader("2", "follower", "");
    const seen = watch(follower.reads.barrier());
    await pass(49);
    expect(seen.state).toBe("open");
    await pass(3);
    expect(seen.state).toBe("no_leader");
    expect(ticker.pending).toBe(0);
  });

  test("that does not apply what it has to is told no_leader, and nobody is kept waiting behind it", async () => {
    const leader = reader("1", "leader", "1");
    const follower = reader("2", "follower", "1");
    const seen = watch(follower.reads.barrier());
    await turnOfLoop();
    leader.reads.confirmed(leader.contexts[0]!, 4);
    await pass(51);
    expect(seen.state).toBe("no_leader");
    expect([ticker.pending, follower.reads.waiting]).toEqual([0, 0]);
  });

  test("is told that the node stops", async () => {
    const calls = peers.join("2");
    const reads = new Reads({
      id: "2",
      calls,
      status: () => statusOf("follower", "1"),
      readIndex: () => undefined,
      after: (delayMs, task) => ticker.after(delayMs, task),
      monotonicMs: ticker.monotonicMs,
    });
    const seen = watch(reads.barrier());
    calls.stop();
    await turnOfLoop();
    expect(seen.state).toBe("shutdown");
  });
});
