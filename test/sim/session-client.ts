/**
 * A client of MQTT 5 with a session that never ends, on whichever node: it comes and goes, is slow, takes itself over, and keeps what the
 * standard asks of it (packet identifiers of QoS 2, both ways). What it gets and what becomes of what it sends is checked.
 */
import type { IConnackPacket, IPublishPacket, Packet } from "mqtt-packet";
import { filterMatches } from "../../src/topics/topic-name.js";
import type { Chance } from "./chance.js";
import { InOrder } from "./in-order.js";
import { contentTypeOf, type Fact, identityOf, payloadOf } from "./ledger.js";
import type { Life } from "./life.js";
import { MqttConnection } from "./mqtt-client.js";
import { Outbox } from "./outbox.js";
import type { Setting } from "./setting.js";

const FILTERS = ["#", "keep/a", "keep/+", "temp/a", "keep/b/#"];
/** A connection that is not answered for so long is given up. */
const PATIENCE_MS = 3_000;
const NEVER_EXPIRES = 0xffff_ffff;
/** After a goodbye it may rest for so long: nothing of its will may be seen meanwhile. */
const REST_MS = 400;

export class SessionClient {
  readonly name: string;
  /** Stays connected, acknowledges everything, begins nothing. */
  isCalm = false;
  readonly #setting: Setting;
  readonly #chance: Chance;
  readonly #nodes: () => readonly Life[];
  /** One, or two that may match the same. */
  readonly #filters: readonly { readonly filter: string; readonly qos: 1 | 2 }[];
  readonly #receiveMax: number;
  readonly #delayMs: number;
  #connection: MqttConnection | null = null;
  #isReady = false;
  #askedMs = 0;
  /** Whether the session is there: not before the first CONNECT, perhaps until one is answered. */
  #session: "none" | "perhaps" | "there" = "none";
  /** Every match above is due; `null` before SUBACK. */
  #dueAbove: number | null = null;
  /** The first SUBSCRIBE was sent when the stream was this long: nothing at or below is due to come. */
  #maybeAbove: number | null = null;
  /** Whatever came at least once, by position. */
  readonly #got = new Set<number>();
  #highest = 0;
  readonly #order: InOrder;
  /** Earlier connections that were left standing. */
  #abandoned: MqttConnection[] = [];
  /** QoS 2 packet identifiers that wait for PUBREL, with what they stand for (MQTT 5.0, 4.3.3). */
  readonly #incoming = new Map<number, string>();
  readonly #outbox: Outbox;
  #restsUntilMs = 0;
  /** CONNECTs that were sent. */
  #connects = 0;
  #wills = 0;
  /** The will of the present connection; those whose connection ended without DISCONNECT have to be published. */
  #will: string | null = null;
  readonly #dueWills = new Set<string>();

  /** `nodes`: those that serve now. */
  constructor(name: string, setting: Setting, nodes: () => readonly Life[]) {
    this.name = name;
    this.#setting = setting;
    this.#chance = setting.world.chance.stream(`client ${name}`);
    this.#nodes = nodes;
    this.#filters = this.#pickFilters();
    this.#receiveMax = this.#chance.pick([1, 3, 20, 65_535]);
    this.#delayMs = this.#chance.pick([0.2, 2, 10]);
    this.#order = new InOrder(name, setting.world, setting.ledger);
    this.#outbox = new Outbox(name, setting, this.#chance);
    this.#live();
  }

