/** Subscriptions of kept sessions, by clause (MQTT 5.0, 3.8 and 3.10): what they match, what they replace, which retained messages they ask for. */
import { describe, expect, it } from "vitest";
import type { Command, SessionProgress, SubscriptionOptions } from "../../../src/commands/command.js";
import { limits } from "../../../src/limits.js";
import { publishOf } from "../commands/arbitrary-command.js";
import { Driver } from "./driver.js";
import { close, open, optionsOf, progress, subscribe, unsubscribe } from "./session-script.js";

const MAX = limits.subscriptionsPerConnectionMax;
const message = (topic = "t") => publishOf(topic, "x");
const retained = (topic: string) => publishOf(topic, "x", {}, { retain: true });
const taken = (existed = false) => ({ existed, refused: null });
const refused = (code: string, existed = false) => ({ existed, refused: code });
const subscribed = (...subscriptions: object[]) => ({ kind: "subscribed", subscriptions });

/** Client "a" is connected as session 1, epoch 1. */
function connected(changes = {}): Driver {
  const driver = new Driver(changes);
  driver.apply(open("a"));
  return driver;
}

/** "filter qos (since, until]", one a subscription. */
function ranges(driver: Driver, session = 1): string[] {
  return driver.machine
    .session(session)!
    .subscriptions.map(({ filter, qos, since, until }) => `${filter} ${qos} (${since}, ${until}]`);
}

describe("a subscription", () => {
  it("matches what comes after its command, and nothing before", () => {
    const driver = connected();
    const applied = driver.apply(message(), subscribe(1, 1, { filter: "t" }), message());
    expect(applied.results[1]).toEqual(subscribed(taken()));
    expect(ranges(driver)).toEqual(["t 1 (1, Infinity]"]);
  });

  it("has everything that was asked for, also after a restart", () => {
    const all: SubscriptionOptions[] = [0, 1, 2].flatMap((qos) =>
      [false, true].flatMap((flag) =>
        [0, 1, 268_435_455].map((subscriptionId, retainHandling) =>
          optionsOf({
            filter: `t/${qos}/${flag}/${subscriptionId}`,
            qos: qos as 0,
            noLocal: flag,
            retainAsPublished: !flag,
            retainHandling: retainHandling as 0,
            subscriptionId,
          }),
        ),
      ),
    );
    const driver = connected();
    driver.apply({ kind: "subscribe", session: 1, epoch: 1, subscriptions: all });
    driver.checkpoint();
    for (const restart of [false, true]) {
      if (restart) driver.restart();
      const { subscriptions } = driver.machine.session(1)!;
      for (const [at, options] of all.entries()) {
        expect(subscriptions[at]).toMatchObject({ ...options, source: 0, since: 0, until: Infinity });
      }
    }
  });

  it.each([
    ["MQTT-3.8.4-3: of the same filter, replaces the other", { qos: 2 }, ["t 1 (0, 2]", "t 2 (2, Infinity]"]],
    ["of another identifier as well", { subscriptionId: 9 }, ["t 1 (0, 2]", "t 1 (2, Infinity]"]],
    ["No Local", { noLocal: true }, ["t 1 (0, 2]", "t 1 (2, Infinity]"]],
    ["Retain As Published", { retainAsPublished: true }, ["t 1 (0, 2]", "t 1 (2, Infinity]"]],
    ["one that asks for the same is the same", {}, ["t 1 (0, Infinity]"]],
    ["whatever it says of retained messages", { retainHandling: 2 }, ["t 1 (0, Infinity]"]],
  ] as const)("%s", (_, changes, expected) => {
    const driver = connected();
    driver.apply(subscribe(1, 1, { filter: "t" }), message(), message());
    expect(driver.result(subscribe(1, 1, { filter: "t", ...changes }))).toEqual(subscribed(taken(true)));
    expect(ranges(driver)).toEqual(expected);
    expect(driver.machine.sessionCounts().subscriptions).toBe(1);
    expect(driver.machine.session(1)?.subscriptions.at(-1)).toMatchObject(changes);
  });

  it("that was replaced before anything came leaves nothing", () => {
    const driver = connected();
    driver.apply(subscribe(1, 1, { filter: "t" }, { filter: "t", qos: 2 }));
    driver.apply(subscribe(1, 1, { filter: "t", qos: 0 }));
    expect(ranges(driver)).toEqual(["t 0 (0, Infinity]"]);
  });
});

