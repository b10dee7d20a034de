/**
 * Clients and their node, for lives from seeds: clients keep their QoS 2 identifiers and check every packet as it comes; what is on its way in either
 * direction is lost with a connection, what is not committed with a node.
 */
import type { Packet } from "mqtt-packet";
import { expect } from "vitest";
import type { SubscriptionOptions } from "../../../../../src/commands/command.js";
import { PacketRefused } from "../../../../../src/edges/mqtt/refusal.js";
import { seededRandom } from "../../../../../src/runtime/random.js";
import type { StoredMessage } from "../../../../../src/state-machine/effects.js";
import { filterMatches } from "../../../../../src/topics/topic-name.js";
import { Replicated, TestNode } from "./node.js";
import { inWords, Peer, TestEdge } from "./peer.js";
import { REAL, scale } from "./scale.js";
import { options } from "./session.js";

const RETAINED = ["r/1", "r/2", "r/3", "r/4"];
/** Their retained messages are replaced and deleted, and expire: the first few, or all where little may be unsettled. */
export const REPLACED = Array.from({ length: 20 }, (_, index) => `q/${index + 1}`);
/** Identifiers of subscriptions: what a copy of a message comes from. */
export const OWN = 1;
const SHARED = 9;
/** Payloads that some connections do not take. */
const LARGE = 100;

/** Few, and no more in flight than there is room for. */
const NARROW = { inflightMax: 4, unsettledMax: 8 };

const NOTHING = { contentType: "", expiresAtMs: 0, properties: new Uint8Array(0) };

interface Published {
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  /** It expires, or is larger than some connections take. */
  readonly isExcused: boolean;
}

export class World {
  readonly state = new Replicated();
  readonly unit: () => number;
  readonly clients: Client[];
  node: TestNode;
  edge: TestEdge;
  isCalm = false;
  deaths = 0;
  /** By position: what was published, and with what QoS. */
  readonly published: Published[] = [];
  /** Those of `REPLACED` that are used. */
  readonly replaced: readonly string[];

  /** With `isNarrow` few messages may be unsettled at a time, and there are more to be replaced than that. */
  constructor(seed: number, isNarrow: boolean) {
    this.unit = seededRandom(seed).unit;
    Object.assign(scale, REAL, isNarrow ? NARROW : {}, { ids: this.pick([3, 7, 31]) });
    this.replaced = REPLACED.slice(0, isNarrow ? REPLACED.length : 3);
    this.node = this.#start();
    this.edge = new TestEdge(this.node);
    this.clients = ["c", "d"].map((id) => new Client(this, id));
    for (const topic of [...RETAINED, ...this.replaced]) this.publish(topic, true);
    for (const client of this.clients) client.connect();
    for (const client of this.clients) {
      client.subscribe(options("s", 2, { share: "g", subscriptionId: SHARED }));
      this.node.commit();
    }
  }

  readonly below = (count: number): number => Math.floor(this.unit() * count);

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!;
  }

  publish(topic: string, retain = false): void {
    this.#publish(topic, retain, this.pick([0, 1, 2, 2] as const));
  }

  /** An empty payload deletes what is retained. */
  deleteRetained(topic: string): void {
    const message = { ...NOTHING, payload: Buffer.alloc(0), qos: 0 as const, retain: true };
    const rest = { autoCreate: true, idempotency: null, publisher: 0, receipt: null };
    this.node.submit({ kind: "publish", topic, messages: [message], ...rest }, () => undefined);
  }

  #publish(topic: string, retain: boolean, qos: 0 | 1 | 2): void {
    const isLarge = !retain && this.below(8) === 0;
    const expiresAtMs =
      !RETAINED.includes(topic) && this.below(8) === 0 ? this.node.nowMs() + 1 + this.below(400) : 0;
    // The payload tells the client which message it is; the position is not known before.
    const messages = Array.from({ length: 1 + this.below(retain ? 1 : 3) }, (_, index) => ({
      ...NOTHING,
      payload: Buffer.from(`${topic}:${this.#publishes}:${index}${isLarge ? " ".repeat(LARGE) : ""}`),
      qos,
      retain,
      expiresAtMs,
    }));
    const rest = { autoCreate: true, idempotency: null, publisher: 0, receipt: null };
    this.#publishes += 1;
    this.node.submit({ kind: "publish", topic, messages, ...rest }, () => undefined);
  }

  #publishes = 0;

  /** The node dies; a part of what it submitted is committed after all. */
  die(): void {
    this.deaths += 1;
    for (const client of this.clients) client.lost();
    this.node.die(this.below(this.node.pending.length + 1));
    this.node = this.#start();
    this.edge = new TestEdge(this.node);
  }

  turn(): void {
    this.state.clock.turn();
  }

  #start(): TestNode {
    const node = new TestNode(this.state);
    node.isPrompt = false;
    node.onApplied = (command, result, head) => {
      if (command.kind === "publish" && result.kind === "published") {
        for (const { qos, retain, payload, expiresAtMs } of command.messages) {
          const isExcused = expiresAtMs > 0 || payload.length > LARGE;
          this.published.push({ topic: command.topic, qos, retain, isExcused });
          this.positions.set(Buffer.from(payload).toString(), this.published.length);
        }
      } else if (command.kind === "subscribe" || command.kind === "unsubscribe") {
        const client = this.clients.find(({ session }) => session === command.session);
        if (result.kind === "subscribed" && command.kind === "subscribe") {
          for (const each of command.subscriptions) client?.subscribed(each, head);
        } else if (result.kind === "unsubscribed" && command.kind === "unsubscribe") {
          for (const { filter } of command.filters) client?.unsubscribed(filter, head);
        }
      }
    };
    node.onDisplaced = (session, epoch) => {
      for (const client of this.clients) client.displaced(session, epoch);
    };
    return node;
  }

  /** By payload. */
  readonly positions = new Map<string, number>();
}

