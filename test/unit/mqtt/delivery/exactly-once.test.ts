/**
 * Clients that keep their QoS 2 identifiers lose connections at random, and their nodes die with what was not committed. An outside checker, which
 * knows what was published and subscribed and what the clients saw, holds the promises: QoS 1 at least once, first deliveries in order; QoS 2 exactly
 * once; no identifier that could stand for two messages, with so few of them that positions collide all the time.
 */
import { expect, test, vi } from "vitest";
import type { SubscriptionOptions } from "../../../../src/commands/command.js";
import { limits } from "../../../../src/limits.js";
import { filterMatches } from "../../../../src/topics/topic-name.js";
import { type Client, OWN, REPLACED, type Seen, World } from "./support/lives.js";
import { options } from "./support/session.js";

vi.mock(import("../../../../src/edges/mqtt/delivery/packet-id.js"), async (original) => {
  const real = await original();
  const { scale } = await import("./support/scale.js");
  return {
    packetIdOf: (position) => real.packetIdOf(position, scale.ids),
    isSharedWithin: (position, after, through) => real.isSharedWithin(position, after, through, scale.ids),
    positionAbove: (after, id) => real.positionAbove(after, id, scale.ids),
  };
});
vi.mock(import("../../../../src/limits.js"), async (original) => {
  const real = await original();
  const { scale } = await import("./support/scale.js");
  const limits = { ...real.limits };
  Object.defineProperty(limits, "inflightMax", { get: () => scale.inflightMax });
  Object.defineProperty(limits, "unsettledMax", { get: () => scale.unsettledMax });
  return { ...real, limits };
});

const SEEDS = 400;
const STEPS = 160;
const TOPICS = ["a", "b", "c/1", "c/2", "s"];
const FILTERS = ["a", "b", "c/+", "#"];

const STEPS_BY_WEIGHT: readonly (readonly [number, (world: World, client: Client) => void])[] = [
  [26, (world) => world.publish(world.pick(TOPICS))],
  [24, (world) => world.node.commit(1 + world.below(6))],
  [24, (world) => world.turn()],
  [8, (world) => world.state.clock.advance(world.below(60))],
  [24, (world, client) => client.read(1 + world.below(6))],
  [20, (world, client) => client.answer(1 + world.below(4))],
  [6, (_, client) => client.shuffle()],
  [3, (_, client) => client.stall(true)],
  [6, (_, client) => client.stall(false)],
  [5, (world, client) => client.subscribe(own(world.pick(FILTERS), world.pick([1, 2, 2])))],
  [2, (world, client) => client.unsubscribe(world.pick(FILTERS))],
  [1, (_, client) => client.subscribe(own("r/+", 2))],
  [2, (world, client) => client.subscribe(own(world.pick(["q/+", "q/1", "+/2"]), world.pick([1, 2, 2])))],
  [1, (_, client) => client.unsubscribe("q/+")],
  [4, (world) => world.publish(world.pick(world.replaced), true)],
  [1, (world) => world.deleteRetained(world.pick(world.replaced))],
  [1, (_, client) => client.repeatPubrec()],
  [2, (_, client) => client.disconnect()],
  [1, (_, client) => client.lost()],
  [8, (_, client) => reconnect(client)],
  [1, (world) => world.die()],
  [1, (_, client) => client.connect()],
];

function own(filter: string, qos: 1 | 2): SubscriptionOptions {
  return options(filter, qos, { subscriptionId: OWN });
}

function reconnect(client: Client): void {
  if (!client.isConnected) client.connect();
}

function chosen(dice: number): (typeof STEPS_BY_WEIGHT)[number][1] {
  let left = dice;
  for (const [weight, step] of STEPS_BY_WEIGHT) {
    left -= weight;
    if (left < 0) return step;
  }
  throw new Error("the dice show too much");
}

function live(seed: number, isNarrow: boolean): World {
  const world = new World(seed, isNarrow);
  const total = STEPS_BY_WEIGHT.reduce((sum, [weight]) => sum + weight, 0);
  for (let step = 0; step < STEPS; step += 1) {
    chosen(world.unit() * total)(world, world.pick(world.clients));
  }
  calm(world);
  return world;
}

/** Everything is committed, read and acknowledged, until nothing comes any more. */
function calm(world: World): void {
  for (const client of world.clients) reconnect(client);
  for (let round = 0; round < 400; round += 1) {
    for (const client of world.clients) {
      client.stall(false);
      client.read(100);
      client.answer(100);
    }
    world.node.commit();
    world.state.clock.advance(limits.progressPeriodMs);
  }
}

