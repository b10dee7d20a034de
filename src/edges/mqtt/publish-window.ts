/**
 * A client's publishes that wait for commit. Acknowledgements go out in the order the publishes came in (MQTT-4.6.0-2), gathered into
 * one write: what a log entry settles is settled in one go, so the edge flushes once after it.
 */
import type { CommandResult } from "../../state-machine/effects.js";

export interface PublishWindowOptions {
  readonly publishesMax: number;
  readonly bytesMax: number;
  /** Something was settled: `flush` wants to be called soon, once for all that is settled until then. */
  readonly onSettled: () => void;
  /** A publish was refused; `packetId` is 0 at QoS 0. */
  readonly onRefused: (packetId: number, result: Extract<CommandResult, { kind: "failed" }>) => void;
}

/** What `flush` found. */
export interface Settled {
  /** PUBACKs, or `null` when there is none to send. */
  readonly acknowledgements: Buffer | null;
  /** Messages and payload bytes that were published. */
  readonly messages: number;
  readonly bytes: number;
}

const OPEN = 0;
const PUBLISHED = 1;
const REFUSED = 2;

const PUBACK_BYTES = 4;
const FIRST_SLOTS = 32;

export class PublishWindow {
  readonly #options: PublishWindowOptions;
  /** Ring of the publishes from `#flushed` to `#opened`; a power of two long. */
  #packetIds = new Uint16Array(FIRST_SLOTS);
  #payloadBytes = new Uint32Array(FIRST_SLOTS);
  #outcomes = new Uint8Array(FIRST_SLOTS);
  /** Counts since the beginning: taken in, and handed to `flush`. */
  #opened = 0;
  #flushed = 0;
  #openBytes = 0;

  constructor(options: PublishWindowOptions) {
    this.#options = options;
  }

  /** Nothing waits for commit. */
  get isEmpty(): boolean {
    return this.#opened === this.#flushed;
  }

  /** Past a ceiling: the client's socket should not be read. */
  get isFull(): boolean {
    const { publishesMax, bytesMax } = this.#options;
    return this.#opened - this.#flushed >= publishesMax || this.#openBytes >= bytesMax;
  }

  /** Half empty again: time to read on. */
  get hasRoom(): boolean {
    const { publishesMax, bytesMax } = this.#options;
    return this.#opened - this.#flushed <= publishesMax / 2 && this.#openBytes <= bytesMax / 2;
  }

  /** Takes a publish in (packet id 0 at QoS 0); what is given back settles it, once. */
  open(packetId: number, payloadBytes: number): (result: CommandResult) => void {
    if (this.#opened - this.#flushed === this.#packetIds.length) this.#grow();
    const sequence = this.#opened;
    const slot = sequence & (this.#packetIds.length - 1);
    this.#packetIds[slot] = packetId;
    this.#payloadBytes[slot] = payloadBytes;
    this.#outcomes[slot] = OPEN;
    this.#opened += 1;
    this.#openBytes += payloadBytes;
    return (result) => this.#settle(sequence, result);
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
      this.#openBytes -= payloadBytes;
      if (this.#outcomes[to & mask] !== PUBLISHED) continue;
      messages += 1;
      bytes += payloadBytes;
      if (this.#packetIds[to & mask] !== 0) acknowledged += 1;
    }
    const acknowledgements = acknowledged === 0 ? null : this.#pubacks(from, to, acknowledged);
    this.#flushed = to;
    return { acknowledgements, messages, bytes };
  }

  #settle(sequence: number, result: CommandResult): void {
    const slot = sequence & (this.#packetIds.length - 1);
    if (result.kind === "failed") {
      this.#outcomes[slot] = REFUSED;
      this.#options.onRefused(this.#packetIds[slot] ?? 0, result);
    } else {
      this.#outcomes[slot] = PUBLISHED;
    }
    this.#options.onSettled();
  }

  /** PUBACK (3.4) for each publish in `[from, to)` that has a packet id and was published. */
  #pubacks(from: number, to: number, count: number): Buffer {
    const mask = this.#packetIds.length - 1;
    const bytes = Buffer.allocUnsafe(count * PUBACK_BYTES);
    let at = 0;
    for (let sequence = from; sequence < to; sequence += 1) {
      const packetId = this.#packetIds[sequence & mask] ?? 0;
      if (packetId === 0 || this.#outcomes[sequence & mask] !== PUBLISHED) continue;
      bytes[at] = 0x40;
      bytes[at + 1] = 0x02;
      bytes[at + 2] = packetId >> 8;
      bytes[at + 3] = packetId & 255;
      at += PUBACK_BYTES;
    }
    return bytes;
  }

  #grow(): void {
    const length = this.#packetIds.length;
    const packetIds = new Uint16Array(2 * length);
    const payloadBytes = new Uint32Array(2 * length);
    const outcomes = new Uint8Array(2 * length);
    for (let sequence = this.#flushed; sequence < this.#opened; sequence += 1) {
      const slot = sequence & (2 * length - 1);
      packetIds[slot] = this.#packetIds[sequence & (length - 1)] ?? 0;
      payloadBytes[slot] = this.#payloadBytes[sequence & (length - 1)] ?? 0;
      outcomes[slot] = this.#outcomes[sequence & (length - 1)] ?? OPEN;
    }
    this.#packetIds = packetIds;
    this.#payloadBytes = payloadBytes;
    this.#outcomes = outcomes;
  }
}