type Ack = readonly ["puback" | "pubrec" | "pubcomp", number];

/** What a client did with one copy of a message. */
export interface Seen {
  readonly position: number;
  readonly kind: "live" | "retained" | "shared";
  readonly qos: number;
}

export class Client {
  readonly id: string;
  readonly world: World;
  /** What the application was given, in order. */
  readonly seen: Seen[] = [];
  /** Filters with the part of the stream that they are about. */
  readonly spans: { filter: string; since: number; until: number }[] = [];
  /** By position: how often it was retained as it was asked for. */
  readonly asked = new Map<number, number>();
  /** How often those that stay were asked for. */
  retainedWanted = 0;
  session = 0;
  /** QoS 2 identifiers between PUBLISH and PUBREL, with the message: kept across connections (method B). */
  readonly #held = new Map<number, number>();
  /** Copies of QoS 1 and 2 that arrived at some connection. */
  readonly #arrived = new Set<string>();
  #peer: Peer | null = null;
  #receiveMax = 0;
  /** Unfinished at this connection. */
  #open = new Map<number, number>();
  /** On their way to the server. */
  #acks: Ack[] = [];
  #hasRepeated = false;

  constructor(world: World, id: string) {
    this.world = world;
    this.id = id;
  }

  get isConnected(): boolean {
    return this.#peer !== null;
  }

