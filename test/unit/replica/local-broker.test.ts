/** What edges read through the broker's front, over a real machine and a real store that keeps nothing in memory, or everything. */
import { afterEach, describe, expect, it } from "vitest";
import { LocalBroker } from "../../../src/replica/local-broker.js";
import type { StoredMessage } from "../../../src/state-machine/effects.js";
import { SegmentStore } from "../../../src/store/segment-store.js";
import { FilterSet } from "../../../src/topics/filter-set.js";
import { EMPTY_MARK, FOREVER, policy, show } from "../../contracts/message-store.stream.js";
import { publishOf } from "../commands/arbitrary-command.js";
import { appended, Driver } from "../state-machine/driver.js";
import { CrashingDisk } from "../store/crashing-disk.js";

const unused = (): never => {
  throw new Error("not asked here");
};

class Home {
  readonly driver = new Driver();
  readonly store: SegmentStore;
  readonly broker: LocalBroker;

  constructor(recentBytesMax: number) {
    this.store = new SegmentStore({
      dir: "/d",
      disk: new CrashingDisk(),
      segmentBytes: 4_000,
      recentBytesMax,
    });
    const { driver, store } = this;
    this.broker = new LocalBroker({
      replica: {
        get machine() {
          return driver.machine;
        },
      },
      store,
      brokers: { subscribe: unused },
      submitter: { submit: unused, saturated: false, onceDrained: unused },
      sessions: { listen: unused },
      presence: { otherNode: unused },
      eventIds: unused,
      readiness: unused,
      status: unused,
      nowMs: () => driver.timeMs,
      historyBytesMax: 1e6,
      topicsMax: 1e6,
    });
  }

  /** One message to each topic, in an entry and on the disk by itself. */
  async publish(...topics: string[]): Promise<StoredMessage[]> {
    const all: StoredMessage[] = [];
    for (const topic of topics) {
      this.driver.timeMs += 1_000;
      const messages = appended(
        this.driver.apply(publishOf(topic, `to ${topic}`, {}, { properties: Buffer.from([1, 1]) })),
      );
      this.store.append(messages);
      await this.store.sync();
      all.push(...messages);
    }
    return all;
  }

  id(topic: string): number {
    return this.driver.machine.topicByName(topic)!.id;
  }

  /** Takes everything of a topic that is older than the present. */
  async trim(topic: string): Promise<void> {
    const id = this.id(topic);
    const topicPolicy = (of: number) => (of === id ? { ...FOREVER, ageMs: 0 } : FOREVER);
    await this.store.retain(policy({ nowMs: this.driver.timeMs + 1, topic: topicPolicy }));
  }
}

const homes: Home[] = [];
afterEach(async () => {
  for (const { store } of homes.splice(0)) await store.close();
});

async function homeWith(recentBytesMax: number): Promise<Home> {
  const home = new Home(recentBytesMax);
  await home.store.open(EMPTY_MARK, (id) => home.driver.machine.topicById(id)?.ref);
  homes.push(home);
  return home;
}

describe.each([
  ["in memory", 1e6],
  ["on disk", 0],
])("one message by its topic and position, %s", (_, recentBytesMax) => {
  it("is given whole", async () => {
    const home = await homeWith(recentBytesMax);
    const messages = await home.publish("a", "b", "a", "a", "b");
    for (const message of messages) {
      const found = await home.broker.messageAt(message.topic.id, message.position);
      expect(show(found!)).toBe(show(message));
    }
  });

  it("is nothing where there is another topic's, where none is yet, once it is trimmed, and once its topic is gone", async () => {
    const home = await homeWith(recentBytesMax);
    await home.publish("a", "b", "a");
    expect(await home.broker.messageAt(home.id("a"), 2)).toBeNull();
    expect(await home.broker.messageAt(home.id("a"), 4)).toBeNull();
    await home.trim("a");
    expect(await home.broker.messageAt(home.id("a"), 1)).toBeNull();
    expect(await home.broker.messageAt(home.id("b"), 2)).not.toBeNull();
    home.store.forget(home.id("b"));
    expect(await home.broker.messageAt(home.id("b"), 2)).toBeNull();
  });
});

it("of what is in memory it is given at once", async () => {
  const home = await homeWith(1e6);
  await home.publish("a");
  expect(home.broker.messageAt(home.id("a"), 1)).toMatchObject({ position: 1 });
});

it("says up to where something was trimmed that the filters match", async () => {
  const home = await homeWith(0);
  const trimmed = (...filters: string[]): number =>
    home.broker.trimmedThrough(new FilterSet(filters.map((filter) => ({ filter, qos: 1 as const }))));
  await home.publish("a/1", "a/2", "b/1", "a/1", "b/1");
  expect(trimmed("#")).toBe(0);
  await home.trim("a/1");
  await home.trim("b/1");
  expect(trimmed("#")).toBe(5);
  expect(trimmed("a/+")).toBe(4);
  expect(trimmed("a/1", "nothing")).toBe(4);
  expect(trimmed("a/2", "+")).toBe(0);
  expect(trimmed("a/2", ...Array.from({ length: 20 }, (_, i) => `b/${i}/#`))).toBe(5);
  expect(trimmed()).toBe(0);
});
