/**
 * A client of MQTT whose sessions end: by clean starts, by expiry, or because they are not kept at all. It speaks 5.0 or 3.1.1, has wills that wait,
 * subscribes and unsubscribes, or is a member of a share. What the committed log says of its session is what it goes by.
 */
import type { IConnackPacket, IPublishPacket, Packet } from "mqtt-packet";
import { SESSION_NEVER_EXPIRES } from "../../src/commands/command.js";
import type { Chance } from "./chance.js";
import { Inbox } from "./inbox.js";
import { contentTypeOf, payloadOf } from "./ledger.js";
import type { Life } from "./life.js";
import { type Level, MqttConnection } from "./mqtt-client.js";
import { Outbox } from "./outbox.js";
import { mayTrim } from "./profile.js";
import type { Stay } from "./session-book.js";
import type { Setting } from "./setting.js";
import { keyOf } from "./share-book.js";

const FILTERS = ["#", "keep/a", "keep/+", "temp/a", "keep/b/#"];
/** A connection that is not answered for so long is given up. */
const PATIENCE_MS = 3_000;
/** DISCONNECT with the will (MQTT 5.0, 3.14.2.1). */
const WITH_WILL = 0x04;

/** What it has under way with the group about its subscription. */
type Request = "subscribe" | "unsubscribe";

export class Roamer {
  readonly name: string;
  /** Stays connected, acknowledges everything, begins nothing. */
  isCalm = false;
  /** It is gone, and does not come back. */
  isRetired = false;
  readonly qos: 1 | 2;
  readonly #setting: Setting;
  readonly #chance: Chance;
  readonly #nodes: () => readonly Life[];
  readonly #level: Level;
  readonly #filter: string;
  /** "" for none. */
  readonly #share: string;
  readonly #expirySeconds: number;
  readonly #receiveMax: number;
  readonly #delayMs: number;
  readonly #outbox: Outbox;
  #connection: MqttConnection | null = null;
  /** Those that it left standing. */
  #abandoned: MqttConnection[] = [];
  #stay: Stay | null = null;
  #askedMs = 0;
  #awayUntilMs = 0;
  #wills = 0;
  #will = "";
  #request: Request | null = null;
  #isSubscribed = false;
  /** Number of the session that it knows, and what it has of it. */
  #session = 0;
  readonly #inbox: Inbox;

  /** `nodes`: those that serve now. `share`: the name and the filter of the share that it is in. */
  constructor(
    name: string,
    setting: Setting,
    nodes: () => readonly Life[],
    share: readonly [string, string] | null,
  ) {
    this.name = name;
    this.#setting = setting;
    const chance = setting.world.chance.stream(`roamer ${name}`);
    this.#chance = chance;
    this.#nodes = nodes;
    this.#level = share === null && chance.of(0.4) ? 4 : 5;
    this.#share = share?.[0] ?? "";
    this.#filter = share?.[1] ?? chance.pick(FILTERS);
    this.qos = chance.pick([1, 1, 2]);
    this.#expirySeconds = chance.pick([1, 1, 2, SESSION_NEVER_EXPIRES]);
    this.#receiveMax = chance.pick([1, 3, 20, 65_535]);
    this.#delayMs = chance.pick([0.2, 2, 10]);
    this.#outbox = new Outbox(name, setting, chance);
    const key = this.#share === "" ? null : this.#key;
    this.#inbox = new Inbox({ name, setting, level: this.#level, filter: this.#filter, qos: this.qos, key });
    this.#live();
  }

