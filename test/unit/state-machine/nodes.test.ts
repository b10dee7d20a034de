/** Nodes as the log knows them: starts, ends, and the connections that go with them. */
import { describe, expect, it } from "vitest";
import { publishOf } from "../commands/arbitrary-command.js";
import { Driver, story } from "./driver.js";
import { open, willOf } from "./session-script.js";

const UP = { kind: "node-up", mqtt: "here:1883" } as const;
const down = (node: string, incarnation: number) => ({ kind: "node-down", node, incarnation }) as const;
const will = { will: willOf("gone") };

/** Two nodes with clients: 1 and 3 at node 2, 2 at node 1. */
function twoNodes(): Driver {
  const driver = new Driver();
  driver.apply(UP);
  driver.applyFrom("2", { kind: "node-up", mqtt: "" }, open("a", will));
  driver.apply(open("b", will));
  driver.applyFrom("2", open("c", { ...will, expirySeconds: 0 }));
  return driver;
}

const owners = (driver: Driver): (string | undefined)[] =>
  driver.machine.sessions(0, 9).map(({ owner }) => owner?.node);

describe("a node that starts", () => {
  it("is listed with its connections", () => {
    expect(twoNodes().machine.nodesUp()).toEqual([
      { node: "1", incarnation: 1, mqtt: "here:1883", sessions: 1 },
      { node: "2", incarnation: 1, mqtt: "", sessions: 2 },
    ]);
  });

  it("has lost the connections of its earlier starts, and nobody is told", () => {
    const driver = twoNodes();
    driver.startAgain("2");
    expect(story(driver.applyFrom("2", UP))).toBe("+gone [gone@1 gone@2]");
    expect(owners(driver)).toEqual([undefined, "1"]);
    expect(driver.machine.nodesUp()[1]).toEqual({
      node: "2",
      incarnation: 2,
      mqtt: "here:1883",
      sessions: 0,
    });
  });

  it("says it twice, and keeps its connections", () => {
    const driver = twoNodes();
    driver.applyFrom("2", UP);
    expect(owners(driver)).toEqual(["2", "1", "2"]);
    expect(driver.machine.nodesUp()[1]).toMatchObject({ mqtt: "here:1883", sessions: 2 });
  });

  it("may let a client in before it says that it started", () => {
    const driver = twoNodes();
    driver.startAgain("2");
    driver.applyFrom("2", open("d"));
    expect(owners(driver)).toEqual([undefined, "1", "2"]);
    driver.applyFrom("3", open("e"));
    expect(driver.machine.nodesUp().map(({ node, sessions }) => `${node}:${sessions}`)).toEqual([
      "1:1",
      "2:1",
      "3:1",
    ]);
  });
});

describe("a node that is given up", () => {
  it("loses those again that it let in between, before anything else was heard of it", () => {
    const driver = twoNodes();
    driver.applyFrom("2", down("2", 1), open("d"));
    expect(owners(driver)).toEqual([undefined, "1", "2"]);
    expect(story(driver.apply(down("2", 1)))).toBe("session-displaced 4");
    expect(owners(driver)).toEqual([undefined, "1", undefined]);
  });

  it("loses its connections in the order of their sessions, and is told of each", () => {
    const driver = twoNodes();
    const applied = driver.apply(down("2", 1));
    expect(story(applied)).toBe("session-displaced 1 session-displaced 3 +gone [gone@1 gone@2]");
    expect(applied.effects[1]).toEqual({
      kind: "session-displaced",
      session: 3,
      epoch: 1,
      clientId: "c",
      owner: { node: "2", incarnation: 1 },
      reason: "node_down",
    });
    expect(owners(driver)).toEqual([undefined, "1"]);
    expect(driver.machine.nodesUp().map(({ node }) => node)).toEqual(["1"]);
  });

  it.each([
    ["a node that nobody knows", down("9", 1)],
    ["an earlier start", down("2", 0)],
    ["a later start", down("2", 2)],
  ])("%s: nothing happens", (_, command) => {
    const driver = twoNodes();
    expect(driver.apply(command)).toMatchObject({ results: [{ kind: "done" }], effects: [] });
    expect(owners(driver)).toEqual(["2", "1", "2"]);
  });

  it("is up again with whatever it proposes, but without its connections", () => {
    const driver = twoNodes();
    driver.apply(down("2", 1));
    driver.checkpoint();
    driver.restart();
    expect(driver.machine.nodesUp().map(({ node }) => node)).toEqual(["1"]);
    driver.applyFrom("2", publishOf("t", "x"));
    expect(driver.machine.nodesUp()).toContainEqual({ node: "2", incarnation: 1, mqtt: "", sessions: 0 });
    expect(owners(driver)).toEqual([undefined, "1"]);
  });

  it("publishes each will once, however often it is given up", () => {
    const driver = twoNodes();
    driver.apply(down("2", 1));
    expect(story(driver.apply(down("2", 1)))).toBe("");
    driver.applyFrom("2", publishOf("t", "x"));
    expect(story(driver.apply(down("2", 1)))).toBe("");
    driver.startAgain("2");
    expect(story(driver.applyFrom("2", UP))).toBe("");
  });
});
