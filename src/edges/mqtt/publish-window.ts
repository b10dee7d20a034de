/**
 * A client's publishes (and, of a kept session, its PUBRELs) that wait for commit. Acknowledgements go out in the order in which the packets
 * came in (MQTT-4.6.0-2 to 4.6.0-4), gathered into one write: what a log entry settles is settled in one go, so the edge flushes once after it.
 */
import type { CommandResult } from "../../state-machine/effects.js";
import { ACK_BYTES_MAX, type AckType, encodeAckWithWords, writeAck } from "./packets/acknowledgement.js";
import { PacketType, type ProtocolLevel } from "./packets/protocol.js";
import { Reason } from "./packets/reason-codes.js";

/** How a publish is refused. */
export interface PublishAnswer {
  readonly reason: Reason;
  /** "" for none. */
  readonly words: string;
}

export interface PublishWindowOptions {
  readonly level: ProtocolLevel;
  readonly publishesMax: number;
  readonly bytesMax: number;
  /** Something was settled: `flush` wants to be called soon, once for all that is settled until then. */
  readonly onSettled: () => void;
  /** A packet was refused; `type` is 0 at QoS 0. Gives what it is answered with; `null` for nothing. */
  readonly onRefused: (
    type: AckType | 0,
    packetId: number,
    failed: Extract<CommandResult, { kind: "failed" }>,
  ) => PublishAnswer | null;
}

/** What `flush` found. */
export interface Settled {
  /** PUBACKs, PUBRECs and PUBCOMPs, or `null` when there is none to send. */
  readonly acknowledgements: Buffer | null;
  /** Messages and payload bytes that were published. */
  readonly messages: number;
  readonly bytes: number;
}

const OPEN = 0;
/** Published, and counted. */
const PUBLISHED = 1;
/** Answered without a message. */
const ANSWERED = 2;
/** Not answered. */
const REFUSED = 3;

/** Made with the first publish: most clients do nothing but listen. */
const FIRST_SLOTS = 32;

export class PublishWindow {
  readonly #options: PublishWindowOptions;
  /** Ring of the packets from `#flushed` to `#opened`; a power of two long. */
  #packetIds = new Uint16Array(0);
  /** How each is answered: an `AckType`, or 0 at QoS 0. */
  #types = new Uint8Array(0);
  #payloadBytes = new Uint32Array(0);
  #outcomes = new Uint8Array(0);
  /** Answers that are not plain success, by sequence. */
  #answers: Map<number, PublishAnswer> | null = null;
  /** Counts since the beginning: taken in, and handed to `flush`. */
  #opened = 0;
  #flushed = 0;
  #openBytes = 0;
  #pubacksDue = 0;

  constructor(options: PublishWindowOptions) {
    this.#options = options;
  }

  /** Nothing waits for commit. */
  get isEmpty(): boolean {
    return this.#opened === this.#flushed;
  }

  /** Past a ceiling: the client should not be read. */
  get isFull(): boolean {
    const { publishesMax, bytesMax } = this.#options;
    return this.#opened - this.#flushed >= publishesMax || this.#openBytes >= bytesMax;
  }

  /** Half empty again: time to read on. */
  get hasRoom(): boolean {
    const { publishesMax, bytesMax } = this.#options;
    return this.#opened - this.#flushed <= publishesMax / 2 && this.#openBytes <= bytesMax / 2;
  }

  /** Publishes of QoS 1 without PUBACK. */
  get pubacksDue(): number {
    return this.#pubacksDue;
  }

  /** Takes a packet in that is answered with `type` (0 at QoS 0); what is given back settles it, once. */
  open(type: AckType | 0, packetId: number, payloadBytes: number): (result: CommandResult) => void {
    const sequence = this.#take(type, packetId, payloadBytes);
    return (result) => this.#settle(sequence, result);
  }

  /** Takes a packet in that is answered in its turn without waiting for a commit of its own. */
  answer(type: AckType, packetId: number, answer: PublishAnswer | null = null): void {
    const sequence = this.#take(type, packetId, 0);
    this.#outcomes[sequence & (this.#packetIds.length - 1)] = ANSWERED;
    if (answer !== null) this.#keepAnswer(sequence, answer);
    this.#options.onSettled();
  }

