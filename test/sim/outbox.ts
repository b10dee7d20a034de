/**
 * What a client of the simulation publishes, and what the standard asks of it for that: under which packet identifier, and what is sent
 * again. What it sends at one connection stands in the stream in that order.
 */
import type { Chance } from "./chance.js";
import { contentTypeOf, payloadOf } from "./ledger.js";
import type { MqttConnection } from "./mqtt-client.js";
import type { Setting } from "./setting.js";

const TOPICS = ["keep/a", "keep/b", "keep/b/c"];
/** Soon used again: what an identifier stood for before must be forgotten in time. */
const IDENTIFIERS = 7;
const UNDER_WAY_MAX = 5;

/** A publish of QoS 1 or 2 that is under way. */
interface Outgoing {
  readonly name: string;
  readonly topic: string;
  readonly qos: 1 | 2;
  readonly retain: boolean;
  readonly expirySeconds: number | null;
  /** Of QoS 1 each attempt may be taken: each has an identity of its own. */
  attempts: number;
  /** PUBREC came. */
  isReceived: boolean;
}

export class Outbox {
  readonly #name: string;
  readonly #setting: Setting;
  readonly #chance: Chance;
  readonly #outgoing = new Map<number, Outgoing>();
  /** Identities that were sent for the first time at `#connection`, in that order. */
  #sentHere: string[] = [];
  #connection: MqttConnection | null = null;
  #number = 0;
  #packetId = 0;

  constructor(name: string, setting: Setting, chance: Chance) {
    this.#name = name;
    this.#setting = setting;
    this.#chance = chance;
  }

  get isEmpty(): boolean {
    return this.#outgoing.size === 0;
  }

  /** One whose end is not known; `null` when there is none. */
  get open(): string | null {
    for (const { name } of this.#outgoing.values()) return name;
    return null;
  }

  publish(connection: MqttConnection): void {
    const chance = this.#chance;
    if (this.#outgoing.size >= UNDER_WAY_MAX) return;
    this.#number += 1;
    const qos = chance.pick([0, 1, 2, 2] as const);
    const outgoing = {
      name: `${this.#name}-q${this.#number}`,
      topic: chance.pick(TOPICS),
      retain: chance.of(0.15),
      expirySeconds: chance.of(0.1) ? 1 : null,
      attempts: 0,
      isReceived: false,
    };
    this.#setting.world.counts.publishes += 1;
    if (qos === 0) {
      this.#send(connection, 0, { ...outgoing, qos });
      return;
    }
    const messageId = this.nextPacketId();
    const kept = { ...outgoing, qos };
    this.#outgoing.set(messageId, kept);
    this.#send(connection, messageId, kept);
  }

  /** One that is free. */
  nextPacketId(): number {
    do this.#packetId = (this.#packetId % IDENTIFIERS) + 1;
    while (this.#outgoing.has(this.#packetId));
    return this.#packetId;
  }

  /** Another connection of the same session (MQTT-4.4.0-1). */
  sendAgain(connection: MqttConnection): void {
    for (const [messageId, outgoing] of this.#outgoing) {
      if (outgoing.isReceived) connection.send({ cmd: "pubrel", messageId, reasonCode: 0 });
      else this.#send(connection, messageId, outgoing);
    }
  }

  /** The session is another one: what was under way is forgotten at both ends. */
  forget(): void {
    this.#outgoing.clear();
  }

  /** PUBACK and PUBREC. */
  received(connection: MqttConnection, cmd: "puback" | "pubrec", messageId: number, reason: number): void {
    const { world, ledger } = this.#setting;
    const outgoing = this.#outgoing.get(messageId);
    world.tell(this.#name, `gets ${cmd} ${reason} for ${messageId}`);
    if (outgoing === undefined || (cmd === "puback") !== (outgoing.qos === 1)) {
      world.fail(`${this.#name} gets ${cmd} for ${messageId}, which is not under way`);
      return;
    }
    const id = idOf(outgoing);
    if (cmd === "puback" || reason >= 0x80) this.#outgoing.delete(messageId);
    if (reason >= 0x80) {
      // Whether an earlier attempt was taken is not known, where that is the same message.
      if (outgoing.qos === 1 || outgoing.attempts === 1) ledger.refused([id]);
      return;
    }
    world.check(ledger.find(id) !== undefined, () => `${cmd} for ${id}, which is nowhere`);
    this.#checkOrder(id);
    if (cmd === "puback") return;
    outgoing.isReceived = true;
    connection.send({ cmd: "pubrel", messageId, reasonCode: 0 });
  }

  /** PUBCOMP. */
  completed(messageId: number, reason: number): void {
    this.#setting.world.tell(this.#name, `gets PUBCOMP ${reason} for ${messageId}`);
    this.#outgoing.delete(messageId);
  }

  /** What was sent before it at this connection, and was taken, comes before it; and so on. */
  #checkOrder(id: string): void {
    const { world, ledger } = this.#setting;
    const at = this.#sentHere.indexOf(id);
    const position = ledger.find(id)?.position ?? 0;
    if (at < 0) return;
    for (const [i, other] of this.#sentHere.entries()) {
      const there = ledger.find(other)?.position;
      if (there === undefined || i === at) continue;
      const isInOrder = i < at ? there < position : there > position;
      world.check(isInOrder, () => `${id} is at ${position} and ${other} at ${there}, sent in another order`);
    }
  }

  #send(
    connection: MqttConnection,
    messageId: number,
    outgoing: Omit<Outgoing, "qos"> & { qos: 0 | 1 | 2 },
  ): void {
    if (this.#connection !== connection) this.#sentHere = [];
    this.#connection = connection;
    const { topic, qos, retain, expirySeconds } = outgoing;
    const dup = outgoing.attempts > 0;
    outgoing.attempts += 1;
    const id = idOf(outgoing);
    if (!dup || qos === 1) this.#sentHere.push(id);
    this.#setting.world.tell(this.#name, `publishes ${id}, QoS ${qos} as ${messageId}${dup ? " again" : ""}`);
    const expiry = expirySeconds === null ? {} : { messageExpiryInterval: expirySeconds };
    connection.send({
      cmd: "publish",
      topic,
      payload: Buffer.from(payloadOf(id, id.length)),
      qos,
      dup,
      retain,
      ...(qos === 0 ? {} : { messageId }),
      ...(connection.level === 5 ? { properties: { contentType: contentTypeOf(id), ...expiry } } : {}),
    });
  }
}

function idOf({ name, qos, attempts }: Pick<Outgoing, "name" | "attempts"> & { qos: 0 | 1 | 2 }): string {
  return qos === 1 && attempts > 1 ? `${name}r${attempts}` : name;
}