  /** What it still waits for; `null` when it has everything. */
  get lacks(): string | null {
    if (this.isRetired) return null;
    if (this.#stay === null) return "a connection";
    if (this.#abandoned.some(({ stands }) => stands)) return "the end of an earlier connection";
    const unreleased = this.#inbox.unreleased;
    if (unreleased !== null) return `PUBREL for ${unreleased}`;
    if (this.#request !== null) return `an answer to its ${this.#request}`;
    if (this.#outbox.open !== null) return `the end of ${this.#outbox.open}`;
    if (this.#share === "") return this.#inbox.interest.lacks;
    if (!this.#isSubscribed) return "its place in the share";
    const { ledger, history } = this.#setting;
    const position = history.book.shares.lacks(this.#key, ledger);
    return position === null ? null : `position ${position} for its share`;
  }

  /** A node's process is gone. */
  lost(life: Life): void {
    if (this.#connection?.life === life) this.#connection.lost();
  }

  /** It goes for good, without a word: nobody keeps a connection up for it. */
  retire(): void {
    this.isRetired = true;
    for (const connection of this.#abandoned) connection.end();
    this.#connection?.end();
    this.#ended("goes for good");
  }

  get #key(): string {
    return keyOf(this.#share, this.#filter);
  }

  #live(): void {
    const { world, profile } = this.#setting;
    world.after(this.#chance.around(profile.whimMs), () => {
      if (!this.isRetired) this.#act();
      this.#live();
    });
  }

  #act(): void {
    const chance = this.#chance;
    const { nowMs } = this.#setting.world;
    if (this.#connection === null) {
      if (this.isCalm || nowMs >= this.#awayUntilMs) this.#connect();
    } else if (this.#stay === null) this.#giveUpWaiting();
    else if (this.#request !== null) return;
    else if (this.isCalm) this.#beMember();
    else if (chance.of(0.1)) this.#leave();
    else if (chance.of(0.04)) this.#takeOver();
    else if (chance.of(0.09)) this.#ask(this.#isSubscribed && chance.of(0.5) ? "unsubscribe" : "subscribe");
    else if (!this.#isSubscribed && chance.of(0.3)) this.#ask("subscribe");
    else if (chance.of(0.12) && this.#connection !== null) this.#outbox.publish(this.#connection);
  }

  #beMember(): void {
    if (this.#share !== "" && !this.#isSubscribed) this.#ask("subscribe");
  }

  #connect(): void {
    const { world, history } = this.#setting;
    const lives = this.#nodes();
    if (lives.length === 0) return;
    const chance = this.#chance;
    const life = chance.pick(lives);
    this.#askedMs = world.nowMs;
    const listener = {
      packet: (packet: Packet) => {
        if (this.#connection === connection) this.#heard(connection, packet);
      },
      closed: () => {
        if (this.#connection === connection) this.#ended("is cut off");
      },
    };
    const connection = new MqttConnection(world, chance, life, this.#delayMs, listener, this.#level);
    this.#connection = connection;
    this.#wills += 1;
    const will = `${this.name}-w${this.#wills}`;
    this.#will = will;
    const isOld = this.#level === 4;
    const cleanStart = !this.isCalm && chance.of(0.12);
    const isKept = isOld ? !cleanStart : this.isCalm || !chance.of(0.1);
    const lasting = isOld ? SESSION_NEVER_EXPIRES : this.#expirySeconds;
    const expirySeconds = isKept ? lasting : 0;
    const delaySeconds = isOld ? 0 : chance.pick([0, 1, 1, 2]);
    history.book.asks({ clientId: this.name, will, cleanStart, expirySeconds, delaySeconds });
    this.#tell(`connects to n${life.id} with ${will}${cleanStart ? ", clean" : ""}, for ${expirySeconds} s`);
    if (isOld) world.counts["connects of 3.1.1"] += 1;
    const properties = { sessionExpiryInterval: expirySeconds, receiveMaximum: this.#receiveMax };
    const willProperties = { contentType: contentTypeOf(will), willDelayInterval: delaySeconds };
    connection.send({
      cmd: "connect",
      clientId: this.name,
      clean: cleanStart,
      keepalive: 0,
      protocolVersion: this.#level,
      ...(isOld ? {} : { properties }),
      will: {
        topic: chance.pick(["keep/a", "keep/b"]),
        payload: Buffer.from(payloadOf(will, will.length)),
        qos: chance.pick([0, 1, 1, 2] as const),
        retain: chance.of(0.2),
        ...(isOld ? {} : { properties: willProperties }),
      },
    });
  }

  #giveUpWaiting(): void {
    if (this.#setting.world.nowMs - this.#askedMs < PATIENCE_MS) return;
    this.#connection?.end();
    this.#ended("is not answered");
  }

  #ended(how: string): void {
    this.#tell(how);
    this.#connection = null;
    this.#stay = null;
  }

  #leave(): void {
    const connection = this.#connection;
    if (connection === null) return;
    const chance = this.#chance;
    const how = chance.unit();
    if (how < 0.5) {
      connection.end();
      this.#setting.world.fault("connection cut by its client");
    } else {
      const isWithWill = this.#level === 5 && how > 0.75;
      if (!isWithWill) this.#setting.history.book.saysGoodbye(this.#will);
      connection.send({ cmd: "disconnect", ...(isWithWill ? { reasonCode: WITH_WILL } : {}) });
      connection.end(true);
    }
    this.#ended(how < 0.5 ? "is gone" : "says goodbye");
    // As long as sessions and wills last, more or less.
    if (chance.of(0.6)) this.#awayUntilMs = this.#setting.world.nowMs + chance.between(200, 2_500);
  }

  /** Connects again, perhaps elsewhere, while the old connection stands. */
  #takeOver(): void {
    this.#setting.world.fault("session taken over");
    if (this.#connection !== null) {
      this.#connection.abandon();
      this.#abandoned.push(this.#connection);
    }
    this.#ended("connects a second time");
    this.#connect();
  }

  #heard(connection: MqttConnection, packet: Packet): void {
    const messageId = packet.messageId ?? 0;
    switch (packet.cmd) {
      case "connack":
        this.#connected(connection, packet);
        return;
      case "suback":
        this.#answered("subscribe", Number(packet.granted[0]));
        return;
      case "unsuback":
        this.#answered("unsubscribe", Number(packet.granted?.[0] ?? 0));
        return;
      case "publish":
        if (this.#stay !== null) this.#inbox.published(packet, this.#stay);
        this.#acknowledge(connection, packet);
        return;
      case "pubrel":
        this.#inbox.released(messageId);
        connection.send({ cmd: "pubcomp", messageId, reasonCode: 0 });
        return;
      case "puback":
      case "pubrec":
        this.#outbox.received(connection, packet.cmd, messageId, packet.reasonCode ?? 0);
        return;
      case "pubcomp":
        this.#outbox.completed(messageId, packet.reasonCode ?? 0);
        return;
      case "disconnect":
        connection.end();
        this.#ended(`is told to go: ${packet.reasonCode}`);
        return;
      default:
        this.#setting.world.fail(`${this.name} gets ${packet.cmd}`);
    }
  }

  #connected(connection: MqttConnection, packet: IConnackPacket): void {
    const { world, history, profile } = this.#setting;
    const reason = packet.reasonCode ?? packet.returnCode ?? 0;
    const isPresent = packet.sessionPresent;
    if (reason !== 0) {
      connection.end();
      this.#ended(`is refused: ${reason}`);
      this.#awayUntilMs = world.nowMs + 5 * profile.whimMs;
      return;
    }
    world.counts.connects += 1;
    const stay = history.book.stayOf(this.#will);
    this.#tell(`is connected, session ${isPresent ? "present" : "new"}`);
    if (stay === undefined) {
      world.fail(`${this.name} is let in before that is committed`);
      return;
    }
    const isTold = isPresent === stay.isPresent;
    world.check(isTold, () => `${this.name} is told that its session is ${isPresent ? "" : "not "}there`);
    if (!isPresent || this.#session !== stay.session) this.#begin(stay);
    this.#stay = stay;
    this.#inbox.interest.goesOn();
    this.#outbox.sendAgain(connection);
    if (this.#request !== null) this.#send(connection, this.#request);
    else if (!this.#isSubscribed && this.#chance.of(0.7)) this.#ask("subscribe");
  }

  /** Another session: nothing of the one before is left. */
  #begin({ session, isKept }: Stay): void {
    this.#session = session;
    this.#inbox.begin();
    if (!isKept && mayTrim(this.#setting.profile)) this.#inbox.interest.isOnItsOwn();
    this.#outbox.forget();
    this.#request = null;
    this.#isSubscribed = false;
  }

  #ask(request: Request): void {
    if (this.#connection === null) return;
    this.#request = request;
    this.#send(this.#connection, request);
  }

  #send(connection: MqttConnection, request: Request): void {
    const topic = this.#share === "" ? this.#filter : this.#key;
    const messageId = this.#outbox.nextPacketId();
    const { ledger } = this.#setting;
    if (request === "unsubscribe") {
      this.#tell(`unsubscribes ${topic}`);
      this.#inbox.interest.leaves(this.#stay?.isKept === true);
      connection.send({ cmd: "unsubscribe", messageId, unsubscriptions: [topic] });
      return;
    }
    // 3.1.1 has but one way (MQTT-3.8.4-3).
    const rh = this.#level === 4 ? 0 : this.#chance.pick([0, 1, 1, 2] as const);
    this.#tell(`subscribes ${topic}, retain handling ${rh}`);
    // A session that is not kept has its subscriptions where it is connected, as of what that node knows.
    const low = this.#stay?.isKept === true ? ledger.head : (this.#stay?.openedAt ?? 0);
    this.#inbox.interest.asks(this.#share === "" ? rh : 2, low);
    const terms = this.#level === 5 ? { rh, nl: false, rap: false } : {};
    connection.send({ cmd: "subscribe", messageId, subscriptions: [{ topic, qos: this.qos, ...terms }] });
  }

  #answered(request: Request, reason: number): void {
    const { world } = this.#setting;
    world.check(this.#request === request, () => `${this.name} is answered what it did not ask: ${request}`);
    if (reason >= 0x80) {
      // Too much waits to be committed: it asks again when it comes again.
      this.#connection?.end();
      this.#ended(`is refused its ${request}`);
      return;
    }
    this.#tell(`has its answer to ${request}`);
    this.#request = null;
    this.#isSubscribed = request === "subscribe";
    if (request === "subscribe") {
      world.check(reason === this.qos, () => `${this.name} is granted ${reason}`);
      this.#inbox.interest.granted();
    } else {
      world.counts.unsubscribes += 1;
      this.#inbox.interest.left();
    }
  }

  /** Sooner or later, if the connection lasts. */
  #acknowledge(connection: MqttConnection, { qos, messageId = 0 }: IPublishPacket): void {
    if (qos === 0) return;
    const cmd = qos === 1 ? "puback" : "pubrec";
    const isSlow = !this.isCalm && this.#chance.of(this.#share === "" ? 0.15 : 0.3);
    this.#setting.world.after(this.#chance.around(isSlow ? 100 : 1), () => {
      if (this.#connection === connection) connection.send({ cmd, messageId, reasonCode: 0 });
    });
  }

  #tell(what: string): void {
    this.#setting.world.tell(this.name, what);
  }
}