  /** Messages whose PUBREL has not come. */
  get unreleased(): readonly number[] {
    return [...this.#held.values()];
  }

  connect(): void {
    const { world } = this;
    this.#receiveMax = world.pick([1, 2, 5, 100]);
    this.#open = new Map();
    this.#acks = [];
    this.#hasRepeated = false;
    this.#peer = new Peer(world.edge, {
      clientId: this.id,
      receiveMax: this.#receiveMax,
      topicAliasMax: world.pick([0, 0, 2]),
      packetBytesMax: world.pick([Number.POSITIVE_INFINITY, LARGE]),
    });
    this.session = this.#peer.session.number;
  }

  subscribe(...subscriptions: SubscriptionOptions[]): void {
    const peer = this.#peer;
    if (peer === null) return;
    peer.node.submit({ kind: "subscribe", ...peer.speaker, subscriptions }, () =>
      peer.delivery.subscriptionsChanged(),
    );
  }

  unsubscribe(filter: string): void {
    const peer = this.#peer;
    if (peer === null) return;
    const command = { kind: "unsubscribe" as const, ...peer.speaker, filters: [{ filter, share: "" }] };
    peer.node.submit(command, () => peer.delivery.subscriptionsChanged());
  }

  subscribed({ filter, share }: SubscriptionOptions, head: number): void {
    if (share !== "") return;
    if (filter.startsWith("r/")) this.retainedWanted += 1;
    for (const { position } of this.#retainedNow(filter, head)) {
      this.asked.set(position, 1 + (this.asked.get(position) ?? 0));
    }
    this.unsubscribed(filter, head);
    this.spans.push({ filter, since: head, until: Number.POSITIVE_INFINITY });
  }

  /** As of a head: what was retained since comes live. */
  #retainedNow(filter: string, head: number): readonly StoredMessage[] {
    const { machine } = this.world.state;
    const all = machine.retainedMatching((name) => filterMatches(filter, name), 0);
    return all.filter(({ position }) => position <= head);
  }

  unsubscribed(filter: string, head: number): void {
    const index = this.spans.findIndex((span) => span.filter === filter && span.until > head);
    if (index >= 0) this.spans[index] = { ...this.spans[index]!, until: head };
  }

  /** Handles the next packets that came. */
  read(count: number): void {
    for (const packet of this.#peer?.wire.packets.splice(0, count) ?? []) this.#handle(packet);
  }

  /** The server gets the next acknowledgements. */
  answer(count: number): void {
    const peer = this.#peer;
    if (peer === null) return;
    for (const [kind, id] of this.#acks.splice(0, count)) {
      if (kind !== "pubrec") this.#open.delete(id);
      if (!this.#isHeard(() => peer.delivery[kind](id, 0))) return;
    }
    peer.delivery.pump();
  }

  /** PUBREC for what an earlier connection began, before the server sends it again: as some clients do. */
  repeatPubrec(): void {
    const peer = this.#peer;
    const id = [...this.#held.keys()].find((it) => !this.#open.has(it));
    if (id === undefined || peer === null) return;
    this.#hasRepeated = true;
    if (this.#isHeard(() => peer.delivery.pubrec(id, 0))) peer.delivery.pump();
  }

  /**
   * Two PUBRECs get two PUBRELs, and the second PUBCOMP may come when the identifier, of which there are so few, stands for another message: the
   * server may end the connection of whoever does such things (MQTT 5.0, 4.13).
   */
  #isHeard(acknowledge: () => void): boolean {
    try {
      acknowledge();
      return true;
    } catch (error) {
      if (!(error instanceof PacketRefused && this.#hasRepeated)) throw error;
      this.disconnect();
      return false;
    }
  }

  /** The client acknowledges as it likes, not in order. */
  shuffle(): void {
    // PUBREC before PUBCOMP of one identifier; the others in any order.
    const [first] = this.#acks;
    if (first !== undefined && this.#acks.every(([, id], at) => at === 0 || id !== first[1])) {
      this.#acks = [...this.#acks.slice(1), first];
    }
  }

  stall(isFull: boolean): void {
    const peer = this.#peer;
    if (peer === null) return;
    peer.wire.backlogBytes = isFull ? 1_000_000 : 0;
    if (!isFull) peer.delivery.pump();
  }

  /** DISCONNECT, or the connection is cut and the server sees it. */
  disconnect(): void {
    this.#peer?.disconnect();
    this.lost();
  }

  /** Nothing more arrives, either way. */
  lost(): void {
    if (this.#peer !== null) this.#peer.wire.isOpen = false;
    this.#peer = null;
  }

  displaced(session: number, epoch: number): void {
    const peer = this.#peer;
    if (peer?.session.number !== session || peer.session.epoch !== epoch) return;
    peer.delivery.close();
    this.lost();
  }

  #handle(packet: Packet): void {
    if (packet.cmd === "pubrel") {
      this.#held.delete(packet.messageId ?? 0);
      this.#acks.push(["pubcomp", packet.messageId ?? 0]);
      return;
    }
    if (packet.cmd !== "publish") throw new Error(packet.cmd);
    const { qos, retain, dup, payload } = packet;
    if (payload.length === 0) return;
    const position = this.world.positions.get(payload.toString())!;
    const subscription = [packet.properties?.subscriptionIdentifier ?? 0].flat();
    const kind = retain ? "retained" : subscription.includes(SHARED) ? "shared" : "live";
    if (qos === 0) {
      this.seen.push({ position, kind, qos });
      return;
    }
    const id = packet.messageId ?? 0;
    const copy = `${position} ${kind}`;
    expect(this.#open.has(id), `${inWords(packet)}: the identifier is in use`).toBe(false);
    this.#open.set(id, position);
    expect(this.#open.size).toBeLessThanOrEqual(this.#receiveMax);
    // A retained message is asked for again and again; one of a share may have been with another member.
    if (kind === "live" && this.#arrived.has(copy)) expect(dup, inWords(packet)).toBe(true);
    this.#arrived.add(copy);
    if (qos === 1) {
      this.seen.push({ position, kind, qos });
      this.#acks.push(["puback", id]);
      return;
    }
    const held = this.#held.get(id);
    if (held === undefined) this.seen.push({ position, kind, qos });
    else expect(held, `${inWords(packet)} is taken for another message`).toBe(position);
    this.#held.set(id, position);
    this.#acks.push(["pubrec", id]);
  }
}
