/** Who is told what of `$SYS`, and when. */
import { beforeEach, describe, expect, it, test } from "vitest";
import type { SubscriptionOptions } from "../../../../src/commands/command.js";
import { isSysFilter, SysBoard, type SysWatcher } from "../../../../src/edges/mqtt/sys/sys-board.js";
import { TurnBudget } from "../../../../src/edges/mqtt/turn-budget.js";
import { ManualClock } from "../../../support/manual-clock.js";

const INTERVAL_MS = 10_000;

let clock: ManualClock;
let texts: Record<string, string>;
let samples: number;
let looks: number;
let board: SysBoard;
beforeEach(() => {
  texts = { "$SYS/broker/uptime": "0 seconds", "$SYS/broker/clients/connected": "1" };
  board = boardOf(INTERVAL_MS);
});

function boardOf(intervalMs: number): SysBoard {
  clock = new ManualClock();
  samples = 0;
  looks = 0;
  const made = new SysBoard({
    intervalMs,
    sample: () => {
      samples += 1;
    },
    topics: () => {
      looks += 1;
      return Object.entries(texts);
    },
    clock,
    turnBudget: new TurnBudget(clock),
  });
  made.start();
  return made;
}

const filter = (text: string, change: Partial<SubscriptionOptions> = {}): SubscriptionOptions => ({
  filter: text,
  share: "",
  qos: 2,
  noLocal: false,
  retainAsPublished: false,
  retainHandling: 0,
  subscriptionId: 0,
  ...change,
});

class Watcher implements SysWatcher {
  readonly told: string[] = [];

  announce(...[messages, filters, isRetained]: Parameters<SysWatcher["announce"]>): void {
    for (const { topic, payload, qos } of messages) {
      if (!filters.matches(topic.name)) continue;
      const name = topic.name.replace("$SYS/broker/", "");
      this.told.push(`${name}=${Buffer.from(payload).toString()} qos${qos}${isRetained ? " retained" : ""}`);
    }
  }

  take(): string[] {
    return this.told.splice(0);
  }
}

describe("a client that subscribes", () => {
  it("gets all that match at once, and then what changes", () => {
    const watcher = new Watcher();
    const all = [filter("$SYS/#")];
    board.watch(watcher, all, all);
    expect(watcher.take()).toEqual(["uptime=0 seconds qos0 retained", "clients/connected=1 qos0 retained"]);
    texts["$SYS/broker/uptime"] = "10 seconds";
    clock.advance(INTERVAL_MS);
    expect(watcher.take()).toEqual(["uptime=10 seconds qos0"]);
    clock.advance(INTERVAL_MS);
    expect(watcher.take()).toEqual([]);
  });

  it("gets of what it wants only", () => {
    const watcher = new Watcher();
    board.watch(watcher, [filter("$SYS/#"), filter("$SYS/broker/uptime")], [filter("$SYS/broker/uptime")]);
    expect(watcher.take()).toEqual(["uptime=0 seconds qos0 retained"]);
    board.watch(watcher, [filter("$SYS/#")], []);
    expect(watcher.take()).toEqual([]);
  });

  it("later gets what there is then, as of the last interval", () => {
    const first = new Watcher();
    board.watch(first, [filter("$SYS/#")], []);
    texts["$SYS/broker/clients/connected"] = "2";
    const second = new Watcher();
    board.watch(second, [filter("$SYS/broker/clients/+")], [filter("$SYS/broker/clients/+")]);
    expect(second.take()).toEqual(["clients/connected=1 qos0 retained"]);
    clock.advance(INTERVAL_MS);
    expect([first.take(), second.take()]).toEqual([
      ["clients/connected=2 qos0"],
      ["clients/connected=2 qos0"],
    ]);
  });

  it("and unsubscribes, or leaves, is told nothing more", () => {
    const watchers = [new Watcher(), new Watcher()] as const;
    for (const watcher of watchers) board.watch(watcher, [filter("$SYS/#")], []);
    expect(board.isWatching(watchers[0])).toBe(true);
    board.watch(watchers[0], [], []);
    board.leave(watchers[1]);
    texts["$SYS/broker/uptime"] = "10 seconds";
    clock.advance(INTERVAL_MS);
    expect(watchers.map((watcher) => [watcher.take(), board.isWatching(watcher)])).toEqual([
      [[], false],
      [[], false],
    ]);
  });
});

describe("what it costs", () => {
  it("nothing is looked at while nobody watches, but the averages go on", () => {
    clock.advance(5 * INTERVAL_MS);
    expect([looks, samples]).toEqual([0, 5]);
    const watcher = new Watcher();
    texts["$SYS/broker/uptime"] = "50 seconds";
    board.watch(watcher, [filter("$SYS/#")], [filter("$SYS/#")]);
    expect(watcher.take()).toContain("uptime=50 seconds qos0 retained");
    expect(looks).toBe(1);
  });

  it("subscribing again and again looks once an interval", () => {
    const watcher = new Watcher();
    for (let i = 0; i < 10; i += 1) board.watch(watcher, [filter("$SYS/#")], [filter("$SYS/#")]);
    expect(looks).toBe(1);
  });

  it("stopped, it says nothing", () => {
    const watcher = new Watcher();
    board.watch(watcher, [filter("$SYS/#")], []);
    board.stop();
    texts["$SYS/broker/uptime"] = "10 seconds";
    clock.advance(3 * INTERVAL_MS);
    expect([watcher.take(), samples]).toEqual([[], 0]);
  });

  it("an interval of 0 is never: there are no such topics", () => {
    board = boardOf(0);
    const watcher = new Watcher();
    board.watch(watcher, [filter("$SYS/#")], [filter("$SYS/#")]);
    clock.advance(10 * INTERVAL_MS);
    expect([watcher.take(), looks, samples, board.isWatching(watcher)]).toEqual([[], 0, 0, false]);
  });
});

test.each<[boolean, string, string]>([
  [true, "$SYS/#", ""],
  [true, "$SYS/broker/+/connected", ""],
  [true, "$SYS/+", ""],
  [false, "$SYS/#", "share"],
  [false, "#", ""],
  [false, "+/broker/uptime", ""],
  [false, "$SYS", ""],
  [false, "$SYSTEM/#", ""],
  [false, "$sys/#", ""],
])("%s: %s of the share %j may match", (expected, name, share) => {
  expect(isSysFilter({ filter: name, share })).toBe(expected);
});
