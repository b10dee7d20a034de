/**
 * QoS 2 from end to end: one publisher, one subscriber, each perhaps on a node of its own. A slot of the window is free again when the
 * publisher has PUBCOMP and the subscriber has the message and PUBREL for it; latency is from PUBLISH to that PUBREL, which is when an
 * application may have it.
 *
 *   run {publisher, subscriber, topic, isClean, window, payloadBytes, warmUpMs, measureMs} -> Qos2Report
 */
import type { Socket } from "node:net";
import { drainSocket } from "../lib/drain-socket.js";
import { serveCommands } from "../lib/loader.js";
import {
  CONNACK,
  connectPacket,
  PacketReader,
  PUBCOMP,
  PUBLISH,
  PUBREC,
  PUBREL,
  publishPacket,
  readPublish,
  SUBACK,
  subscribePacket,
} from "../lib/mqtt-packets.js";
import {
  numberedPayload,
  readSequence,
  SEQUENCE_AT,
  SequenceTally,
  WARM_UP_BASE,
  writeSequence,
} from "../lib/sequence.js";
import type { Address } from "../lib/server.js";
import { LatencyHistogram } from "../lib/statistics.js";
import { delay, waitUntil } from "../lib/support.js";

export interface Qos2Args {
  readonly publisher: Address;
  readonly subscriber: Address;
  readonly topic: string;
  /** Sessions that end with their connections, or that outlive them. */
  readonly isClean: boolean;
  readonly window: number;
  readonly payloadBytes: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
}

export interface Qos2Report {
  readonly deliveredPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly published: number;
  readonly delivered: number;
  readonly doubled: number;
  readonly inOrder: boolean;
  readonly failure: string | null;
}

const DRAIN_MS = 15_000;
const PUBREL_FIRST = 0x62;

/** Connects, and gives every packet on; what `flush` returns after a read is written in one. */
async function open(
  address: Address,
  clientId: string,
  isClean: boolean,
  onPacket: (firstByte: number, body: Buffer) => void,
  takeAnswers: () => readonly Buffer[],
  onClose: () => void,
): Promise<Socket> {
  let connected: ((code: number) => void) | undefined;
  let socket: Socket | undefined;
  const reader = new PacketReader((firstByte, body) => {
    if (firstByte >> 4 === CONNACK) connected?.(body[1] ?? 255);
    else onPacket(firstByte, body);
  });
  socket = await drainSocket(address, {
    onBytes: (buffer, length) => {
      reader.feed(buffer.subarray(0, length));
      const answers = takeAnswers();
      if (answers.length > 0) socket?.write(Buffer.concat(answers));
    },
    onClose,
  });
  const code = await new Promise<number>((resolve) => {
    connected = resolve;
    socket.write(connectPacket(clientId, isClean));
  });
  if (code !== 0) throw new Error(`CONNACK refused with ${code}`);
  return socket;
}

const answer = (first: number, packetId: number): Buffer =>
  Buffer.from([first, 2, packetId >> 8, packetId & 255]);

class Exchange {
  readonly latencies = new LatencyHistogram();
  readonly tally = new SequenceTally();
  readonly #args: Qos2Args;
  readonly #packet: Buffer;
  readonly #payloadAt: number;
  readonly #answersOf = { publisher: [] as Buffer[], subscriber: [] as Buffer[] };
  readonly #sequenceOf = new Map<number, number>();
  readonly #sentAtMs = new Map<number, number>();
  #publisher: Socket | undefined;
  #subscriber: Socket | undefined;
  #publishing = false;
  #isOver = false;
  #acknowledged = 0;
  #last = -1;
  published = 0;
  delivered = 0;
  inOrder = true;
  failure: string | null = null;

