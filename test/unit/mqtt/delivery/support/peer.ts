/** A client at the far end of a delivery: what it is sent in words, read by a codec that nobody here wrote. */
import { type Packet, parser } from "mqtt-packet";
import type { SubscriptionOptions } from "../../../../../src/commands/command.js";
import {
  createDeliveryContext,
  type DeliveryContext,
} from "../../../../../src/edges/mqtt/delivery/context.js";
import { Delivery, type DeliveryOptions } from "../../../../../src/edges/mqtt/delivery/delivery.js";
import { TurnBudget } from "../../../../../src/edges/mqtt/turn-budget.js";
import { silentLogger } from "../../../../../src/runtime/logger.js";
import type { Session } from "../../../../../src/state-machine/session-view.js";
import { CountingMetrics } from "../../../../mqtt/support/edge.js";
import type { TestNode } from "./node.js";

/** A packet in a line: `PUBLISH a m1 q1 id=1`, with `dup`, `retain` and properties where it has them; `PUBREL 1`. */
export function inWords(packet: Packet): string {
  if (packet.cmd !== "publish") {
    const reason = "reasonCode" in packet && packet.reasonCode ? ` 0x${packet.reasonCode.toString(16)}` : "";
    return `${packet.cmd.toUpperCase()} ${packet.messageId}${reason}`;
  }
  const { topic, payload, qos, messageId, dup, retain, properties = {} } = packet;
  const words = ["PUBLISH", topic, String(payload), `q${qos}`];
  if (qos > 0) words.push(`id=${messageId}`);
  if (dup) words.push("dup");
  if (retain) words.push("retain");
  for (const [name, value] of Object.entries(properties)) words.push(`${name}=${JSON.stringify(value)}`);
  return words.join(" ");
}

/** The socket of one connection. */
export class Wire {
  isOpen = true;
  backlogBytes = 0;
  writes = 0;
  readonly packets: Packet[] = [];
  readonly #parser: ReturnType<typeof parser>;

  constructor(level: 4 | 5) {
    this.#parser = parser({ protocolVersion: level });
    this.#parser.on("packet", (packet) => this.packets.push(packet));
    this.#parser.on("error", (error) => {
      throw error;
    });
  }

  send(bytes: Buffer): void {
    this.writes += 1;
    // A copy: the parser cuts its packets out of what it is given, and others get the same bytes.
    this.#parser.parse(Buffer.from(bytes));
  }

  /** What came since it was asked last. */
  take(): string[] {
    return this.packets.splice(0).map(inWords);
  }
}

/** The edge of a node, as far as delivery needs it. */
export class TestEdge {
  readonly node: TestNode;
  readonly metrics = new CountingMetrics();
  readonly context: DeliveryContext;

  constructor(node: TestNode) {
    this.node = node;
    const { clock } = node.state;
    const turnBudget = new TurnBudget(clock);
    this.context = createDeliveryContext({
      broker: node,
      metrics: this.metrics,
      logger: silentLogger,
      clock,
      turnBudget,
    });
  }
}

export interface ConnectOptions
  extends Partial<Pick<DeliveryOptions, "level" | "receiveMax" | "packetBytesMax" | "topicAliasMax">> {
  readonly clientId?: string;
  readonly isKept?: boolean;
  readonly cleanStart?: boolean;
}

/** One connection of a client: the session is opened, and resumed. */
export class Peer {
  readonly node: TestNode;
  readonly wire: Wire;
  readonly delivery: Delivery;
  readonly session: { readonly number: number; readonly epoch: number };
  readonly failures: unknown[] = [];
  readonly #filters = new Map<string, SubscriptionOptions>();

  constructor(edge: TestEdge, options: ConnectOptions = {}) {
    const { level = 5, clientId = "c", isKept = true, cleanStart = false } = options;
    this.node = edge.node;
    this.wire = new Wire(level);
    const opened = this.node.perform({
      kind: "open-session",
      clientId,
      cleanStart,
      expirySeconds: isKept ? 3600 : 0,
      will: null,
    });
    if (opened.kind !== "opened") throw new Error(JSON.stringify(opened));
    this.session = { number: opened.session, epoch: opened.epoch };
    const session = this.state;
    this.delivery = new Delivery({
      context: edge.context,
      outlet: this.wire,
      level,
      session,
      clientId,
      receiveMax: options.receiveMax ?? 65_535,
      packetBytesMax: options.packetBytesMax ?? Number.POSITIVE_INFINITY,
      topicAliasMax: options.topicAliasMax ?? 0,
      onFailed: (error) => this.failures.push(error),
    });
    this.node.members.set(session.number, (items) => this.delivery.assigned(items));
    this.delivery.resume(session);
  }

  /** As commands name it. */
  get speaker(): { readonly session: number; readonly epoch: number } {
    return { session: this.session.number, epoch: this.session.epoch };
  }

  get state(): Session {
    const session = this.node.session(this.session.number);
    if (session === undefined) throw new Error("the session is gone");
    return session;
  }

  /** As the edge does it for either kind of session. */
  subscribe(...subscriptions: SubscriptionOptions[]): void {
    const own = subscriptions.filter(({ share }) => share === "");
    if (this.state.isKept || own.length < subscriptions.length) {
      const isKept = this.state.isKept;
      this.node.submit(
        {
          kind: "subscribe",
          ...this.speaker,
          subscriptions: isKept ? subscriptions : subscriptions.filter(({ share }) => share !== ""),
        },
        () => this.delivery.subscriptionsChanged(),
      );
      this.node.commit();
      if (isKept) return;
    }
    for (const each of own) this.#filters.set(each.filter, each);
    this.delivery.setFilters(
      [...this.#filters.values()],
      own.filter((each) => each.retainHandling !== 2),
    );
  }

  unsubscribe(filter: string, share = ""): void {
    if (this.state.isKept || share !== "") {
      const command = { kind: "unsubscribe" as const, ...this.speaker, filters: [{ filter, share }] };
      this.node.submit(command, () => this.delivery.subscriptionsChanged());
      this.node.commit();
      return;
    }
    this.#filters.delete(filter);
    this.delivery.setFilters([...this.#filters.values()], []);
  }

  /** Turns of the event loop, for what was put off to go out; then what came. */
  receive(): string[] {
    const { clock } = this.node.state;
    for (let turn = 0; turn < 20 && clock.hasSoon; turn += 1) clock.turn();
    return this.wire.take();
  }

  /** A chunk of acknowledgements. */
  puback(...ids: number[]): void {
    for (const id of ids) this.delivery.puback(id, 0);
    this.delivery.pump();
  }

  pubrec(...ids: number[]): void {
    for (const id of ids) this.delivery.pubrec(id, 0);
    this.delivery.pump();
  }

  pubcomp(...ids: number[]): void {
    for (const id of ids) this.delivery.pubcomp(id, 0);
    this.delivery.pump();
  }

  /** DISCONNECT. */
  disconnect(): void {
    const { sentThrough } = this.delivery.close();
    this.wire.isOpen = false;
    this.node.perform({
      kind: "close-session",
      ...this.speaker,
      withWill: false,
      expirySeconds: null,
      sentThrough,
    });
  }
}
