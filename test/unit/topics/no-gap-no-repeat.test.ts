/**
 * Thousands of short lives from seeds: publishes, flushes, stalls, resumes, closes, filter changes, reads that land late,
 * retention, deleted topics, sinks that act from within or throw. An outside checker, which knows only what was published and what
 * the sinks saw, verifies that each had every match in order, once, or was told of the gap.
 */
import { expect, test } from "vitest";
import { seededRandom } from "../../../src/runtime/random.js";
import type { StoredMessage } from "../../../src/state-machine/effects.js";
import type { FilterSet } from "../../../src/topics/filter-set.js";
import type { DeliveryBatch, SubscriberSink, Subscription } from "../../../src/topics/subscriber.js";
import { Bench, CountingEncoder, filterSet } from "./fan-out-bench.js";

const SEEDS = 2_000;
const STEPS = 90;
const NAMES = ["a/1", "a/2", "b/1", "b/2", "c", "a"];
const SETS = [["a/1"], ["a/2"], ["#"], ["a/+"], ["a/1", "b/+"], ["c"], ["+/1"], ["b/#", "a/1"], ["a/#"], []];
const TIGHT = {
  flushBytesMax: 60,
  flushMessagesMax: 8,
  recentBatchBytesMax: 9_000,
  catchUpPageBytesMax: 40,
  catchUpPageMessagesMax: 4,
};

class World {
  readonly bench = new Bench(TIGHT);
  readonly clients: Client[] = [];
  readonly encoder = new CountingEncoder();
  readonly unit: () => number;
  /** No surprises any more: sinks take what comes. */
  isCalm = false;

  constructor(seed: number) {
    this.unit = seededRandom(seed).unit;
  }

  readonly below = (count: number): number => Math.floor(this.unit() * count);

  chance(probability: number): boolean {
    return !this.isCalm && this.unit() < probability;
  }

  filters(): FilterSet {
    return filterSet(...SETS[this.below(SETS.length)]!);
  }

  /** Other filters above some positions between the start and the head: a session that comes back. */
  changes(start: number): { at: number; filters: FilterSet }[] {
    const { head } = this.bench;
    const places = Array.from({ length: this.below(4) }, () => start + 1 + this.below(head - start));
    return start === head
      ? []
      : [...new Set(places)].sort((a, b) => a - b).map((at) => ({ at, filters: this.filters() }));
  }

  subscribe(): void {
    if (this.clients.length < 12) this.clients.push(new Client(this));
  }
}

/** A sink with its own whims, which remembers everything. */
class Client implements SubscriberSink {
  readonly world: World;
  readonly subscription: Subscription;
  readonly start: number;
  /** Which filters count from which position on. */
  readonly wanted: { after: number; filters: FilterSet }[];
  readonly seen: number[] = [];
  readonly gaps: { after: number; resumedAt: number }[] = [];
  end: "open" | "closed" | "deleted" | "failed" = "open";
  room: number;
  #isCalled = false;
  #lastCursor = 0;

  constructor(world: World) {
    this.world = world;
    const { head, brokers } = world.bench;
    const filters = world.filters();
    const after = world.unit() < 0.5 ? null : world.below(head + 1);
    this.start = after ?? head;
    const changes = world.changes(this.start);
    this.wanted = [
      { after: this.start, filters },
      ...changes.map((change) => ({ after: change.at, filters: change.filters })),
    ];
    this.room = world.below(3) === 0 ? world.below(6) : Number.POSITIVE_INFINITY;
    this.subscription = brokers.subscribe({ filters, sink: this, after, changes });
  }

