/** What sessions and shares hold back, told by a real machine. */
import { describe, expect, it } from "vitest";
import type { Command, SubscriptionOptions } from "../../../src/commands/command.js";
import { SessionHolds } from "../../../src/replica/session-holds.js";
import { publishOf } from "../commands/arbitrary-command.js";
import { Driver } from "../state-machine/driver.js";
import { close, open, progress, subscribe, unsubscribe } from "../state-machine/session-script.js";

type Subscriptions = readonly (Partial<SubscriptionOptions> & { filter: string })[];

class Story {
  readonly driver = new Driver();
  yields = 0;

  /** Connects; gives what speaks for the session. */
  open(clientId: string, changes: Parameters<typeof open>[1] = {}): { session: number; epoch: number } {
    const result = this.driver.result(open(clientId, changes));
    if (result.kind !== "opened") throw new Error(JSON.stringify(result));
    return result;
  }

  /** A session that subscribed at the present head and went away. */
  offline(clientId: string, ...subscriptions: Subscriptions): { session: number; epoch: number } {
    const { session, epoch } = this.open(clientId);
    this.apply(subscribe(session, epoch, ...subscriptions), close(session, epoch));
    return { session, epoch };
  }

  apply(...commands: Command[]): void {
    this.driver.apply(...commands);
  }

  /** One message to each topic; returns the position of the last. */
  publish(...topics: string[]): number {
    this.apply(...topics.map((topic) => publishOf(topic, "x")));
    return this.driver.machine.head;
  }

  /** What is held when of these topics everything would go up to these positions. */
  async holds(wouldGo: Record<string, number>): Promise<SessionHolds> {
    const holds = new SessionHolds(
      () => this.driver.machine,
      async () => {
        this.yields += 1;
      },
    );
    await holds.gather(this.byId(wouldGo));
    return holds;
  }

  async above(wouldGo: Record<string, number>): Promise<Record<string, number>> {
    const holds = await this.holds(wouldGo);
    const held = Object.keys(wouldGo).map((name) => [name, holds.above(this.#id(name))] as const);
    return Object.fromEntries(held.filter(([, position]) => position !== Number.POSITIVE_INFINITY));
  }

  byId(positions: Record<string, number>): ReadonlyMap<number, number> {
    return new Map(Object.entries(positions).map(([name, position]) => [this.#id(name), position]));
  }

  #id(name: string): number {
    return this.driver.machine.topicByName(name)!.id;
  }
}

describe("a kept session holds back what it has not got", () => {
  it("of the topics that it subscribed to, from where it stands", async () => {
    const story = new Story();
    story.publish("a", "b", "c");
    story.offline("one", { filter: "a" }, { filter: "b/#" });
    story.publish("a", "b", "c", "b/x");
    expect(await story.above({ a: 4, b: 5, c: 6, "b/x": 7 })).toEqual({ a: 3, b: 3, "b/x": 3 });
  });

  it("but nothing of what would not go anyway", async () => {
    const story = new Story();
    story.publish("a");
    story.offline("one", { filter: "a" });
    story.publish("a");
    story.publish("b");
    expect(await story.above({ a: 1 })).toEqual({});
    expect(await story.above({ a: 1, b: 3 })).toEqual({});
    expect(await story.above({})).toEqual({});
  });

  it("and the one that is furthest back decides", async () => {
    const story = new Story();
    story.publish("a");
    const late = story.offline("late", { filter: "a", qos: 2 });
    story.publish("a");
    story.offline("later", { filter: "a" });
    story.publish("a");
    expect(await story.above({ a: 3 })).toEqual({ a: 1 });
    const { session, epoch } = story.open("late");
    expect(session).toBe(late.session);
    story.apply(progress(session, epoch, { through: 3 }));
    expect(await story.above({ a: 3 })).toEqual({ a: 2 });
    story.publish("a");
    expect(await story.above({ a: 4 })).toEqual({ a: 2 });
    story.offline("last", { filter: "a" }, { filter: "+" });
    story.publish("a");
    expect(await story.above({ a: 5 })).toEqual({ a: 2 });
  });

  it("from where each subscription begins, when that is later", async () => {
    const story = new Story();
    const { session, epoch } = story.open("one");
    story.apply(subscribe(session, epoch, { filter: "a" }));
    story.publish("a", "b");
    story.apply(subscribe(session, epoch, { filter: "b" }));
    story.publish("a", "b");
    expect(await story.above({ a: 3, b: 4 })).toEqual({ a: 0, b: 2 });
  });

  it("also by a subscription that it gave up, until its cursor has passed that", async () => {
    const story = new Story();
    const { session, epoch } = story.open("one");
    story.apply(subscribe(session, epoch, { filter: "a" }));
    story.publish("a");
    story.apply(unsubscribe(session, epoch, "a"));
    story.publish("a");
    expect(await story.above({ a: 2 })).toEqual({ a: 0 });
    story.apply(progress(session, epoch, { through: 1 }));
    expect(await story.above({ a: 2 })).toEqual({});
  });

  it("but nothing at QoS 0, and nothing when it ends with its connection", async () => {
    const story = new Story();
    story.offline("careless", { filter: "a", qos: 0 });
    const { session, epoch } = story.open("clean", { cleanStart: true, expirySeconds: 0 });
    story.apply(subscribe(session, epoch, { filter: "a" }));
    story.publish("a");
    expect(await story.above({ a: 1 })).toEqual({});
  });

  it("and a share holds what it did not get rid of, as long as a session has it", async () => {
    const story = new Story();
    story.publish("jobs/1");
    story.offline("worker", { filter: "jobs/+", share: "g" });
    story.publish("jobs/1", "jobs/1");
    expect(await story.above({ "jobs/1": 3 })).toEqual({ "jobs/1": 1 });
    const { session, epoch } = story.open("worker", { cleanStart: true });
    story.apply(close(session, epoch));
    expect(await story.above({ "jobs/1": 3 })).toEqual({});
  });
});

describe("those who lose something are counted", () => {
  it("once each, and only if they had not got that far", async () => {
    const story = new Story();
    story.publish("a", "b", "c");
    story.offline("both", { filter: "a" }, { filter: "+" });
    story.offline("one", { filter: "b" });
    story.publish("a", "b", "c");
    story.offline("later", { filter: "#" }, { filter: "+" });
    story.offline("share", { filter: "a", share: "g" });
    story.publish("a", "b", "c");
    const holds = await story.holds({ a: 7, b: 8, c: 9 });
    const count = (lost: Record<string, number>): number => holds.sessionsThatLose(story.byId(lost));
    expect(count({})).toBe(0);
    expect(count({ a: 4 })).toBe(1);
    expect(count({ b: 5 })).toBe(2);
    expect(count({ a: 4, b: 5, c: 6 })).toBe(2);
    expect(count({ c: 9 })).toBe(2);
    expect(count({ a: 7, b: 8 })).toBe(3);
  });
});

it("goes through many sessions in turns, with the present machine after each", async () => {
  const story = new Story();
  for (let i = 0; i < 500; i += 1) {
    story.offline(`c${i}`, ...Array.from({ length: 10 }, (_, at) => ({ filter: `t/${i}/${at}` })));
  }
  story.publish("t/499/9");
  const holds = new SessionHolds(
    () => story.driver.machine,
    async () => {
      story.yields += 1;
      story.driver.checkpoint();
      story.driver.restart();
    },
  );
  await holds.gather(story.byId({ "t/499/9": 1 }));
  expect(story.yields).toBeGreaterThanOrEqual(2);
  expect(holds.above(story.driver.machine.topicByName("t/499/9")!.id)).toBe(0);
});
