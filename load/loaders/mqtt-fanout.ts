/**
 * QoS 0: one publisher, N subscribers, in one process. The publisher keeps a bounded number of messages outstanding, by
 * what the subscribers have received, so that no broker has to drop; what is counted is what was delivered.
 *
 *   run {host, port, topic, subscribers, samples, window, payloadBytes, warmUpMs, measureMs} -> FanoutReport
 */
import { connect, type Socket } from "node:net";
import { inParallel } from "../lib/drain-socket.js";
import { serveCommands } from "../lib/loader.js";
import { openMqttDrain } from "../lib/mqtt-drain.js";
import { connectPacket, publishPacket } from "../lib/mqtt-packets.js";
import {
  MEASURED_BASE,
  numberedPayload,
  readSequence,
  SEQUENCE_AT,
  type SequenceReport,
  SequenceTally,
  writeSequence,
} from "../lib/sequence.js";
import type { Address } from "../lib/server.js";
import { delay } from "../lib/support.js";

export interface FanoutArgs extends Address {
  readonly topic: string;
  readonly subscribers: number;
  readonly samples: number;
  /** Messages published and not yet received by the average subscriber. */
  readonly window: number;
  readonly payloadBytes: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
}

export interface FanoutReport {
  /** Deliveries to all subscribers within the measured time, per second. */
  readonly deliveriesPerSecond: number;
  readonly published: number;
  /** Deliveries of the whole run, as counted by bytes; `published` x subscribers when nothing was dropped. */
  readonly delivered: number;
  readonly samples: readonly SequenceReport[];
  readonly closed: number;
}

const PACKETS_PER_WRITE = 128;
/** A broker that drops leaves messages outstanding for ever: after this long without progress they are written off. */
const WRITE_OFF_MS = 250;
const DRAIN_MS = 5_000;

class Fanout {
  readonly #args: FanoutArgs;
  readonly #tallies: SequenceTally[] = [];
  readonly #packet: Buffer;
  readonly #sequenceAt: number;
  #publisher: Socket | undefined;
  #publishing = false;
  #published = 0;
  #receivedBytes = 0;
  #writtenOff = 0;
  #closed = 0;

  constructor(args: FanoutArgs) {
    this.#args = args;
    const payload = Buffer.from(numberedPayload(MEASURED_BASE, args.payloadBytes));
    this.#packet = publishPacket(args.topic, payload);
    this.#sequenceAt = this.#packet.length - payload.length + SEQUENCE_AT;
  }

  async run(): Promise<FanoutReport> {
    const args = this.#args;
    await inParallel(args.subscribers, 50, (at) => this.#openSubscriber(at));
    await this.#openPublisher();
    const writingOff = this.#startWritingOff();
    this.#publishing = true;
    this.#pump();
    await delay(args.warmUpMs);
    const before = this.#deliveries;
    const startedAt = performance.now();
    await delay(args.measureMs);
    const seconds = (performance.now() - startedAt) / 1000;
    const deliveriesPerSecond = (this.#deliveries - before) / seconds;
    this.#publishing = false;
    clearInterval(writingOff);
    const end = performance.now() + DRAIN_MS;
    while (this.#deliveries < this.#published * args.subscribers && performance.now() < end) await delay(20);
    return {
      deliveriesPerSecond,
      published: this.#published,
      delivered: this.#deliveries,
      samples: this.#tallies.map((tally) => tally.report()),
      closed: this.#closed,
    };
  }

  get #deliveries(): number {
    return Math.floor(this.#receivedBytes / this.#packet.length);
  }

  async #openSubscriber(at: number): Promise<void> {
    const { host, port, topic, samples } = this.#args;
    const sampled = at < samples;
    const tally = new SequenceTally();
    if (sampled) {
      tally.begin(MEASURED_BASE);
      this.#tallies.push(tally);
    }
    await openMqttDrain({
      host,
      port,
      clientId: `fanout-${at}`,
      filter: topic,
      qos: 0,
      onPayload: sampled ? (payload) => tally.add(readSequence(payload, SEQUENCE_AT)) : undefined,
      onBytes: (length) => {
        this.#receivedBytes += length;
        this.#pump();
      },
      onClose: () => {
        this.#closed += 1;
      },
    });
  }

  async #openPublisher(): Promise<void> {
    const { host, port } = this.#args;
    const socket = connect({ host, port, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.once("data", () => resolve());
      socket.write(connectPacket("fanout-publisher"));
    });
    socket.on("drain", () => this.#pump());
    this.#publisher = socket;
  }

  /** Sends what the window and the socket take. */
  #pump(): void {
    const { subscribers, window } = this.#args;
    const socket = this.#publisher;
    while (this.#publishing && socket !== undefined && !socket.writableNeedDrain) {
      const outstanding = this.#published - this.#writtenOff - this.#deliveries / subscribers;
      const count = Math.min(PACKETS_PER_WRITE, Math.floor(window - outstanding));
      // A write for a packet or two is dear: wait until an eighth of the window is free.
      if (count < Math.min(PACKETS_PER_WRITE, window / 8)) return;
      socket.write(this.#packets(count));
    }
  }

  #packets(count: number): Buffer {
    const size = this.#packet.length;
    const bytes = Buffer.allocUnsafe(size * count);
    for (let at = 0; at < count; at++) {
      this.#packet.copy(bytes, at * size);
      writeSequence(bytes, at * size + this.#sequenceAt, MEASURED_BASE + this.#published);
      this.#published += 1;
    }
    return bytes;
  }

  #startWritingOff(): NodeJS.Timeout {
    let deliveriesBefore = 0;
    return setInterval(() => {
      if (this.#deliveries === deliveriesBefore) {
        this.#writtenOff = this.#published - Math.floor(this.#deliveries / this.#args.subscribers);
        this.#pump();
      }
      deliveriesBefore = this.#deliveries;
    }, WRITE_OFF_MS);
  }
}

serveCommands({ run: (args: FanoutArgs) => new Fanout(args).run() });