function check(world: World): void {
  for (const client of world.clients) {
    const state = world.node.session(client.session)!;
    expect(state.shared).toEqual([]);
    expect(state.passes).toEqual([]);
    expect(state.live).toMatchObject({ done: [], received: [] });
    expect(client.unreleased, "wait for PUBREL").toEqual([]);
    checkLive(world, client);
    checkRetained(world, client);
  }
  checkShared(world);
}

/** Messages that come by a share as well are counted together: they have one identifier, and a client may take one copy for the other. */
function isShared({ topic }: { topic: string }): boolean {
  return topic === "s";
}

function isWanted(client: Client, topic: string, position: number): boolean {
  return client.spans.some(
    ({ filter, since, until }) => since < position && position <= until && filterMatches(filter, topic),
  );
}

function checkLive(world: World, client: Client): void {
  const counts = countsOf(client, "live");
  const wanted: number[] = [];
  for (const [index, message] of world.published.entries()) {
    const position = index + 1;
    if (isShared(message)) continue;
    const count = counts.get(position) ?? 0;
    if (!isWanted(client, message.topic, position)) expect(count, `${position} was not asked for`).toBe(0);
    else if (message.qos === 0) expect(count).toBeLessThanOrEqual(1);
    else if (!message.isExcused) {
      wanted.push(position);
      expect(count, `${position} is missing`).toBeGreaterThanOrEqual(1);
    }
  }
  const live = client.seen.filter(({ kind, qos }) => kind === "live" && qos > 0);
  const own = live.filter(({ position }) => !isShared(world.published[position - 1]!));
  for (const { position, qos } of own) {
    if (qos === 2) expect(counts.get(position), `${position} came more than once`).toBe(1);
  }
  const inOrder = own.filter(({ position }) => !world.published[position - 1]!.isExcused);
  expect([...new Set(inOrder.map(({ position }) => position))]).toEqual(wanted);
}

/** Each SUBSCRIBE to them asked for all; what was of QoS 0 on its way is lost with a connection, what is replaced or expires need not come. */
function checkRetained(world: World, client: Client): void {
  for (const [index, { topic, qos, retain }] of world.published.entries()) {
    const copies = client.seen.filter((it) => it.kind === "retained" && it.position === index + 1);
    if (!retain) expect(copies).toEqual([]);
    else if (qos > 0 && !REPLACED.includes(topic)) {
      expect(copies.length).toBeGreaterThanOrEqual(client.retainedWanted);
    }
    const once = copies.filter((it) => it.qos !== 1).length;
    expect(once, `${index + 1}, retained`).toBeLessThanOrEqual(client.asked.get(index + 1) ?? 0);
  }
}

/** A message of a share is for one of its members; whoever subscribed by himself gets it besides. */
function checkShared(world: World): void {
  for (const [index, message] of world.published.entries()) {
    if (!isShared(message)) continue;
    const position = index + 1;
    const ofPosition = world.clients.flatMap(({ seen }) => seen.filter((it) => it.position === position));
    const copies = world.clients.filter((client) => isWanted(client, message.topic, position)).length + 1;
    const once = ofPosition.filter(({ qos }) => qos !== 1).length;
    expect(once, `copies of ${position}`).toBeLessThanOrEqual(copies);
    if (message.qos === 0 || message.isExcused) continue;
    expect(ofPosition.length, `copies of ${position}`).toBeGreaterThanOrEqual(copies);
  }
}

function countsOf(client: Client, kind: Seen["kind"]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const seen of client.seen) {
    if (seen.kind === kind) counts.set(seen.position, 1 + (counts.get(seen.position) ?? 0));
  }
  return counts;
}

test.each([
  ["as many unsettled messages as usual", false],
  ["few unsettled messages, many that are replaced", true],
])(
  `%s, ${SEEDS} lives: at least once in order, exactly once, no identifier for two messages`,
  (_, isNarrow) => {
    let deaths = 0;
    let copies = 0;
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      try {
        const world = live(seed, isNarrow);
        check(world);
        deaths += world.deaths;
        for (const client of world.clients) copies += client.seen.length;
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
    expect(deaths).toBeGreaterThan(SEEDS / 2);
    expect(copies).toBeGreaterThan(20 * SEEDS);
  },
);
