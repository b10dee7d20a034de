/**
 * A publisher: commands one after the other or in bursts, with and without keys, answered or cut off. What a cut left unknown it
 * asks again, if it has a key. Every answer is checked against what the outside knows.
 */
import type { Command, OutgoingMessage } from "../../src/commands/command.js";
import type { CommandResult, Published } from "../../src/state-machine/effects.js";
import type { Chance } from "./chance.js";
import { contentTypeOf, payloadOf } from "./ledger.js";
import type { Life } from "./life.js";
import type { Setting } from "./setting.js";

const KEPT_TOPICS = ["keep/a", "keep/b", "keep/b/c"];
const PASSING_TOPICS = ["temp/a", "temp/b"];
/** An answer that is not there by then is not waited for (several voters: the leader may be cut off). */
const PATIENCE_MS = 1_500;
/** With one voter nothing can be in the way this long. */
const STUCK_MS = 10_000;
const BURST_MAX = 4;
/** After these nobody knows whether it was done. */
const UNKNOWN: ReadonlySet<string> = new Set(["shutting_down", "outcome_unknown"]);

/** A publish that can be repeated. */
interface Keyed {
  readonly key: string;
  readonly topic: string;
  readonly ids: readonly string[];
  readonly messages: readonly OutgoingMessage[];
  answer: Published | null;
  /** Somebody was told that it was done for the first time: nobody else is. */
  isTold: boolean;
}

interface Op {
  readonly life: Life;
  readonly command: Command;
  readonly ids: readonly string[];
  readonly keyed: Keyed | null;
  /** The key was used with another request before. */
  readonly conflicts: boolean;
  readonly sentMs: number;
  /** Whatever was acknowledged before this was sent comes before it. */
  readonly after: number;
}

export class Publisher {
  readonly name: string;
  /** Publishes no more by itself. */
  isQuiet = false;
  readonly #setting: Setting;
  readonly #chance: Chance;
  /** Of retention of topics: what else is drawn does not depend on it. */
  readonly #whims: Chance;
  readonly #door: () => Life | null;
  readonly #open = new Set<Op>();
  readonly #keys: Keyed[] = [];
  /** Keys whose first answer was cut off. */
  #unknown: Keyed[] = [];
  #number = 0;

  /** `door`: a node that takes commands now. */
  constructor(name: string, setting: Setting, door: () => Life | null) {
    this.name = name;
    this.#setting = setting;
    this.#chance = setting.world.chance.stream(`publisher ${name}`);
    this.#whims = this.#chance.stream("whims");
    this.#door = door;
    this.#think();
  }

  get waiting(): number {
    return this.#open.size;
  }

  get unknownKeys(): number {
    return this.#unknown.length;
  }

  /** A connection is gone: its answers will not come. */
  lost(life: Life): void {
    for (const op of [...this.#open]) if (op.life === life) this.#giveUp(op);
  }

  /** One publish more, to see that the node answers. */
  probe(): void {
    const life = this.#door();
    if (life !== null) this.#publish(life, this.#chance.pick(KEPT_TOPICS), 1);
  }

  /** What was cut off is asked again. */
  askAgain(): void {
    const life = this.#door();
    const keyed = this.#unknown.shift();
    if (life !== null && keyed !== undefined) this.#repeat(life, keyed);
    else if (keyed !== undefined) this.#unknown.push(keyed);
  }

  #think(): void {
    const { world, profile } = this.#setting;
    world.after(this.#chance.around(profile.thinkMs), () => {
      if (!this.isQuiet) this.#act();
      this.#expire();
      this.#think();
    });
  }

