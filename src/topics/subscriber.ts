/**
 * What a topic broker and a subscriber are to each other. A subscriber is a set of filters plus a cursor over the
 * committed stream; the edge behind it is a sink that takes batches while it is writable and says when it is again.
 */
import type { StoredMessage } from "../state-machine/effects.js";
import type { FilterSet } from "./filter-set.js";

/** Turns a batch into one wire format. One object per format: its identity is the key under which the bytes are shared. */
export interface BatchEncoder<Encoded> {
  encode(messages: readonly StoredMessage[], filters: FilterSet): Encoded;
}

/** Messages of one filter set in position order, with the range of positions they stand for; encoded once per format. */
export class DeliveryBatch {
  /** Every matching message above `after` ... */
  readonly after: number;
  /** ... and up to here is in `messages`. */
  readonly through: number;
  readonly messages: readonly StoredMessage[];
  readonly filters: FilterSet;
  readonly #encodings = new Map<BatchEncoder<unknown>, unknown>();

  constructor(filters: FilterSet, messages: readonly StoredMessage[], after: number, through: number) {
    this.filters = filters;
    this.messages = messages;
    this.after = after;
    this.through = through;
  }

  /** The batch in one format; the same object for every subscriber of that format. */
  encodedBy<Encoded>(encoder: BatchEncoder<Encoded>): Encoded {
    const known = this.#encodings.get(encoder);
    if (known !== undefined) return known as Encoded;
    const encoded = encoder.encode(this.messages, this.filters);
    this.#encodings.set(encoder, encoded);
    return encoded;
  }
}

/** The edge's end of a subscription. All calls come on the event loop, none while another is running. */
export interface SubscriberSink {
  /**
   * Takes a batch, all of it or a head: returns the position through which it was taken (`batch.through` for all of it,
   * `batch.after` for nothing). What was not taken comes again after `Subscription.resume()`.
   */
  deliver(batch: DeliveryBatch): number;
  /** Whether `deliver` would take something. Once false, the sink calls `Subscription.resume()` when it is true again. */
  isWritable(): boolean;
  /** Matching messages above `after` and up to `resumedAt` were trimmed by retention; what follows is above `resumedAt`. */
  gap(after: number, resumedAt: number): void;
  /** The one exact topic that this subscription is about was deleted. No call follows. */
  topicDeleted(): void;
  /** Reading the store failed; the edge closes the connection. No call follows. */
  failed(error: unknown): void;
}

/** A running subscription. */
export interface Subscription {
  /** Every matching message up to this position was handed to the sink, or announced as a gap. */
  readonly cursor: number;
  /** Replaying from memory or from the store instead of being served live. */
  readonly behind: boolean;
  /** The sink became writable again. */
  resume(): void;
  /** From the present head on, another filter set; what is before it still comes by the old one. */
  change(filters: FilterSet): void;
  close(): void;
}

/** What an edge asks for. */
export interface SubscribeRequest {
  readonly filters: FilterSet;
  readonly sink: SubscriberSink;
  /** Starts after this position; `null` starts live, after the present head. */
  readonly after: number | null;
}
