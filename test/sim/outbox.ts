/** What a client of the simulation publishes at QoS 2, and what the standard asks of it for that: under which packet identifier, and what is sent again. */
import type { Chance } from "./chance.js";
import { contentTypeOf, payloadOf } from "./ledger.js";
import type { MqttConnection } from "./mqtt-client.js";
import type { Setting } from "./setting.js";

const TOPICS = ["keep/a", "keep/b", "keep/b/c"];
/** Soon used again: what an identifier stood for before must be forgotten in time. */
const IDENTIFIERS = 7;
const UNDER_WAY_MAX = 5;

/** A publish of QoS 2 that is under way. */
interface Outgoing {
  readonly id: string;
  readonly topic: string;
  /** PUBREC came. */
  isReceived: boolean;
}

export class Outbox {
  readonly #name: string;
  readonly #setting: Setting;
  readonly #chance: Chance;
  readonly #outgoing = new Map<number, Outgoing>();
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
    for (const { id } of this.#outgoing.values()) return id;
    return null;
  }

  publish(connection: MqttConnection): void {
    if (this.#outgoing.size >= UNDER_WAY_MAX) return;
    this.#number += 1;
    const id = `${this.#name}-q${this.#number}`;
    const outgoing = { id, topic: this.#chance.pick(TOPICS), isReceived: false };
    const messageId = this.nextPacketId();
    this.#outgoing.set(messageId, outgoing);
    this.#setting.world.counts.publishes += 1;
    this.#send(connection, messageId, outgoing, false);
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
      else this.#send(connection, messageId, outgoing, true);
    }
  }

  /** The session is another one: what was under way is forgotten at both ends. */
  forget(): void {
    this.#outgoing.clear();
  }

  /** PUBREC. */
  received(connection: MqttConnection, messageId: number, reason: number): void {
    const { world, ledger } = this.#setting;
    const outgoing = this.#outgoing.get(messageId);
    world.tell(this.#name, `gets PUBREC ${reason} for ${messageId}`);
    if (outgoing === undefined) {
      world.fail(`${this.#name} gets PUBREC for ${messageId}, which is not under way`);
      return;
    }
    if (reason >= 0x80) {
      // Whether an earlier attempt was taken is not known.
      this.#outgoing.delete(messageId);
      return;
    }
    world.check(ledger.find(outgoing.id) !== undefined, () => `PUBREC for ${outgoing.id}, which is nowhere`);
    outgoing.isReceived = true;
    connection.send({ cmd: "pubrel", messageId, reasonCode: 0 });
  }

  /** PUBCOMP. */
  completed(messageId: number, reason: number): void {
    this.#setting.world.tell(this.#name, `gets PUBCOMP ${reason} for ${messageId}`);
    this.#outgoing.delete(messageId);
  }

  #send(connection: MqttConnection, messageId: number, { id, topic }: Outgoing, dup: boolean): void {
    this.#setting.world.tell(this.#name, `publishes ${id} as ${messageId}${dup ? " again" : ""}`);
    connection.send({
      cmd: "publish",
      topic,
      payload: Buffer.from(payloadOf(id, id.length)),
      qos: 2,
      dup,
      retain: false,
      messageId,
      ...(connection.level === 5 ? { properties: { contentType: contentTypeOf(id) } } : {}),
    });
  }
}