describe("unsubscribing (MQTT-3.10.4-1 to 3.10.4-5)", () => {
  it("ends it here: what came before is still to be delivered", () => {
    const driver = connected();
    driver.apply(subscribe(1, 1, { filter: "t" }), message());
    const result = driver.result(unsubscribe(1, 1, "t", "t", "u"));
    expect(result).toEqual({ kind: "unsubscribed", existed: [true, false, false] });
    expect(ranges(driver)).toEqual(["t 1 (0, 1]"]);
    expect(driver.machine.sessionCounts().subscriptions).toBe(0);
  });

  it("forgets it when nothing is left to be delivered, now or later", () => {
    const driver = connected();
    driver.apply(subscribe(1, 1, { filter: "t" }), message(), unsubscribe(1, 1, "t"));
    driver.apply(progress(1, 1, { done: [1] }));
    expect(ranges(driver)).toEqual(["t 1 (0, 1]"]);
    driver.checkpoint();
    driver.apply(progress(1, 1, { through: 1 }));
    expect(ranges(driver)).toEqual([]);
    expect(driver.checkpoint()).toContain("s/00000001");
    driver.apply(subscribe(1, 1, { filter: "u" }), message());
    driver.apply(progress(1, 1, { through: 2 }), unsubscribe(1, 1, "u"));
    expect(ranges(driver)).toEqual([]);
  });

  it("and subscribing again begins anew", () => {
    const driver = connected();
    driver.apply(subscribe(1, 1, { filter: "t" }), message(), unsubscribe(1, 1, "t"), message());
    expect(driver.result(subscribe(1, 1, { filter: "t" }))).toEqual(subscribed(taken()));
    expect(ranges(driver)).toEqual(["t 1 (0, 1]", "t 1 (2, Infinity]"]);
  });

  it("the session's first one begins at the head, not where the session did", () => {
    const driver = connected();
    for (let i = 0; i < 9; i += 1) driver.apply(message());
    expect(driver.machine.session(1)?.live.through).toBe(0);
    driver.apply(subscribe(1, 1, { filter: "t" }));
    expect(driver.machine.session(1)?.live.through).toBe(9);
    driver.apply(message(), subscribe(1, 1, { filter: "u" }));
    expect(driver.machine.session(1)?.live.through).toBe(9);
  });

  it("but behind a PUBREL that is still to be answered", () => {
    const driver = connected();
    driver.apply(subscribe(1, 1, { filter: "t", qos: 2 }), message(), message());
    driver.apply(progress(1, 1, { received: [2] }), progress(1, 1, { through: 1 }));
    driver.apply(unsubscribe(1, 1, "t"), message());
    driver.apply(subscribe(1, 1, { filter: "u" }));
    expect(driver.machine.session(1)?.live).toMatchObject({ through: 1, received: [2] });
  });
});

describe("what is refused", () => {
  it("takes nothing from the others (MQTT-3.8.4-6)", () => {
    const driver = connected();
    const result = driver.result(
      subscribe(1, 1, { filter: "a/#/b" }, { filter: "t" }, { filter: "" }, { filter: "t", share: "a/b" }),
    );
    expect(result).toEqual(
      subscribed(refused("invalid_filter"), taken(), refused("invalid_filter"), refused("invalid_filter")),
    );
    expect(ranges(driver)).toEqual(["t 1 (0, Infinity]"]);
  });

  it("subscriptions of a session that is not kept stay at its connection", () => {
    const driver = new Driver();
    driver.apply(open("a", { expirySeconds: 0 }));
    expect(driver.result(subscribe(1, 1, { filter: "t" }))).toEqual(subscribed(refused("invalid_request")));
    expect(driver.machine.session(1)).toMatchObject({ subscriptions: [], passes: [] });
  });

  it("more than a session may have; what replaces another is none more", () => {
    const driver = connected();
    const many = Array.from({ length: MAX }, (_, i) => ({ filter: `t/${i}` }));
    driver.apply(subscribe(1, 1, ...many));
    const result = driver.result(subscribe(1, 1, { filter: "more" }, { filter: "t/0", qos: 2 }));
    expect(result).toEqual(subscribed(refused("too_many_subscriptions"), taken(true)));
    driver.apply(unsubscribe(1, 1, "t/1"));
    expect(driver.result(subscribe(1, 1, { filter: "more" }))).toEqual(subscribed(taken()));
  });

  it("more of the past than a cursor that stands still may hold", () => {
    const driver = connected();
    const all = (qos: 0 | 1) => Array.from({ length: MAX }, (_, i) => ({ filter: `t/${i}`, qos }));
    driver.apply(subscribe(1, 1, ...all(0)), message());
    driver.apply(subscribe(1, 1, ...all(1)), message());
    const again = subscribe(1, 1, { filter: "t/0" }, { filter: "t/1", qos: 0 });
    const result = subscribed(taken(true), refused("too_many_subscriptions", true));
    expect(driver.result(again)).toEqual(result);
    driver.apply(progress(1, 1, { through: 1 }));
    expect(driver.result(again)).toEqual(subscribed(taken(true), taken(true)));
  });

  it("more than the whole group may have", () => {
    const driver = connected({ subscriptionsMax: 2 });
    driver.apply(open("b"));
    const result = driver.result(subscribe(1, 1, { filter: "a" }, { filter: "b" }, { filter: "c" }));
    expect(result).toEqual(subscribed(taken(), taken(), refused("too_many_subscriptions")));
    expect(driver.result(subscribe(2, 1, { filter: "a" }))).toMatchObject(
      subscribed(refused("too_many_subscriptions")),
    );
    driver.apply({ kind: "displace-session", clientId: "a", forget: true });
    expect(driver.result(subscribe(2, 1, { filter: "a" }))).toEqual(subscribed(taken()));
  });
});