  deliver(batch: DeliveryBatch): number {
    return this.#call(() => {
      expect(batch.encodedBy(this.world.encoder)).toEqual(batch.messages.map(({ position }) => position));
      expect(batch.messages.length).toBeGreaterThan(0);
      this.#misbehave();
      const taken = batch.messages.slice(0, this.room);
      this.room -= taken.length;
      for (const { position } of taken) this.#see(position);
      if (this.end !== "open") return batch.through;
      this.#act();
      if (taken.length === batch.messages.length) return batch.through;
      return taken.at(-1)?.position ?? batch.after;
    });
  }

  isWritable(): boolean {
    return this.room > 0;
  }

  gap(after: number, resumedAt: number): void {
    this.#call(() => {
      const before = Math.max(this.start, this.seen.at(-1) ?? 0, this.gaps.at(-1)?.resumedAt ?? 0);
      expect(after).toBeGreaterThanOrEqual(before);
      expect(resumedAt).toBeGreaterThan(after);
      this.gaps.push({ after, resumedAt });
      const isReal = ({ position, topic }: StoredMessage): boolean =>
        position > after &&
        position <= resumedAt &&
        this.wants(position, topic.name) &&
        position <= (this.world.bench.store.trimmed.get(topic.id) ?? 0);
      expect(this.world.bench.store.messages.some(isReal)).toBe(true);
      if (this.world.chance(0.3)) this.room = 0;
      this.#act();
    });
  }

  topicDeleted(): void {
    this.#call(() => {
      this.end = "deleted";
      if (this.world.chance(0.5)) this.world.subscribe();
    });
  }

  failed(): void {
    this.#call(() => {
      this.end = "failed";
    });
  }

  wants(position: number, topic: string): boolean {
    const segment = this.wanted.findLast(({ after }) => after < position);
    return segment?.filters.matches(topic) === true;
  }

  change(): void {
    if (this.end !== "open") return;
    const { head } = this.world.bench;
    const filters = this.world.filters();
    this.wanted.push({ after: Math.max(head, this.start), filters });
    this.subscription.change(filters);
  }

  close(): void {
    if (this.end === "open") this.end = "closed";
    this.subscription.close();
  }

  /** Everything up to the cursor that was wanted and is not excused was seen; nothing else was. */
  check(): void {
    const { cursor } = this.subscription;
    expect(cursor).toBeGreaterThanOrEqual(this.#lastCursor);
    this.#lastCursor = cursor;
    const { store, byId } = this.world.bench;
    const expected: number[] = [];
    const seen = new Set(this.seen);
    for (const { position, topic } of store.messages) {
      if (position <= this.start || !this.wants(position, topic.name)) continue;
      const isExcused =
        !byId.has(topic.id) ||
        (position <= (store.trimmed.get(topic.id) ?? 0) &&
          this.gaps.some(({ after, resumedAt }) => after < position && position <= resumedAt));
      if (seen.has(position) || (!isExcused && position <= cursor)) expected.push(position);
    }
    expect(this.seen).toEqual(expected);
  }

  #see(position: number): void {
    expect(position).toBeGreaterThan(this.seen.at(-1) ?? 0);
    this.seen.push(position);
  }

  /** No call comes after the end, none from within another of the same sink. */
  #call<Result>(call: () => Result): Result {
    expect(this.end).toBe("open");
    expect(this.#isCalled).toBe(false);
    this.#isCalled = true;
    try {
      return call();
    } finally {
      this.#isCalled = false;
    }
  }

  #misbehave(): void {
    if (this.world.chance(0.01)) throw new Error("broken socket");
  }

  /** What a sink may do to itself and to others from within a call. */
  #act(): void {
    const { world } = this;
    if (world.chance(0.06)) this.change();
    if (world.chance(0.04)) this.subscription.resume();
    if (world.chance(0.03)) world.subscribe();
    if (world.chance(0.02)) world.bench.brokers.flushNow();
    const other = world.clients[world.below(world.clients.length)];
    if (other !== undefined && other !== this && world.chance(0.03)) other.change();
    if (other !== undefined && other !== this && world.chance(0.02)) other.close();
    if (world.chance(0.02)) this.close();
  }
}