  #act(): void {
    const life = this.#door();
    if (life === null || this.#open.size >= BURST_MAX * 2) return;
    if (this.#setting.profile.topicRetention && this.#whims.of(0.15)) this.#setRetention(life);
    const times = this.#chance.of(0.2) ? this.#chance.whole(2, BURST_MAX) : 1;
    for (let i = 0; i < times && life.scope.alive; i += 1) this.#one(life);
  }

  #one(life: Life): void {
    const chance = this.#chance;
    const what = chance.unit();
    if (this.#unknown.length > 0 && what < 0.4) this.askAgain();
    else if (what < 0.55) this.#publish(life, chance.pick([...KEPT_TOPICS, ...PASSING_TOPICS]), 1);
    else if (what < 0.65) this.#publish(life, chance.pick(KEPT_TOPICS), chance.whole(2, 5));
    else if (what < 0.8) this.#publishWithKey(life);
    else if (what < 0.88 && this.#keys.length > 0) this.#repeat(life, chance.pick(this.#keys.slice(-8)));
    else if (what < 0.91) this.#conflict(life);
    else if (what < 0.95) this.#send(life, { kind: "delete-topic", topic: chance.pick(PASSING_TOPICS) });
    else this.#create(life);
  }

  #create(life: Life): void {
    const topic = this.#chance.pick(PASSING_TOPICS);
    this.#send(life, { kind: "create-topic", topic, retention: {}, ifMissing: this.#chance.of(0.5) });
  }

  /** By size, by age, by both or by the node's default. */
  #setRetention(life: Life): void {
    const chance = this.#whims;
    const bytes = chance.pick([null, chance.whole(100, 2_000)]);
    const ageMs = chance.pick([null, null, chance.whole(50, 5_000)]);
    const topic = chance.pick([...KEPT_TOPICS, ...PASSING_TOPICS]);
    this.#send(life, { kind: "update-topic", topic, retention: { bytes, ageMs } });
  }

