/** Questions to peers: an answer from who was asked, an error in its own words, or the deadline. */
import { beforeEach, describe, expect, test } from "vitest";
import type { Calls } from "../../../cluster/calls.js";
import { ClusterError, type ClusterErrorCode } from "../../../cluster/errors.js";
import type { ResponseFrame } from "../../../cluster/transport/transport.js";
import { CallingPeers } from "../../support/calling-peers.js";
import { HandTicker, turnOfLoop } from "../../support/memory-group.js";

const SECOND = { timeoutMs: 1_000 };

let ticker: HandTicker;
let peers: CallingPeers;
let one: Calls;
let two: Calls;

beforeEach(() => {
  ticker = new HandTicker();
  peers = new CallingPeers(ticker);
  [one, two] = [peers.join("1"), peers.join("2")];
});

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "none",
    (error: ClusterError) => error.code,
  );

function pass(ticks: number): void {
  for (let i = 0; i < ticks; i += 1) ticker.tick();
}

const answerTo = (call: number, params = {}): ResponseFrame => ({
  kind: "response",
  group: 0,
  call,
  isBulk: false,
  error: null,
  params,
  bytes: new Uint8Array(0),
});

describe("a call", () => {
  test("gets what the handler gives, facts and bytes, each its own", async () => {
    two.handle("twice", async (from, { n }) => ({
      params: { from, n: Number(n) * 2 },
      bytes: Buffer.from(`${n}`),
    }));
    const answers = await Promise.all([1, 2, 3].map((n) => one.call("2", "twice", { n }, SECOND)));
    expect(answers.map(({ params, bytes }) => [params, Buffer.from(bytes).toString()])).toEqual([
      [{ from: "1", n: 2 }, "1"],
      [{ from: "1", n: 4 }, "2"],
      [{ from: "1", n: 6 }, "3"],
    ]);
    expect(ticker.pending).toBe(0);
  });

  test("goes and comes back by the lane that it was asked for", async () => {
    two.handle("large", async () => ({}));
    await one.call("2", "large", {}, { ...SECOND, isBulk: true });
    await one.call("2", "large", {}, SECOND);
    expect(peers.sent.map(({ frame }) => frame.isBulk)).toEqual([true, true, false, false]);
  });

  test("that is answered by nobody ends with its deadline, and the answer after it counts for nothing", async () => {
    peers.loses = ({ frame }) => frame.kind === "response";
    two.handle("slow", async () => ({}));
    const asked = codeOf(one.call("2", "slow", {}, SECOND));
    await turnOfLoop();
    pass(9);
    expect(ticker.pending).toBe(1);
    pass(1);
    expect(await asked).toBe("call_timeout");
    one.receive("2", answerTo(1));
    expect(ticker.pending).toBe(0);
  });

  test("takes no answer from another peer than the one that was asked, nor a second one", async () => {
    peers.loses = () => true;
    const asked = one.call("2", "which", {}, SECOND);
    one.receive("3", answerTo(1, { is: "wrong" }));
    one.receive("2", answerTo(99, { is: "another call's" }));
    one.receive("2", answerTo(1, { is: "right" }));
    one.receive("2", answerTo(1, { is: "late" }));
    expect((await asked).params).toEqual({ is: "right" });
  });

  test("of a method that the peer does not know, as of a newer release, fails at once", async () => {
    await expect(one.call("2", "from-the-future", {}, SECOND)).rejects.toMatchObject({
      code: "call_failed",
      message: "this release knows no call from-the-future",
    });
    expect(ticker.pending).toBe(0);
  });

  test.each<[ClusterErrorCode, string]>([
    ["no_leader", "no_leader"],
    ["member_unknown", "member_unknown"],
    ["member_exists", "member_exists"],
    ["member_removed", "member_removed"],
    ["change_pending", "change_pending"],
    ["quorum_at_risk", "quorum_at_risk"],
    ["transfer_failed", "transfer_failed"],
    ["snapshot_corrupt", "snapshot_corrupt"],
    // What is wrong with the peer is not wrong with this node.
    ["shutdown", "call_failed"],
    ["disk_failed", "call_failed"],
    ["log_corrupt", "call_failed"],
    ["invariant", "call_failed"],
    ["call_timeout", "call_failed"],
  ])("whose handler throws %s rejects with %s and its text", async (thrown, told) => {
    two.handle("fails", async () => {
      throw new ClusterError(thrown, "because");
    });
    await expect(one.call("2", "fails", {}, SECOND)).rejects.toMatchObject({
      code: told,
      message: "because",
    });
  });

  test.each([
    ["an error of no code", new RangeError("too far"), "too far"],
    ["no error at all", "a text", "a text"],
  ])("whose handler throws %s rejects with call_failed", async (_what, thrown, text) => {
    two.handle("fails", async () => {
      throw thrown;
    });
    await expect(one.call("2", "fails", {}, SECOND)).rejects.toMatchObject({
      code: "call_failed",
      message: text,
    });
  });

  test("with a code that only a newer release knows is told as call_failed", async () => {
    peers.loses = () => true;
    const asked = one.call("2", "which", {}, SECOND);
    one.receive("2", { ...answerTo(1), error: { code: "of_the_future", text: "words" } });
    await expect(asked).rejects.toMatchObject({ code: "call_failed", message: "words" });
  });

  test("is refused when ten thousand wait, and not for good", async () => {
    peers.loses = () => true;
    const waiting = Array.from({ length: 10_000 }, () => codeOf(one.call("2", "x", {}, SECOND)));
    expect(await codeOf(one.call("2", "x", {}, SECOND))).toBe("call_failed");
    pass(10);
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(["call_timeout"]));
    peers.loses = () => false;
    two.handle("x", async () => ({}));
    expect(await codeOf(one.call("2", "x", {}, SECOND))).toBe("none");
  });
});

describe("stop", () => {
  test("tells everybody who waits, asks nobody after and answers nobody", async () => {
    let letGo: () => void = () => undefined;
    one.handle("slow", async () => {
      await new Promise<void>((resolve) => {
        letGo = resolve;
      });
      return {};
    });
    const theirs = codeOf(two.call("1", "slow", {}, SECOND));
    await turnOfLoop();
    peers.loses = () => true;
    const mine = [1, 2].map(() => codeOf(one.call("2", "x", {}, SECOND)));
    one.stop();
    expect(await Promise.all(mine)).toEqual(["shutdown", "shutdown"]);
    expect(await codeOf(one.call("2", "x", {}, SECOND))).toBe("shutdown");
    const { length } = peers.sent;
    letGo();
    one.receive("2", { kind: "request", group: 0, call: 5, method: "slow", params: {}, isBulk: false });
    await turnOfLoop();
    expect(peers.sent).toHaveLength(length);
    pass(10);
    expect(await theirs).toBe("call_timeout");
    expect(ticker.pending).toBe(0);
  });
});