/** What can happen, with how often. */
const STEPS_BY_WEIGHT: readonly (readonly [number, (world: World) => void | Promise<void>])[] = [
  [30, (world) => void world.bench.publish(names(world, 1 + world.below(4)), 1 + world.below(9))],
  [2, (world) => void world.bench.publish(names(world, 30), 1 + world.below(9))],
  [14, ({ bench }) => bench.clock.turn()],
  [8, (world) => world.bench.clock.advance(world.below(60))],
  [8, (world) => world.subscribe()],
  [10, (world) => some(world, (client) => resumeWith(client, 1 + world.below(8)))],
  [4, (world) => some(world, (client) => resumeWith(client, Number.POSITIVE_INFINITY))],
  [4, (world) => some(world, stall)],
  [8, (world) => some(world, (client) => client.change())],
  [3, (world) => some(world, (client) => client.close())],
  [10, ({ bench }) => bench.store.land()],
  [5, (world) => world.bench.store.land(world.below(world.bench.store.lateReads))],
  [4, forgetRecent],
  [4, trim],
  [2, (world) => world.bench.delete(NAMES[world.below(NAMES.length)]!)],
  [2, (world) => void world.bench.create(NAMES[world.below(NAMES.length)]!)],
  [1, (world) => world.bench.brokers.flushNow()],
  [1, jump],
  [6, (world) => some(world, (client) => client.check())],
];

function names(world: World, count: number): string[] {
  const one = world.below(2) === 0 ? NAMES[world.below(NAMES.length)]! : null;
  return Array.from({ length: count }, () => one ?? NAMES[world.below(NAMES.length)]!);
}

function some(world: World, act: (client: Client) => void): void {
  const client = world.clients[world.below(world.clients.length)];
  if (client !== undefined) act(client);
}

function resumeWith(client: Client, room: number): void {
  client.room += room;
  client.subscription.resume();
}

function stall(client: Client): void {
  client.room = 0;
}

function forgetRecent({ bench, below }: World): void {
  bench.store.recentAbove = below(bench.head + 1);
}

function trim(world: World): void {
  const topic = world.bench.topics.get(NAMES[world.below(NAMES.length)]!);
  if (topic !== undefined) world.bench.store.trim(topic.id, world.below(world.bench.head + 1));
}

/** A snapshot brings messages that nobody published here. */
function jump(world: World): void {
  const bring = (): unknown => world.bench.append(names(world, 5));
  if (world.below(2) === 0) world.bench.install(bring);
  else bring();
}

function chosen(dice: number): (world: World) => void | Promise<void> {
  let left = dice;
  for (const [weight, step] of STEPS_BY_WEIGHT) {
    left -= weight;
    if (left < 0) return step;
  }
  throw new Error("the dice show too much");
}

async function live(seed: number): Promise<World> {
  const world = new World(seed);
  const total = STEPS_BY_WEIGHT.reduce((sum, [weight]) => sum + weight, 0);
  for (let step = 0; step < STEPS; step += 1) {
    await chosen(world.unit() * total)(world);
  }
  // Calm: everybody takes everything, and each must come to the head.
  world.isCalm = true;
  world.bench.install(() => undefined);
  for (const client of world.clients) resumeWith(client, Number.POSITIVE_INFINITY);
  await world.bench.settle();
  return world;
}

test(`${SEEDS} lives: each subscriber sees every match in order, once, or an explicit gap`, async () => {
  const ends = new Map<string, number>();
  let gaps = 0;
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    try {
      const world = await live(seed);
      for (const client of world.clients) {
        client.check();
        ends.set(client.end, (ends.get(client.end) ?? 0) + 1);
        gaps += client.gaps.length;
        if (client.end !== "open") continue;
        expect(client.subscription.cursor).toBeGreaterThanOrEqual(world.bench.head);
        expect(client.subscription.behind).toBe(false);
      }
      for (const error of world.bench.errors)
        expect(String(error)).toMatch(/broken socket|catch up|caught up/);
      expect(world.bench.brokers.stats()).toMatchObject({ behind: 0, queuedMessages: 0, queuedBytes: 0 });
      for (const client of world.clients) client.close();
      expect(world.bench.brokers.stats()).toMatchObject({ brokers: 0, subscriptions: 0 });
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
  // The lives were worth living: all that can happen did happen.
  for (const end of ["open", "closed", "deleted", "failed"]) expect(ends.get(end)).toBeGreaterThan(100);
  expect(gaps).toBeGreaterThan(100);
});