  /** What it still waits for; `null` when it has everything. */
  get lacks(): string | null {
    if (!this.#isReady) return "a connection";
    if (this.#dueAbove === null) return "its subscription";
    const missed = this.#missed();
    if (missed !== null) return `position ${missed}`;
    if (this.#order.owed !== null) return `position ${this.#order.owed} once more`;
    for (const id of this.#incoming.values()) return `PUBREL for ${id}`;
    if (this.#abandoned.some(({ stands }) => stands)) return "the end of an earlier connection";
    if (this.#outbox.open !== null) return `the end of ${this.#outbox.open}`;
    const { ledger } = this.#setting;
    for (const id of this.#dueWills) if (ledger.find(id) === undefined) return `its will ${id}`;
    return null;
  }

  /** A node's process is gone. */
  lost(life: Life): void {
    if (this.#connection?.life === life) this.#connection.lost();
  }

  #live(): void {
    const { world, profile } = this.#setting;
    world.after(this.#chance.around(profile.whimMs), () => {
      this.#act();
      this.#live();
    });
  }

  #act(): void {
    const chance = this.#chance;
    if (this.#setting.world.nowMs < this.#restsUntilMs) return;
    if (this.#connection === null) this.#connect();
    else if (!this.#isReady) this.#giveUpWaiting();
    else if (this.isCalm) return;
    else if (chance.of(0.08)) this.#leave();
    else if (chance.of(0.04)) this.#takeOver();
    else if (chance.of(0.3)) this.#outbox.publish(this.#connection);
  }

  #connect(): void {
    const { world } = this.#setting;
    const lives = this.#nodes();
    if (lives.length === 0) return;
    const life = this.#chance.pick(lives);
    this.#tell(`connects to n${life.id}`);
    this.#isReady = false;
    this.#askedMs = world.nowMs;
    const connection = new MqttConnection(world, this.#chance, life, this.#delayMs, {
      packet: (packet) => {
        if (this.#connection === connection) this.#heard(connection, packet);
      },
      closed: () => {
        if (this.#connection === connection) this.#ended("is cut off", true);
      },
    });
    this.#connection = connection;
    this.#will = this.#nextWill();
    this.#connects += 1;
    connection.send({
      cmd: "connect",
      clientId: this.name,
      clean: false,
      keepalive: 0,
      protocolVersion: 5,
      properties: { sessionExpiryInterval: NEVER_EXPIRES, receiveMaximum: this.#receiveMax },
      will: {
        topic: this.#chance.pick(["keep/a", "keep/b"]),
        payload: Buffer.from(payloadOf(this.#will, this.#will.length)),
        qos: this.#chance.pick([0, 1, 1, 2] as const),
        retain: this.#chance.of(0.2),
        properties: { contentType: contentTypeOf(this.#will) },
      },
    });
    if (this.#session === "none") this.#session = "perhaps";
  }

  #nextWill(): string {
    this.#wills += 1;
    return `${this.name}-w${this.#wills}`;
  }

  #giveUpWaiting(): void {
    if (this.#setting.world.nowMs - this.#askedMs < PATIENCE_MS) return;
    this.#connection?.end();
    this.#ended("is not answered", false);
  }

  /** `isWillDue`: it was connected, as it knows, and said no goodbye. */
  #ended(how: string, isWillDue: boolean): void {
    this.#tell(how);
    if (isWillDue && this.#isReady && this.#will !== null) this.#dueWills.add(this.#will);
    this.#connection = null;
    this.#isReady = false;
    this.#order.ends();
  }

  #leave(): void {
    const connection = this.#connection;
    if (connection === null) return;
    if (this.#chance.of(0.5)) {
      connection.end();
      this.#setting.world.fault("connection cut by its client");
      this.#ended("is gone", true);
    } else {
      connection.send({ cmd: "disconnect", reasonCode: 0 });
      connection.end(true);
      this.#ended("says goodbye", false);
      if (this.#chance.of(0.5)) this.#rest(connection.life, this.#will);
    }
  }

  /** Nobody else speaks for its session meanwhile. Of several nodes another may have taken this one for gone before it heard. */
  #rest(life: Life, will: string | null): void {
    const { world, ledger } = this.#setting;
    this.#restsUntilMs = world.nowMs + REST_MS;
    // What it waits for may be refused and cost it the connection before it is heard.
    const mayBeCutOff = !this.#outbox.isEmpty || this.#dueAbove === null || !life.isServing;
    if (will === null || !life.isAlone || mayBeCutOff) return;
    // A node that stops publishes the wills of those whose goodbye it has not heard.
    const isUnsaid = (): boolean => !life.isServing || ledger.find(will) === undefined;
    world.after(
      REST_MS,
      () => world.check(isUnsaid(), () => `${will} is published after a goodbye`),
      life.scope,
    );
  }

  /** Connects again, perhaps elsewhere, while the old connection stands. */
  #takeOver(): void {
    this.#setting.world.fault("session taken over");
    if (this.#connection !== null) {
      this.#connection.abandon();
      this.#abandoned = [...this.#abandoned.filter(({ stands }) => stands), this.#connection];
    }
    this.#ended("connects a second time", true);
    this.#connect();
  }

  #heard(connection: MqttConnection, packet: Packet): void {
    switch (packet.cmd) {
      case "connack":
        this.#connected(connection, packet);
        return;
      case "suback":
        this.#subscribed(packet.granted);
        return;
      case "publish":
        this.#published(connection, packet);
        return;
      case "pubrel":
        this.#incoming.delete(packet.messageId ?? 0);
        connection.send({ cmd: "pubcomp", messageId: packet.messageId ?? 0 });
        return;
      case "puback":
      case "pubrec":
        this.#outbox.received(connection, packet.cmd, packet.messageId ?? 0, packet.reasonCode ?? 0);
        return;
      case "pubcomp":
        this.#outbox.completed(packet.messageId ?? 0, packet.reasonCode ?? 0);
        return;
      case "disconnect":
        connection.end();
        this.#ended(`is told to go: ${packet.reasonCode}`, true);
        return;
      default:
        this.#setting.world.fail(`${this.name} gets ${packet.cmd}`);
    }
  }

  #connected(connection: MqttConnection, packet: IConnackPacket): void {
    const { world } = this.#setting;
    if (packet.reasonCode !== 0) {
      connection.end();
      this.#ended(`is refused: ${packet.reasonCode}`, false);
      return;
    }
    const isPresent = packet.sessionPresent;
    this.#tell(`is connected, session ${isPresent ? "present" : "new"}`);
    world.counts.connects += 1;
    world.check(isPresent || this.#session !== "there", () => `${this.name} finds its session gone`);
    world.check(!isPresent || this.#connects > 1, () => `${this.name} finds a session that it never had`);
    this.#session = "there";
    this.#isReady = true;
    this.#outbox.sendAgain(connection);
    this.#order.begins(this.#dueAbove !== null);
    if (this.#dueAbove !== null) return;
    this.#maybeAbove ??= this.#setting.ledger.head;
    connection.send({
      cmd: "subscribe",
      messageId: this.#outbox.nextPacketId(),
      subscriptions: this.#filters.map(({ filter, qos }) => ({ topic: filter, qos, rh: 2 })),
    });
  }

  #subscribed(granted: readonly unknown[]): void {
    const { world, ledger } = this.#setting;
    if (granted.some((reason) => Number(reason) >= 0x80)) {
      // Too much waits to be committed: it asks again when it comes again.
      this.#connection?.end();
      this.#ended("is refused its subscription", true);
      return;
    }
    const asked = this.#filters.map(({ qos }) => qos);
    world.check(String(granted) === String(asked), () => `${this.name} is granted ${granted} for ${asked}`);
    this.#dueAbove ??= ledger.head;
    const filters = this.#filters.map(({ filter, qos }) => `${filter} at QoS ${qos}`);
    this.#tell(`has subscribed to ${filters.join(" and ")}, above ${this.#dueAbove}`);
  }

  #pickFilters(): { filter: string; qos: 1 | 2 }[] {
    const chance = this.#chance;
    const first = { filter: chance.pick(FILTERS), qos: chance.pick([1, 2] as const) };
    if (chance.of(0.6)) return [first];
    const others = FILTERS.filter((filter) => filter !== first.filter);
    return [first, { filter: chance.pick(others), qos: chance.pick([1, 2] as const) }];
  }

  /** The highest that a message may come at; 0 for one that it did not ask for. */
  #qosFor(topic: string): number {
    return Math.max(0, ...this.#filters.map(({ filter, qos }) => (filterMatches(filter, topic) ? qos : 0)));
  }

  #published(connection: MqttConnection, packet: IPublishPacket): void {
    const { world, ledger } = this.#setting;
    const { qos, dup } = packet;
    const messageId = packet.messageId ?? 0;
    const contentType = String(packet.properties?.contentType ?? "");
    const id = identityOf({ contentType, payload: Buffer.from(packet.payload) });
    const fact = ledger.find(id);
    if (fact === undefined) {
      world.fail(`${this.name} gets ${id}, which nobody has seen`);
      return;
    }
    this.#tell(`gets ${id} at ${fact.position}, QoS ${qos}${dup ? " again" : ""} as ${messageId}`);
    world.counts.deliveries += 1;
    const most = this.#qosFor(packet.topic);
    const bytes = payloadOf(id, fact.bytes);
    const isIt = fact.topic === packet.topic && Buffer.compare(bytes, Buffer.from(packet.payload)) === 0;
    world.check(isIt, () => `${this.name} gets something else as ${id}`);
    world.check(most > 0, () => `${this.name} gets ${packet.topic} unasked`);
    world.check(qos === Math.min(fact.qos, most), () => `${this.name} gets ${id} at QoS ${qos}`);
    this.#order.took(fact, qos, dup);
    const present = this.#incoming.get(messageId);
    if (qos === 2 && present !== undefined) {
      world.check(
        present === id,
        () => `${this.name} gets ${id} as ${messageId}, which stands for ${present}`,
      );
    } else this.#took(fact, qos, dup);
    if (qos === 2) this.#incoming.set(messageId, id);
    if (qos > 0) this.#acknowledge(connection, qos === 1 ? "puback" : "pubrec", messageId, fact.position);
  }

  /** A message that counts as new for it. One that may stay away may come late: one node has it still, others leave it out. */
  #took(fact: Fact, qos: number, dup: boolean): void {
    const { world, ledger } = this.#setting;
    const { id, position } = fact;
    const isLate = dup && ledger.mayStayAway(fact);
    const isRepeat = this.#got.has(position);
    world.check(
      position > (this.#maybeAbove ?? 0),
      () => `${this.name} gets ${id}, older than what it asked for`,
    );
    world.check(!isRepeat || qos === 1, () => `${this.name} gets ${id} twice at QoS ${qos}`);
    world.check(!isRepeat || dup, () => `${this.name} gets ${id} again, without DUP`);
    world.check(
      isRepeat || isLate || position > this.#highest,
      () => `${this.name} gets ${id} after ${this.#highest}`,
    );
    this.#got.add(position);
    this.#highest = Math.max(this.#highest, position);
  }

  /** Sooner or later, if the connection lasts. */
  #acknowledge(
    connection: MqttConnection,
    cmd: "puback" | "pubrec",
    messageId: number,
    position: number,
  ): void {
    const isSlow = !this.isCalm && this.#chance.of(0.1);
    this.#setting.world.after(this.#chance.around(isSlow ? 100 : 1), () => {
      if (this.#connection !== connection) return;
      this.#order.acknowledges(position);
      connection.send({ cmd, messageId, reasonCode: 0 });
    });
  }

  /** The first position that is due and did not come. */
  #missed(): number | null {
    const { ledger } = this.#setting;
    for (let at = (this.#dueAbove ?? 0) + 1; at <= ledger.head; at += 1) {
      if (!this.#got.has(at) && this.#isDue(at)) return at;
    }
    return null;
  }

  #isDue(position: number): boolean {
    const { ledger } = this.#setting;
    const fact = ledger.at(position);
    if (fact === undefined || fact.qos === 0 || ledger.mayStayAway(fact)) return false;
    return this.#qosFor(fact.topic) > 0;
  }

  #tell(what: string): void {
    this.#setting.world.tell(this.name, what);
  }
}
