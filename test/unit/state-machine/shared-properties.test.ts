/**
 * Shared subscriptions under whatever clients do: each message is with one member at a time, a message of QoS 2 with one for ever, none
 * is forgotten, and a machine that is restarted now and then does the same as one that goes on.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Command } from "../../../src/commands/command.js";
import type { Applied, SharedItem } from "../../../src/state-machine/effects.js";
import { publishOf } from "../commands/arbitrary-command.js";
import { Driver } from "./driver.js";
import { close, open, progress, subscribe } from "./session-script.js";

const CLIENTS = ["a", "b", "c", "d"] as const;
const SHARES = [
  { share: "g", filter: "t/#" },
  { share: "g", filter: "t/1" },
  { share: "h", filter: "t/+" },
] as const;
const CEILINGS = { sharedOutstandingMax: 3, sharedHeldMax: 8, sharedBacklogMax: 6, sharedWaitingMax: 9 };

type Op =
  | {
      readonly op: "open";
      readonly client: number;
      readonly node: string;
      readonly kept: boolean;
      readonly clean: boolean;
    }
  | { readonly op: "close"; readonly client: number }
  | { readonly op: "forget"; readonly client: number }
  | { readonly op: "join"; readonly client: number; readonly share: number; readonly qos: 0 | 1 | 2 }
  | { readonly op: "leave"; readonly client: number; readonly share: number }
  | { readonly op: "publish"; readonly topic: string; readonly qos: readonly (0 | 1 | 2)[] }
  | { readonly op: "done" | "received"; readonly client: number; readonly picks: readonly number[] }
  | { readonly op: "node-down"; readonly node: string }
  | { readonly op: "node-up"; readonly node: string }
  | { readonly op: "restart" };

const client = fc.nat(CLIENTS.length - 1);
const share = fc.nat(SHARES.length - 1);
const node = fc.constantFrom("1", "2");
const qos = fc.constantFrom<0 | 1 | 2>(0, 1, 1, 2, 2);
const picks = fc.array(fc.nat(10), { minLength: 1, maxLength: 3 });

const anyOp: fc.Arbitrary<Op> = fc.oneof(
  {
    arbitrary: fc.record({
      op: fc.constant("open"),
      client,
      node,
      kept: fc.boolean(),
      clean: fc.constantFrom(false, false, false, true),
    }),
    weight: 4,
  },
  { arbitrary: fc.record({ op: fc.constantFrom("close", "forget"), client }), weight: 2 },
  { arbitrary: fc.record({ op: fc.constant("join"), client, share, qos }), weight: 4 },
  { arbitrary: fc.record({ op: fc.constant("leave"), client, share }), weight: 1 },
  {
    arbitrary: fc.record({
      op: fc.constant("publish"),
      topic: fc.constantFrom("t/1", "t/2", "t/1/x", "u"),
      qos: fc.array(qos, { minLength: 1, maxLength: 5 }),
    }),
    weight: 6,
  },
  { arbitrary: fc.record({ op: fc.constantFrom("done", "received"), client, picks }), weight: 8 },
  { arbitrary: fc.record({ op: fc.constantFrom("node-down", "node-up"), node }), weight: 1 },
  { arbitrary: fc.record({ op: fc.constant("restart") }), weight: 2 },
);

/** One message of one share. */
const keyOf = ({ source, position }: { source: number; position: number }): string => `${source}@${position}`;

class World {
  readonly steady = new Driver(CEILINGS);
  readonly restarted = new Driver(CEILINGS);
  /** Messages for shares with subscribers. */
  offered = 0;
  /** Those that were given with QoS 0, or acknowledged. */
  readonly #finished = new Set<string>();
  /** Who was given a message with QoS 2. */
  readonly #promised = new Map<string, number>();

  run(op: Op): void {
    if (op.op === "restart") {
      this.restarted.checkpoint();
      this.restarted.restart();
      return;
    }
    if (op.op === "node-up") {
      this.steady.startAgain(op.node);
      this.restarted.startAgain(op.node);
      this.#apply(op.node, { kind: "node-up", mqtt: "" });
    } else if (op.op === "open") {
      const expirySeconds = op.kept ? 60 : 0;
      this.#apply(op.node, open(CLIENTS[op.client]!, { expirySeconds, cleanStart: op.clean }));
    } else {
      const command = this.#commandOf(op);
      if (command !== null) this.#apply("1", ...command);
    }
  }