  /** Takes out what is settled, up to the oldest that is not. */
  flush(): Settled {
    const mask = this.#packetIds.length - 1;
    const from = this.#flushed;
    let to = from;
    let acknowledged = 0;
    let messages = 0;
    let bytes = 0;
    for (; to < this.#opened && this.#outcomes[to & mask] !== OPEN; to += 1) {
      const payloadBytes = this.#payloadBytes[to & mask] ?? 0;
      const type = this.#types[to & mask];
      this.#openBytes -= payloadBytes;
      if (type === PacketType.Puback) this.#pubacksDue -= 1;
      if (type !== 0 && this.#outcomes[to & mask] !== REFUSED) acknowledged += 1;
      if (this.#outcomes[to & mask] !== PUBLISHED) continue;
      messages += 1;
      bytes += payloadBytes;
    }
    const acknowledgements = acknowledged === 0 ? null : this.#acknowledgements(from, to, acknowledged);
    this.#flushed = to;
    return { acknowledgements, messages, bytes };
  }

  #take(type: AckType | 0, packetId: number, payloadBytes: number): number {
    if (this.#opened - this.#flushed === this.#packetIds.length) this.#grow();
    const sequence = this.#opened;
    const slot = sequence & (this.#packetIds.length - 1);
    this.#packetIds[slot] = packetId;
    this.#types[slot] = type;
    this.#payloadBytes[slot] = payloadBytes;
    this.#outcomes[slot] = OPEN;
    this.#opened += 1;
    this.#openBytes += payloadBytes;
    if (type === PacketType.Puback) this.#pubacksDue += 1;
    return sequence;
  }

  #settle(sequence: number, result: CommandResult): void {
    const slot = sequence & (this.#packetIds.length - 1);
    if (result.kind === "failed") {
      const answer = this.#options.onRefused(this.#typeAt(slot), this.#packetIds[slot] ?? 0, result);
      this.#outcomes[slot] = answer === null ? REFUSED : ANSWERED;
      if (answer !== null) this.#keepAnswer(sequence, answer);
    } else {
      const isNew = result.kind === "published" && !result.replayed;
      this.#outcomes[slot] = isNew ? PUBLISHED : ANSWERED;
    }
    this.#options.onSettled();
  }

  #keepAnswer(sequence: number, answer: PublishAnswer): void {
    this.#answers ??= new Map();
    this.#answers.set(sequence, answer);
  }

  /** For each packet in `[from, to)` that is answered. */
  #acknowledgements(from: number, to: number, count: number): Buffer {
    const mask = this.#packetIds.length - 1;
    const { level } = this.#options;
    const parts: Buffer[] = [];
    let bytes = Buffer.allocUnsafe(count * ACK_BYTES_MAX);
    let at = 0;
    for (let sequence = from; sequence < to; sequence += 1) {
      const slot = sequence & mask;
      const type = this.#typeAt(slot);
      if (type === 0 || this.#outcomes[slot] === REFUSED) continue;
      const packetId = this.#packetIds[slot] ?? 0;
      const answer = this.#answers?.get(sequence);
      if (answer === undefined || answer.words === "") {
        at = writeAck(bytes, at, level, type, packetId, answer?.reason ?? Reason.Success);
        continue;
      }
      parts.push(bytes.subarray(0, at), encodeAckWithWords(type, packetId, answer.reason, answer.words));
      bytes = bytes.subarray(at);
      at = 0;
    }
    if (to === this.#opened) this.#answers = null;
    const rest = bytes.subarray(0, at);
    return parts.length === 0 ? rest : Buffer.concat([...parts, rest]);
  }

  #typeAt(slot: number): AckType | 0 {
    const type = this.#types[slot];
    const isOne = type === PacketType.Puback || type === PacketType.Pubrec || type === PacketType.Pubcomp;
    return isOne ? type : 0;
  }

  #grow(): void {
    const before = this.#packetIds.length;
    const length = Math.max(FIRST_SLOTS, 2 * before);
    const packetIds = new Uint16Array(length);
    const types = new Uint8Array(length);
    const payloadBytes = new Uint32Array(length);
    const outcomes = new Uint8Array(length);
    for (let sequence = this.#flushed; sequence < this.#opened; sequence += 1) {
      const from = sequence & (before - 1);
      const to = sequence & (length - 1);
      packetIds[to] = this.#packetIds[from] ?? 0;
      types[to] = this.#types[from] ?? 0;
      payloadBytes[to] = this.#payloadBytes[from] ?? 0;
      outcomes[to] = this.#outcomes[from] ?? OPEN;
    }
    this.#packetIds = packetIds;
    this.#types = types;
    this.#payloadBytes = payloadBytes;
    this.#outcomes = outcomes;
  }
}