describe("retained messages at SUBSCRIBE (3.3.1.3, 3.8.3.1)", () => {
  /** Which filters a pass is about, one text a pass. */
  const passes = (driver: Driver): string[] =>
    driver.machine
      .session(1)!
      .passes.map(({ asOf, subscriptions }) => `${subscriptions.map(({ filter }) => filter)} as of ${asOf}`);

  /** "t" has a retained message at position 1. */
  function withRetained(): Driver {
    const driver = connected();
    driver.apply(retained("t"));
    return driver;
  }

  it.each([
    ["MQTT-3.3.1-9: Retain Handling 0", 0, ["t as of 1"], ["t as of 1", "t as of 1"]],
    ["MQTT-3.3.1-10: 1, if the subscription is new", 1, ["t as of 1"], ["t as of 1"]],
    ["MQTT-3.3.1-11: 2", 2, [], []],
  ] as const)("%s", (_, retainHandling, first, second) => {
    const driver = withRetained();
    driver.apply(subscribe(1, 1, { filter: "t", retainHandling }));
    expect(passes(driver)).toEqual(first);
    driver.apply(subscribe(1, 1, { filter: "t", retainHandling }));
    expect(passes(driver)).toEqual(second);
  });

  it("are one pass a command, of the filters that may match any", () => {
    const driver = withRetained();
    driver.apply(
      message("u"),
      subscribe(1, 1, { filter: "u" }, { filter: "t" }, { filter: "x/+" }, { filter: "none" }),
    );
    expect(passes(driver)).toEqual(["t,x/+ as of 2"]);
    expect(driver.machine.session(1)?.passes[0]).toMatchObject({ source: 1, through: 0 });
  });

  it("a filter twice in one command counts as it is said last", () => {
    const driver = withRetained();
    driver.apply(subscribe(1, 1, { filter: "t", qos: 0 }, { filter: "t", qos: 2 }));
    expect(driver.machine.session(1)?.passes).toMatchObject([{ subscriptions: [{ filter: "t", qos: 2 }] }]);
  });

  it("no pass when there is none, or it is expired", () => {
    const driver = connected();
    driver.apply(subscribe(1, 1, { filter: "#" }));
    expect(passes(driver)).toEqual([]);
    driver.apply(publishOf("t", "x", {}, { retain: true, expiresAtMs: driver.timeMs + 1000 }));
    driver.timeMs += 1000;
    driver.apply(subscribe(1, 1, { filter: "t" }));
    expect(passes(driver)).toEqual([]);
  });

  it("no pass for a share, nor for a session that is not kept", () => {
    const driver = withRetained();
    driver.apply(open("b", { expirySeconds: 0 }));
    driver.apply(subscribe(1, 1, { filter: "t", share: "s" }), subscribe(2, 1, { filter: "t", share: "s" }));
    expect([driver.machine.session(1)?.passes, driver.machine.session(2)?.passes]).toEqual([[], []]);
  });

  describe("what is gone of a pass", () => {
    /** A session with a pass over r/1 to r/3, all of QoS 2; positions 1 to 3. */
    function withThree(): Driver {
      const driver = connected();
      for (const topic of ["r/1", "r/2", "r/3"]) driver.apply(publishOf(topic, "x", {}, AT_TWO));
      driver.apply(subscribe(1, 1, { filter: "r/+", qos: 2 }));
      return driver;
    }
    const AT_TWO = { retain: true, qos: 2 } as const;
    const gone = (driver: Driver): readonly number[] | undefined =>
      driver.machine.session(1)!.passes[0]?.gone;
    const ofPass = { source: 1 };

    it.each<[string, Command, number[]]>([
      ["what is replaced", publishOf("r/2", "y", {}, AT_TWO), [2]],
      ["what is deleted", publishOf("r/2", "", {}, AT_TWO), [2]],
      ["what goes with its topic", { kind: "delete-topic", topic: "r/2" }, [2]],
      ["not what stays", publishOf("r/2", "y", {}, { qos: 2 }), []],
      ["not what is another's", publishOf("x", "y", {}, AT_TWO), []],
    ])("is %s", (_, command, expected) => {
      const driver = withThree();
      driver.apply(command);
      expect(gone(driver)).toEqual(expected);
      driver.checkpoint();
      driver.restart();
      expect(gone(driver)).toEqual(expected);
    });

    it("is in order, and once", () => {
      const driver = withThree();
      for (const topic of ["r/3", "r/1", "r/1"]) driver.apply(publishOf(topic, "y", {}, AT_TWO));
      expect(gone(driver)).toEqual([1, 3]);
    });

    it.each<[string, Partial<SessionProgress>, number[] | undefined]>([
      ["acknowledged", { ...ofPass, done: [2] }, [1, 3]],
      ["received: PUBREL is owed anyway", { ...ofPass, received: [2] }, [1, 3]],
      ["passed by the cursor", { ...ofPass, through: 2 }, [3]],
      ["all of it dealt with", { ...ofPass, through: 3 }, undefined],
    ])("is forgotten when it is %s", (_, news, expected) => {
      const driver = withThree();
      for (const topic of ["r/1", "r/2", "r/3"]) driver.apply(publishOf(topic, "y", {}, AT_TWO));
      driver.apply(progress(1, 1, news));
      expect(gone(driver)).toEqual(expected);
    });

    it("is not what was acknowledged, nor what is for a lower QoS, nor the session's own with No Local", () => {
      const driver = withThree();
      driver.apply(progress(1, 1, { ...ofPass, done: [2] }), publishOf("r/2", "y", {}, AT_TWO));
      expect(gone(driver)).toEqual([]);
      driver.apply(publishOf("own", "x", { publisher: 1 }, AT_TWO), publishOf("low", "x", {}, AT_TWO));
      driver.apply(subscribe(1, 1, { filter: "own", qos: 2, noLocal: true }, { filter: "low", qos: 1 }));
      driver.apply(publishOf("own", "", {}, AT_TWO), publishOf("low", "", {}, AT_TWO));
      expect(driver.machine.session(1)?.passes.map((pass) => pass.gone)).toEqual([[], []]);
    });

    it("is kept track of up to a bound: of the first pass before the second, the lowest first", () => {
      const driver = connected();
      const topics = Array.from({ length: limits.unsettledMax + 10 }, (_, i) => `r/${i + 1}`);
      for (const topic of topics) driver.apply(publishOf(topic, "x", {}, AT_TWO));
      driver.apply(subscribe(1, 1, { filter: "#", qos: 2 }));
      driver.apply(subscribe(1, 1, { filter: "r/+", qos: 2 }));
      const ends = (): string[] =>
        driver.machine
          .session(1)!
          .passes.map((pass) => `${pass.gone.length} from ${pass.gone[0]} to ${pass.gone.at(-1)}`);
      const remove = (topic: string): void => void driver.apply(publishOf(topic, "", {}, AT_TWO));
      const half = limits.unsettledMax / 2;
      for (const topic of topics.slice(0, half + 5).reverse()) remove(topic);
      expect(ends()).toEqual([`${half + 5} from 1 to ${half + 5}`, `${half - 5} from 1 to ${half - 5}`]);
      for (const topic of topics.slice(half + 5).reverse()) remove(topic);
      expect(ends()).toEqual([
        `${limits.unsettledMax} from 1 to ${limits.unsettledMax}`,
        "0 from undefined to undefined",
      ]);
      driver.checkpoint();
      driver.restart();
      expect(ends()[0]).toBe(`${limits.unsettledMax} from 1 to ${limits.unsettledMax}`);
    });
  });

  it("a pass outlives the connection, and its subscription", () => {
    const driver = withRetained();
    driver.apply(subscribe(1, 1, { filter: "t" }), unsubscribe(1, 1, "t"), close(1, 1));
    driver.checkpoint();
    driver.restart();
    driver.apply(open("a"));
    expect(passes(driver)).toEqual(["t as of 1"]);
  });

  it("passes that nobody reads have a ceiling", () => {
    const driver = withRetained();
    for (let i = 0; i < MAX; i += 1) driver.apply(subscribe(1, 1, { filter: "t" }));
    expect(passes(driver)).toHaveLength(MAX);
    const result = driver.result(subscribe(1, 1, { filter: "t" }, { filter: "t", retainHandling: 2 }));
    expect(result).toEqual(subscribed(refused("too_many_subscriptions", true), taken(true)));
    driver.apply(progress(1, 1, { source: 1, through: 1 }));
    expect(driver.result(subscribe(1, 1, { filter: "t" }))).toEqual(subscribed(taken(true)));
  });
});