  constructor(args: Qos2Args) {
    this.#args = args;
    this.#packet = publishPacket(
      args.topic,
      Buffer.from(numberedPayload(WARM_UP_BASE, args.payloadBytes)),
      1,
    );
    this.#packet[0] = 0x34;
    this.#payloadAt = this.#packet.length - args.payloadBytes;
    this.tally.begin(WARM_UP_BASE);
  }

  async open(): Promise<void> {
    const { publisher, subscriber, topic, isClean } = this.#args;
    const fail = (who: string) => (): void => {
      if (!this.#isOver) this.failure ??= `the ${who}'s connection closed`;
      this.#publishing = false;
    };
    let subscribed: (() => void) | undefined;
    const name = topic.replaceAll("/", "-");
    this.#subscriber = await open(
      subscriber,
      `${name}-subscriber`,
      isClean,
      (firstByte, body) => {
        if (firstByte >> 4 === SUBACK) subscribed?.();
        else this.#onDelivery(firstByte, body);
      },
      () => this.#answersOf.subscriber.splice(0),
      fail("subscriber"),
    );
    await new Promise<void>((resolve) => {
      subscribed = resolve;
      this.#subscriber?.write(subscribePacket(topic, 2));
    });
    this.#publisher = await open(
      publisher,
      `${name}-publisher`,
      isClean,
      (firstByte, body) => this.#onAnswer(firstByte >> 4, body.readUInt16BE(0)),
      () => this.#answersOf.publisher.splice(0),
      fail("publisher"),
    );
  }

  start(): void {
    this.#publishing = true;
    this.#fill();
  }

  async finish(): Promise<void> {
    this.#publishing = false;
    const isDone = (): boolean => this.delivered >= this.published && this.#acknowledged >= this.published;
    await waitUntil(() => isDone() || this.failure !== null, DRAIN_MS);
    this.#isOver = true;
    this.#publisher?.destroy();
    this.#subscriber?.destroy();
  }

  /** As many as there is room for, by the slower of the two ends; in one write. */
  #fill(): void {
    const underWay = this.published - Math.min(this.delivered, this.#acknowledged);
    const count = this.#args.window - underWay;
    if (!this.#publishing || count <= 0) return;
    const size = this.#packet.length;
    const bytes = Buffer.allocUnsafe(size * count);
    const nowMs = performance.now();
    for (let at = 0; at < count; at++) {
      const sequence = WARM_UP_BASE + this.published;
      this.#packet.copy(bytes, at * size);
      bytes.writeUInt16BE((this.published % 65_535) + 1, at * size + this.#payloadAt - 2);
      writeSequence(bytes, at * size + this.#payloadAt + SEQUENCE_AT, sequence);
      this.#sentAtMs.set(sequence, nowMs);
      this.published += 1;
    }
    this.#publisher?.write(bytes);
  }

  #onAnswer(type: number, packetId: number): void {
    if (type === PUBREC) this.#answersOf.publisher.push(answer(PUBREL_FIRST, packetId));
    if (type !== PUBCOMP) return;
    this.#acknowledged += 1;
    this.#fill();
  }

  #onDelivery(firstByte: number, body: Buffer): void {
    const type = firstByte >> 4;
    if (type === PUBLISH) {
      const { packetId, payloadAt } = readPublish(firstByte, body);
      this.#sequenceOf.set(packetId, readSequence(body, payloadAt + SEQUENCE_AT));
      this.#answersOf.subscriber.push(answer(PUBREC << 4, packetId));
    }
    if (type !== PUBREL) return;
    const packetId = body.readUInt16BE(0);
    this.#answersOf.subscriber.push(answer(PUBCOMP << 4, packetId));
    const sequence = this.#sequenceOf.get(packetId);
    if (sequence === undefined) return;
    this.#sequenceOf.delete(packetId);
    this.#release(sequence);
  }

  #release(sequence: number): void {
    this.latencies.add(performance.now() - (this.#sentAtMs.get(sequence) ?? 0));
    this.#sentAtMs.delete(sequence);
    this.tally.add(sequence);
    if (sequence < this.#last) this.inOrder = false;
    this.#last = sequence;
    this.delivered += 1;
    this.#fill();
  }
}

async function run(args: Qos2Args): Promise<Qos2Report> {
  const exchange = new Exchange(args);
  await exchange.open();
  exchange.start();
  await delay(args.warmUpMs);
  exchange.latencies.clear();
  const [before, startedAt] = [exchange.delivered, performance.now()];
  await delay(args.measureMs);
  const seconds = (performance.now() - startedAt) / 1000;
  const deliveredPerSecond = (exchange.delivered - before) / seconds;
  const [p50Ms, p99Ms] = [exchange.latencies.percentile(0.5), exchange.latencies.percentile(0.99)];
  await exchange.finish();
  const { published, delivered, inOrder, failure, tally } = exchange;
  const { doubled } = tally.report();
  return { deliveredPerSecond, p50Ms, p99Ms, published, delivered, doubled, inOrder, failure };
}

serveCommands({ run });
