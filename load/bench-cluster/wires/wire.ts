/**
 * What a publisher needs of a broker, whichever it is: send these publishes in one write, hear which are acknowledged. Raw
 * sockets and frames built beforehand throughout, because a client library would set the limit for some brokers and not for others.
 */

import { numberedPayload, SEQUENCE_AT, WARM_UP_BASE, writeSequence } from "../../lib/sequence.js";
import type { Address } from "../../lib/server.js";

export interface WireArgs extends Address {
  /** The topic, stream, queue or key of this run; nothing else writes to it. Letters, digits and dashes. */
  readonly channel: string;
  readonly payloadBytes: number;
  /** Publishes sent and not yet acknowledged, at most. */
  readonly window: number;
}

export interface WireEvents {
  /** The publish in this slot is acknowledged as the broker's mode promises it. */
  onAck(slot: number): void;
  /** Everything that one read brought has been told. */
  onRead(): void;
  /** The run cannot go on: an error answer, a closed connection. */
  onFailure(reason: string): void;
}

export interface Wire {
  /** Sends one publish for each slot, numbered on from `firstSequence`, in one write. A slot is below the window and not in use. */
  publish(slots: readonly number[], firstSequence: number): void;
  close(): void;
}

export type OpenWire = (args: WireArgs, events: WireEvents) => Promise<Wire>;

/** The digits of a slot where it travels as text. */
export const SLOT_DIGITS = 4;

/** Overwrites `digits` digits at `at`. */
export function writeDigits(target: Buffer, at: number, digits: number, value: number): void {
  let rest = value;
  for (let digit = at + digits - 1; digit >= at; digit--) {
    target[digit] = 48 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
}

/** A publish whose bytes are built once: copies differ in the payload's number and in what the protocol puts in. */
export class PublishTemplate {
  readonly size: number;
  readonly #bytes: Buffer;
  readonly #sequenceAt: number;

  constructor(head: Buffer, payloadBytes: number, tail: Buffer = Buffer.alloc(0)) {
    this.#bytes = Buffer.concat([head, Buffer.from(numberedPayload(WARM_UP_BASE, payloadBytes)), tail]);
    this.#sequenceAt = head.length + SEQUENCE_AT;
    this.size = this.#bytes.length;
  }

  /** Copies the publish to `at` with its number in the payload. */
  put(target: Buffer, at: number, sequence: number): void {
    this.#bytes.copy(target, at);
    writeSequence(target, at + this.#sequenceAt, sequence);
  }
}
