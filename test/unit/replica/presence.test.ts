import { beforeEach, describe, expect, it } from "vitest";
import type { Command } from "../../../src/commands/command.js";
import type { Done } from "../../../src/commands/submit.js";
import type { ErrorCode } from "../../../src/errors.js";
import { type NodeUp, Presence } from "../../../src/replica/presence.js";
import { silentLogger } from "../../../src/runtime/logger.js";
import { ManualClock } from "../../support/manual-clock.js";

describe("presence", () => {
  let clock: ManualClock;
  let submitted: Command[];
  /** Those whose outcome the test decides. */
  let waiting: Done[];
  let refusals: ErrorCode[];
  let up: NodeUp[];
  let alive: Set<string>;
  let isLeader: boolean;
  let dueMs: number;
  let presence: Presence;

  const nodeUp = (node: string, mqtt = ""): NodeUp => ({ node, incarnation: 7, mqtt });

  beforeEach(() => {
    clock = new ManualClock();
    submitted = [];
    waiting = [];
    refusals = [];
    up = [nodeUp("1"), nodeUp("2"), nodeUp("3")];
    alive = new Set(["2", "3"]);
    isLeader = true;
    dueMs = 0;
    presence = new Presence({
      nodeId: "1",
      submit: (command, done) => {
        submitted.push(command);
        const code = refusals.shift();
        if (code === undefined) waiting.push(done);
        else done({ kind: "failed", code });
      },
      nodesUp: () => up,
      nextDueMs: () => dueMs,
      isLeader: () => isLeader,
      isAlive: (node) => alive.has(node),
      goneAfterMs: 1_000,
      clock,
      logger: silentLogger,
    });
  });

  const settle = (): void => {
    for (const done of waiting.splice(0)) done({ kind: "done" });
  };
  const kinds = (): string[] => submitted.map(({ kind }) => kind);

  describe("of nodes that vanish", () => {
    beforeEach(() => presence.start());

    it("says so once, a second after they were last thought alive", () => {
      alive.delete("3");
      clock.advance(1_000);
      expect(submitted).toEqual([]);
      clock.advance(500);
      expect(submitted).toEqual([{ kind: "node-down", node: "3", incarnation: 7 }]);
    });

    it("says it again only when the first word came to nothing", () => {
      alive.delete("3");
      clock.advance(5_000);
      expect(kinds()).toEqual(["node-down"]);
      settle();
      clock.advance(250);
      expect(kinds()).toEqual(["node-down", "node-down"]);
      settle();
      up = [nodeUp("1"), nodeUp("2")];
      clock.advance(5_000);
      expect(kinds()).toEqual(["node-down", "node-down"]);
    });

    it("counts the silence anew when the node was heard again", () => {
      alive.delete("3");
      clock.advance(750);
      alive.add("3");
      clock.advance(250);
      alive.delete("3");
      clock.advance(1_000);
      expect(submitted).toEqual([]);
    });

    it("is the leader's business, counted from when it leads", () => {
      isLeader = false;
      alive.clear();
      clock.advance(10_000);
      expect(submitted).toEqual([]);
      isLeader = true;
      clock.advance(1_000);
      expect(submitted).toEqual([]);
      clock.advance(500);
      expect(kinds()).toEqual(["node-down", "node-down"]);
    });

    it("never says it of itself", () => {
      up = [nodeUp("1")];
      clock.advance(10_000);
      expect(submitted).toEqual([]);
    });
  });

  describe("of time", () => {
    beforeEach(() => presence.start());

    it("brings it when something is due, one tick at a time", () => {
      dueMs = clock.nowMs() + 1_000;
      clock.advance(999);
      expect(submitted).toEqual([]);
      clock.advance(251);
      expect(kinds()).toEqual(["tick"]);
      clock.advance(1_000);
      expect(kinds()).toEqual(["tick"]);
      dueMs = 0;
      settle();
      clock.advance(1_000);
      expect(kinds()).toEqual(["tick"]);
    });

    it("leaves it to the leader", () => {
      isLeader = false;
      dueMs = 1;
      clock.advance(1_000);
      expect(submitted).toEqual([]);
    });
  });

  describe("of this node", () => {
    it("is announced until it is applied", async () => {
      refusals = ["no_leader", "overloaded"];
      const told = presence.announce("h:1");
      clock.advance(500);
      expect(submitted).toEqual(Array.from({ length: 3 }, () => ({ kind: "node-up", mqtt: "h:1" })));
      settle();
      await expect(told).resolves.toBeNull();
    });

    it("does not wait for room on the disk, and is announced when there is", async () => {
      refusals = ["disk_full"];
      await expect(presence.announce("")).resolves.toBe("disk_full");
      clock.advance(250);
      expect(kinds()).toEqual(["node-up", "node-up"]);
    });

    it("is not announced after a stop", async () => {
      refusals = ["no_leader"];
      const told = presence.announce("");
      presence.stop();
      clock.advance(10_000);
      await expect(told).resolves.toBe("shutting_down");
      expect(kinds()).toEqual(["node-up"]);
    });
  });

  it("names another node that is alive and said where its clients go", () => {
    up = [nodeUp("1", "a:1"), nodeUp("2"), nodeUp("3", "c:3"), nodeUp("4", "d:4")];
    alive = new Set(["1", "2", "4"]);
    expect(presence.otherNode()).toBe("d:4");
    alive = new Set(["2"]);
    expect(presence.otherNode()).toBeNull();
  });
});