  /** Everybody comes back and acknowledges everything. */
  finish(): void {
    for (const index of CLIENTS.keys())
      this.run({ op: "open", client: index, node: "1", kept: true, clean: false });
    for (let rounds = 0; rounds < 50; rounds += 1) {
      for (const index of CLIENTS.keys())
        this.run({ op: "done", client: index, picks: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] });
    }
    expect(this.steady.machine.sharedCounts()).toMatchObject({ held: 0, waiting: 0 });
  }

  check(): void {
    const { machine } = this.steady;
    expect(this.restarted.machine.stateHash()).toBe(machine.stateHash());
    const holders = new Map<string, number>();
    let held = 0;
    for (const session of machine.sessions(0, 100)) {
      const positions = new Map<number, number>();
      for (const item of session.shared) {
        held += 1;
        const key = keyOf(item);
        expect(holders.has(key), `${key} is with two`).toBe(false);
        expect(this.#finished.has(key), `${key} is over and held`).toBe(false);
        holders.set(key, session.number);
        positions.set(item.source, (positions.get(item.source) ?? 0) + 1);
        this.#checkPromise(session.number, item);
      }
      for (const count of positions.values())
        expect(count).toBeLessThanOrEqual(CEILINGS.sharedOutstandingMax);
    }
    const counts = machine.sharedCounts();
    expect(counts.held).toBe(held);
    expect(counts.waiting).toBeLessThanOrEqual(CEILINGS.sharedWaitingMax + CEILINGS.sharedHeldMax);
    const { waiting, lost, ended, unheard } = counts;
    expect(this.#finished.size + held + waiting + lost + ended + unheard).toBe(this.offered);
  }

  #commandOf(op: Op): Command[] | null {
    switch (op.op) {
      case "publish":
        return op.qos.map((level) => publishOf(op.topic, "x", {}, { qos: level }));
      case "forget":
        return [{ kind: "displace-session", clientId: CLIENTS[op.client]!, forget: true }];
      case "node-down": {
        const incarnation = this.steady.incarnationOf(op.node);
        return [{ kind: "node-down", node: op.node, incarnation }];
      }
      case "close":
      case "join":
      case "leave":
      case "done":
      case "received":
        return this.#ofSession(op);
      default:
        return null;
    }
  }

  #ofSession(op: Extract<Op, { op: "close" | "join" | "leave" | "done" | "received" }>): Command[] | null {
    const session = this.steady.machine.sessionOf(CLIENTS[op.client]!);
    if (session === undefined || session.owner === null) return null;
    const { number, epoch } = session;
    if (op.op === "close") return [close(number, epoch)];
    if (op.op === "join") return [subscribe(number, epoch, { ...SHARES[op.share]!, qos: op.qos })];
    if (op.op === "leave") {
      return [{ kind: "unsubscribe", session: number, epoch, filters: [SHARES[op.share]!] }];
    }
    const held = session.shared;
    const items = op.picks.map((pick) => held[pick]).filter((item) => item !== undefined);
    return items.map(({ source, position }) => {
      if (op.op === "done") this.#finished.add(keyOf({ source, position }));
      return progress(number, epoch, { source, [op.op]: [position] });
    });
  }

  #apply(origin: string, ...commands: Command[]): void {
    if (commands.length === 0) return;
    for (const command of commands) if (command.kind === "publish") this.#offer(command.topic);
    const applied = this.steady.applyFrom(origin, ...commands);
    expect(this.restarted.applyFrom(origin, ...commands)).toEqual(applied);
    this.#take(applied);
  }

  #offer(topic: string): void {
    const subscribed = new Set<number>();
    for (const { subscriptions } of this.steady.machine.sessions(0, 100)) {
      for (const { source, filter } of subscriptions) {
        const matches =
          filter === "t/1" ? topic === "t/1" : filter === "t/#" ? topic !== "u" : /^t\/[^/]*$/.test(topic);
        if (matches) subscribed.add(source);
      }
    }
    this.offered += subscribed.size;
  }

  #take(applied: Applied): void {
    for (const effect of applied.effects) {
      if (effect.kind !== "shared-assigned") continue;
      for (const item of effect.items) {
        const key = keyOf(item);
        expect(this.#finished.has(key), `${key} is over and given`).toBe(false);
        if (item.qos === 0) this.#finished.add(key);
        this.#checkPromise(effect.session, item);
      }
    }
  }

  /** What was given with QoS 2 goes to nobody else (MQTT-4.8.2-4, MQTT-4.8.2-5). */
  #checkPromise(session: number, item: SharedItem): void {
    const key = keyOf(item);
    const promised = this.#promised.get(key);
    if (promised !== undefined) expect(session, `${key} was promised`).toBe(promised);
    if (item.qos === 2) this.#promised.set(key, session);
  }
}

describe("shared subscriptions", () => {
  it("keep their promises whatever happens", () => {
    fc.assert(
      fc.property(fc.array(anyOp, { minLength: 1, maxLength: 60, size: "max" }), (ops) => {
        const world = new World();
        for (const op of ops) {
          world.run(op);
          world.check();
        }
        world.finish();
        world.check();
      }),
      { numRuns: 150 },
    );
  }, 60_000);
});
