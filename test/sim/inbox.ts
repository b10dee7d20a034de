/**
 * What comes to one client of the simulation, packet by packet, held against what it asked for: a client whose sessions end, so that nothing of
 * one may come in the next.
 */
import type { IPublishPacket } from "mqtt-packet";
import { filterMatches } from "../../src/topics/topic-name.js";
import { Interest } from "./interest.js";
import { type Fact, identityOf, payloadOf } from "./ledger.js";
import type { Level } from "./mqtt-client.js";
import type { Stay } from "./session-book.js";
import type { Setting } from "./setting.js";

export interface InboxOptions {
  readonly name: string;
  readonly setting: Setting;
  readonly level: Level;
  readonly filter: string;
  readonly qos: 1 | 2;
  /** Of the share that it is in; `null` for none. */
  readonly key: string | null;
}

export class Inbox {
  interest: Interest;
  readonly #options: InboxOptions;
  /** QoS 2 packet identifiers that wait for PUBREL, with what they stand for (MQTT 5.0, 4.3.3); and all that there ever were. */
  readonly #incoming = new Map<number, string>();
  readonly #known = new Set<number>();

  constructor(options: InboxOptions) {
    this.#options = options;
    this.interest = this.#newInterest();
  }

  /** What waits for PUBREL; `null` when nothing does. */
  get unreleased(): string | null {
    const [id] = this.#incoming.values();
    return id ?? null;
  }

  /** Another session: nothing of the one before is left. */
  begin(): void {
    this.interest = this.#newInterest();
    this.#incoming.clear();
    this.#known.clear();
  }

  /** PUBREL. */
  released(messageId: number): void {
    const { name, setting } = this.#options;
    const isKnown = this.#known.has(messageId) || this.#mayBeTakenBack(messageId);
    setting.world.check(isKnown, () => `${name} gets PUBREL for ${messageId}, which this session never had`);
    this.#incoming.delete(messageId);
  }

  /** What expired, or is retained no longer, is taken back where the client may have it, and it need not have it. */
  #mayBeTakenBack(messageId: number): boolean {
    const { ledger } = this.#options.setting;
    const fact = ledger.at(messageId);
    if (fact === undefined) return false;
    return fact.expiresAtMs > 0 || (fact.retain && ledger.retainedUntil(fact) < ledger.head);
  }

  /** PUBLISH, at a connection of which the log knows. */
  published(packet: IPublishPacket, stay: Stay): void {
    const { name, setting, level, filter, qos: most } = this.#options;
    const { world } = setting;
    const { qos, dup, retain, topic, messageId = 0 } = packet;
    const fact = this.#factOf(packet);
    const what = `${topic} "${String(packet.payload)}"`;
    world.counts.deliveries += 1;
    if (fact === undefined) {
      // What has neither content type nor packet identifier may be one of many.
      const isNameless = level === 4 && qos === 0;
      world.check(isNameless, () => `${name} gets ${what}, which nobody has seen`);
      return;
    }
    const { id, position } = fact;
    world.tell(
      name,
      `gets ${id} at ${position}, QoS ${qos}${dup ? " again" : ""}${retain ? ", retained" : ""} as ${messageId}`,
    );
    const isIt = fact.topic === topic && Buffer.compare(payloadOf(id, fact.bytes), bytesOf(packet)) === 0;
    world.check(isIt, () => `${name} gets ${what} as ${id}`);
    world.check(filterMatches(filter, topic), () => `${name} gets ${topic} unasked`);
    world.check(qos === Math.min(fact.qos, most), () => `${name} gets ${id} at QoS ${qos}`);
    const present = this.#incoming.get(messageId);
    if (qos === 2 && present !== undefined) {
      const isSame = present === id;
      world.check(isSame, () => `${name} gets ${id} as ${messageId}, which stands for ${present}`);
    } else this.#took(fact, packet, stay);
    if (qos < 2) return;
    this.#incoming.set(messageId, id);
    this.#known.add(messageId);
  }

  /** 3.1.1 has no content type; there it is found by its identifier, which follows from the position (ARCHITECTURE.md). */
  #factOf(packet: IPublishPacket): Fact | undefined {
    const { properties, messageId = 0, qos } = packet;
    const { ledger } = this.#options.setting;
    if (this.#options.level === 4) return qos === 0 ? undefined : ledger.at(messageId);
    const contentType = String(properties?.contentType ?? "");
    return ledger.find(identityOf({ contentType, payload: bytesOf(packet) }));
  }

  #took(fact: Fact, { qos, dup, retain }: IPublishPacket, stay: Stay): void {
    const { name, setting, key } = this.#options;
    const { world, history } = setting;
    if (key === null) {
      if (retain) this.interest.tookRetained(fact, dup);
      else this.interest.tookLive(fact, qos, dup);
      return;
    }
    world.counts["messages of shares"] += 1;
    world.check(!retain, () => `${name} gets ${fact.id} by its share as retained`);
    const { shares } = history.book;
    if (qos > 0) shares.takes(key, { client: name, stay, qos }, fact.position);
    else shares.takesAtZero(key, name, fact.position);
  }

  #newInterest(): Interest {
    const { name, setting, filter } = this.#options;
    const { world, ledger } = setting;
    return new Interest({ name, world, ledger, filter });
  }
}

function bytesOf({ payload }: IPublishPacket): Buffer {
  return typeof payload === "string" ? Buffer.from(payload, "latin1") : payload;
}