  #messages(life: Life, count: number): { ids: string[]; messages: OutgoingMessage[] } {
    const chance = this.#chance;
    const ids: string[] = [];
    const messages: OutgoingMessage[] = [];
    for (let i = 0; i < count; i += 1) {
      this.#number += 1;
      const id = `${this.name}-${this.#number}`;
      const bytes = chance.of(0.05) ? 0 : chance.of(0.03) ? 900 : chance.whole(1, 40);
      ids.push(id);
      messages.push({
        payload: payloadOf(id, bytes),
        contentType: contentTypeOf(id),
        qos: chance.pick([0, 1]),
        retain: chance.of(0.2),
        expiresAtMs: chance.of(0.05) ? life.broker.nowMs() + chance.whole(1, 1_500) : 0,
        properties: new Uint8Array(0),
      });
    }
    return { ids, messages };
  }

  #publish(life: Life, topic: string, count: number): void {
    const { ids, messages } = this.#messages(life, count);
    this.#send(
      life,
      { kind: "publish", topic, messages, autoCreate: true, idempotency: null, publisher: 0, receipt: null },
      ids,
    );
  }

  #publishWithKey(life: Life): void {
    const { ids, messages } = this.#messages(life, this.#chance.whole(1, 3));
    const topic = this.#chance.pick(KEPT_TOPICS);
    this.#repeat(life, { key: `key of ${ids[0]}`, topic, ids, messages, answer: null, isTold: false });
  }

  #repeat(life: Life, keyed: Keyed): void {
    const { topic, messages, key, ids } = keyed;
    const idempotency = { key, digest: `digest of ${ids[0]}` };
    this.#send(
      life,
      { kind: "publish", topic, messages, autoCreate: true, idempotency, publisher: 0, receipt: null },
      ids,
      keyed,
    );
  }

  #conflict(life: Life): void {
    const answered = this.#keys.slice(-8);
    if (answered.length === 0) return;
    const { key, topic } = this.#chance.pick(answered);
    const { ids, messages } = this.#messages(life, 1);
    const idempotency = { key, digest: `digest of ${ids[0]}` };
    this.#send(
      life,
      { kind: "publish", topic, messages, autoCreate: true, idempotency, publisher: 0, receipt: null },
      ids,
      null,
      true,
    );
  }

  #send(
    life: Life,
    command: Command,
    ids: readonly string[] = [],
    keyed: Keyed | null = null,
    conflicts = false,
  ): void {
    const { world, ledger } = this.#setting;
    const op: Op = {
      life,
      command,
      ids,
      keyed,
      conflicts,
      sentMs: world.nowMs,
      after: ledger.acknowledgedThrough,
    };
    this.#open.add(op);
    if (ids.length > 0) world.counts.publishes += 1;
    world.tell(this.name, `${command.kind} ${ids.join(" ")}${keyed === null ? "" : " with its key"}`);
    life.submit(command, (result) => {
      this.#open.delete(op);
      this.#answered(op, result);
    });
  }

  #answered(op: Op, result: CommandResult): void {
    const { world, ledger } = this.#setting;
    world.tell(this.name, `${op.ids.join(" ")} ${tellOf(result)}`);
    if (result.kind === "published") this.#published(op, result);
    else if (op.command.kind === "publish" && result.kind === "failed") {
      world.check(
        op.conflicts === (result.code === "idempotency_conflict") || result.code !== "idempotency_conflict",
        () => `${op.ids.join(" ")} conflicts with nothing`,
      );
      if (UNKNOWN.has(result.code)) this.#giveUp(op);
      else if (op.keyed === null) ledger.refused(op.ids);
      // A key may be in the log already although this attempt was refused.
      else if (op.keyed.answer === null) this.#unknown.push(op.keyed);
    } else world.check(op.ids.length === 0, () => `a publish was answered ${result.kind}`);
  }

  #published(op: Op, answer: Published): void {
    const { world, ledger } = this.#setting;
    const { ids, keyed } = op;
    world.check(!op.conflicts, () => `${ids.join(" ")} was taken under the key of another`);
    ledger.acknowledged(ids, answer);
    if (!answer.replayed) {
      const isAfter = answer.firstPosition > op.after;
      world.check(isAfter, () => `${ids[0]} is at ${answer.firstPosition}, sent after ${op.after} was known`);
    }
    world.check(keyed !== null || !answer.replayed, () => `${ids[0]} has no key and is a repeat`);
    if (keyed === null) return;
    const first = keyed.answer;
    const isStable = first === null || sameAnswer(first, answer);
    world.check(isStable, () => `${keyed.key} was answered otherwise before`);
    world.check(answer.replayed || !keyed.isTold, () => `${keyed.key} was done for the first time twice`);
    if (!answer.replayed) keyed.isTold = true;
    if (first !== null) return;
    keyed.answer = answer;
    this.#keys.push(keyed);
    this.#unknown = this.#unknown.filter((other) => other !== keyed);
  }

  #giveUp(op: Op): void {
    this.#open.delete(op);
    const { keyed } = op;
    if (keyed !== null && keyed.answer === null && !this.#unknown.includes(keyed)) this.#unknown.push(keyed);
  }

  #expire(): void {
    const { world } = this.#setting;
    for (const op of [...this.#open]) {
      const ageMs = world.nowMs - op.sentMs;
      if (!op.life.isAlone && ageMs > PATIENCE_MS) this.#giveUp(op);
      if (op.life.isAlone && ageMs > STUCK_MS) world.fail(`${op.ids.join(" ")} is never answered`);
    }
  }
}

function sameAnswer(a: Published, b: Published): boolean {
  return (
    a.firstPosition === b.firstPosition &&
    a.firstOffset === b.firstOffset &&
    a.count === b.count &&
    a.timestampMs === b.timestampMs
  );
}

function tellOf(result: CommandResult): string {
  if (result.kind === "published") return `-> ${result.firstPosition}${result.replayed ? " again" : ""}`;
  return result.kind === "failed" ? `-> ${result.code}` : `-> ${result.kind}`;
}
