/** What one process is told of its clients' sessions: by effects of the log, or by what lies between two states when a snapshot took their place. */
import { describe, expect, it } from "vitest";
import { SessionEvents } from "../../../src/replica/session-events.js";
import type { Applied } from "../../../src/state-machine/effects.js";
import { Machine } from "../../../src/state-machine/machine.js";
import { ShareScript } from "../state-machine/share-script.js";

/** What is in a snapshot. */
type Skipped = (it: ShareScript) => unknown;

/** What node 1 is told, in words: `a is displaced: taken_over`, `b is given 1q1 2q2`. */
class Told {
  readonly script: ShareScript;
  readonly words: string[] = [];
  readonly #events = new SessionEvents("1", () => 1);

  constructor(script: ShareScript) {
    this.script = script;
    this.#events.listen({
      displaced: ({ clientId, epoch, reason }) =>
        this.words.push(`${clientId} of epoch ${epoch} is displaced: ${reason}`),
      assigned: ({ session, items }) => {
        const { clientId } = script.driver.machine.session(session) ?? { clientId: "?" };
        this.words.push(`${clientId} is given ${items.map((it) => `${it.position}q${it.qos}`).join(" ")}`);
      },
    });
  }

  /** All of this comes out of the log. */
  applied({ effects }: Applied): void {
    for (const effect of effects)
      if (effect.kind === "shared-assigned" || effect.kind === "session-displaced")
        this.#events.happened(effect);
  }

  /** All of this is in a snapshot that takes the place of the state. */
  skips(change: Skipped): readonly string[] {
    const { driver } = this.script;
    driver.checkpoint();
    const before = Machine.load(driver.records());
    change(this.script);
    driver.checkpoint();
    this.#events.restored(before, Machine.load(driver.records()));
    return this.words.splice(0);
  }
}

/** `a` and `b` are members at node 1. */
function twoMembers(): Told {
  const script = new ShareScript();
  script.join("a", { qos: 2 });
  script.join("b", { qos: 2 });
  return new Told(script);
}

describe("by effects", () => {
  it("of its own connections only", () => {
    const told = twoMembers();
    told.script.open("elsewhere", {}, "2");
    told.applied(told.script.driver.apply({ kind: "displace-session", clientId: "a", forget: false }));
    told.applied(
      told.script.driver.apply({ kind: "displace-session", clientId: "elsewhere", forget: false }),
    );
    expect(told.words).toEqual(["a of epoch 1 is displaced: administrative"]);
  });
});

describe("messages of shares that were given within a snapshot", () => {
  it.each<[string, Skipped, readonly string[]]>([
    ["nothing", () => undefined, []],
    ["new ones", (it) => it.publish(1, 4), ["a is given 3q1 5q1", "b is given 4q1 6q1"]],
    ["of QoS 2", (it) => it.publish(2), ["a is given 3q2"]],
    // No state has it (at most once).
    ["of QoS 0", (it) => it.publish(0, 2), []],
    ["what was known is dealt with", (it) => it.done("a", 1), []],
    ["what was known was received", (it) => it.received("a", 1), []],
    [
      "the other one's come back to it, again",
      (it) => {
        it.publish(1);
        it.close("b");
        it.publish(1);
      },
      // Of b's, that of QoS 1 does; what went to b with QoS 2 stays b's.
      ["a is given 3q1 4q1", "b of epoch 1 is displaced: node_down"],
    ],
  ])("%s", (_what, change, expected) => {
    const told = twoMembers();
    told.script.publish(2, 2);
    expect(told.skips(change)).toEqual(expected);
  });

  it("are told once: what a second snapshot adds is all that the second tells", () => {
    const told = twoMembers();
    expect(told.skips((it) => it.publish(1))).toEqual(["a is given 1q1"]);
    expect(told.skips((it) => it.publish(1))).toEqual(["b is given 2q1"]);
    expect(told.skips(() => undefined)).toEqual([]);
  });
});

describe("connections that ended within a snapshot", () => {
  const reopened = { cleanStart: true };
  it.each<[string, Skipped, string]>([
    ["taken over at another node", (it) => it.open("a", {}, "2"), "taken_over"],
    ["with a clean start, as another session", (it) => it.open("a", reopened, "2"), "taken_over"],
    [
      "taken over, and that connection is over as well",
      (it) => {
        it.open("a", {}, "2");
        it.close("a");
      },
      "taken_over",
    ],
    [
      "the node was thought dead",
      (it) => it.driver.applyFrom("2", { kind: "node-down", node: "1", incarnation: 1 }),
      "node_down",
    ],
    [
      "an operator ended it, which no state says",
      (it) => it.driver.applyFrom("2", { kind: "displace-session", clientId: "a", forget: true }),
      "node_down",
    ],
  ])("%s", (_what, change, reason) => {
    const script = new ShareScript();
    script.open("a");
    const words = new Told(script).skips(change);
    expect(words).toEqual([`a of epoch 1 is displaced: ${reason}`]);
  });

  it("of another node or of an earlier start are nobody's here", () => {
    const script = new ShareScript();
    script.open("elsewhere", {}, "2");
    const told = new Told(script);
    script.open("mine");
    script.driver.startAgain("1");
    script.driver.apply({ kind: "node-up", mqtt: "" });
    script.open("later");
    expect(told.skips((it) => it.open("elsewhere", {}, "3"))).toEqual([]);
  });
});
