/**
 * What a topic broker and a subscriber are to each other. A subscriber is a set of filters plus a cursor over the
 * committed stream; the edge behind it is a sink that takes batches while it is writable and says when it is again.
 */
import type { StoredMessage } from "../state-machine/effects.js";
import type { FilterSet } from "./filter-set.js";

/** Turns a batch into one wire format. One object per format: its identity is the key under which the bytes are shared. */
export interface BatchEncoder<Encoded> {
  encode(messages: readonly StoredMessage[], filters: FilterSet): Encoded;
  /**
   * The messages from index `from` to `to` (excluded) of an encoded batch. A format that can cut its bytes spares subscribers
   * that took a part of a batch (a full window, a full socket) an encoding of their own.
   */
  slice?(encoded: Encoded, from: number, to: number): Encoded;
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
  readonly #cutFrom: { readonly whole: DeliveryBatch; readonly from: number } | null;

  constructor(
    filters: FilterSet,
    messages: readonly StoredMessage[],
    after: number,
    through: number,
    cutFrom: { readonly whole: DeliveryBatch; readonly from: number } | null = null,
  ) {
    this.filters = filters;
    this.messages = messages;
    this.after = after;
    this.through = through;
    this.#cutFrom = cutFrom;
  }

  /** In how many formats its bytes are held. */
  get encodings(): number {
    return this.#encodings.size;
  }

  /** The batch in one format; the same object for every subscriber of that format. */
  encodedBy<Encoded>(encoder: BatchEncoder<Encoded>): Encoded {
    const known = this.#encodings.get(encoder);
    if (known !== undefined) return known as Encoded;
    const encoded = this.#cut(encoder) ?? encoder.encode(this.messages, this.filters);
    this.#encodings.set(encoder, encoded);
    return encoded;
  }

  /** What of it lies above `after` and up to `through`, both within its range. Holds the whole batch alive. */
  part(after: number, through: number): DeliveryBatch {
    const from = indexAbove(this.messages, after);
    const to = indexAbove(this.messages, through);
    const cutFrom = { whole: this.#cutFrom?.whole ?? this, from: (this.#cutFrom?.from ?? 0) + from };
    return new DeliveryBatch(this.filters, this.messages.slice(from, to), after, through, cutFrom);
  }

  /** From the bytes of the whole, when they are there and the format can be cut. */
  #cut<Encoded>(encoder: BatchEncoder<Encoded>): Encoded | undefined {
    if (this.#cutFrom === null || encoder.slice === undefined) return undefined;
    const { whole, from } = this.#cutFrom;
    const encoded = whole.#encodings.get(encoder);
    if (encoded === undefined) return undefined;
    return encoder.slice(encoded as Encoded, from, from + this.messages.length);
  }
}

/** Index of the first message above a position; the length when there is none. */
function indexAbove(messages: readonly StoredMessage[], position: number): number {
  let low = 0;
  let high = messages.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((messages[middle]?.position ?? 0) > position) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The edge's end of a subscription. All calls come on the event loop, none while another is running or `subscribe` has not returned. */
export interface SubscriberSink {
  /**
   * Takes a batch, all of it or a head: returns the position through which it was taken (`batch.through` for all of it,
   * `batch.after` for nothing). What was not taken comes again after `Subscription.resume()`.
   */
  deliver(batch: DeliveryBatch): number;
  /** Whether `deliver` would take something. Once false, the sink calls `Subscription.resume()` when it is true again. */
  isWritable(): boolean;
  /**
   * Matching messages above `after` and up to `resumedAt` were trimmed by retention. What other topics of the filters still keep
   * between the two comes all the same. Told once for a trim, before the first batch that lacks something.
   */
  gap(after: number, resumedAt: number): void;
  /** The one exact topic that this subscription is about was deleted. No call follows. */
  topicDeleted(): void;
  /** Reading the store failed, or a method of the sink threw; the edge closes the connection. No call follows. */
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
  /** Ends it; no call to the sink follows. Allowed from within any of the sink's own methods, like the others here. */
  close(): void;
}

/** From a position on, other filters. */
export interface FilterChange {
  readonly at: number;
  readonly filters: FilterSet;
}

/** What an edge asks for. */
export interface SubscribeRequest {
  readonly filters: FilterSet;
  readonly sink: SubscriberSink;
  /** Starts after this position (0: from the earliest that is kept); `null` starts live, after the present head. */
  readonly after: number | null;
  /**
   * Other filters for what is above each of these positions: ascending, above `after`, not above the head. For a session that stands before
   * its last changes.
   */
  readonly changes?: readonly FilterChange[];
}
