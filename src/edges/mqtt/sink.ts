/**
 * A client's end of its subscription: takes batches while the socket and the QoS 1 window have room. Retained messages go first:
 * until they are out, live ones wait behind the cursor, in the broker.
 */
import { limits } from "../../limits.js";
import type { Filter, FilterSet } from "../../topics/filter-set.js";
import type { DeliveryBatch, SubscriberSink } from "../../topics/subscriber.js";
import { RetainedQueue } from "../retained-queue.js";
import type { EdgeContext } from "./context.js";
import { type EncodedPublishes, headWithin, packetsIn } from "./encode-publish.js";
import type { Inflight } from "./inflight.js";

/** Where the bytes go. */
export interface Outlet {
  readonly isOpen: boolean;
  /** Bytes written and not yet taken by the operating system. */
  readonly backlogBytes: number;
  send(bytes: Buffer): void;
}

export interface ClientSinkOptions {
  readonly context: Pick<
    EdgeContext,
    "broker" | "metrics" | "logger" | "clock" | "liveEncoder" | "retainedEncoder" | "turnBudget"
  >;
  readonly outlet: Outlet;
  readonly inflight: Inflight;
  readonly clientId: string;
  /** Takes what was refused before. */
  readonly onWritable: () => void;
  readonly onTopicDeleted: () => void;
  readonly onFailed: (error: unknown) => void;
}

/** Retained messages looked up at a time, and how often before others get their turn. */
const RETAINED_PAGE_MESSAGES = 256;
const RETAINED_PAGES_PER_TURN = 4;

export class ClientSink implements SubscriberSink {
  readonly #options: ClientSinkOptions;
  readonly #retained: RetainedQueue;
  /** The client's filters now. */
  #filters: FilterSet | null = null;
  /** Filters whose retained messages are to be looked for. */
  #wanted: Filter[] = [];
  #isLooking = false;
  /** The broker has something that was not taken. */
  #isBlocked = false;

  constructor(options: ClientSinkOptions) {
    this.#options = options;
    this.#retained = new RetainedQueue(options.context.broker);
  }

  deliver(batch: DeliveryBatch): number {
    if (!this.isWritable()) return batch.after;
    const encoded = batch.encodedBy(this.#options.context.liveEncoder);
    const taken = this.#send(encoded);
    if (taken === batch.messages.length) return batch.through;
    this.#isBlocked = true;
    return batch.messages[taken - 1]?.position ?? batch.after;
  }

  isWritable(): boolean {
    const isWritable = !this.#isLooking && this.#retained.isEmpty && this.#hasRoom();
    if (!isWritable) this.#isBlocked = true;
    return isWritable;
  }

  /** The socket drained or the client acknowledged: retained messages, then what the broker holds. */
  pump(): void {
    this.#sendRetained();
    if (!this.#isBlocked || !this.isWritable()) return;
    this.#isBlocked = false;
    this.#options.onWritable();
  }

  /** Retained messages that match `filters` are to be sent (MQTT-3.3.1-6). */
  wantRetained(filters: readonly Filter[]): void {
    this.#wanted.push(...filters);
  }

  /**
   * The client's filters are others now. Looks for the retained messages that it wants: at once, or soon when many clients do; `onLooked`
   * is called in either case, and nothing is delivered before.
   */
  filtersChanged(filters: FilterSet, onLooked: () => void): void {
    this.#filters = filters;
    const wanted = this.#wanted;
    if (wanted.length === 0) {
      onLooked();
      return;
    }
    this.#wanted = [];
    this.#isLooking = true;
    const { context, outlet } = this.#options;
    const asOf = context.broker.head;
    context.turnBudget.run(() => {
      this.#isLooking = false;
      if (outlet.isOpen) this.#retained.add(wanted, asOf);
      onLooked();
      this.pump();
    });
  }

  gap(after: number, resumedAt: number): void {
    const { context, clientId } = this.#options;
    // Positions count all topics: this many at most were for the client. MQTT 3.1.1 cannot tell it.
    context.metrics.dropped("trimmed", resumedAt - after);
    context.logger.warn(
      { clientId, after, resumedAt },
      "a slow subscriber missed messages that retention dropped",
    );
  }

  topicDeleted(): void {
    this.#options.onTopicDeleted();
  }

  failed(error: unknown): void {
    this.#options.onFailed(error);
  }

  close(): void {
    this.#retained.clear();
  }

  #hasRoom(): boolean {
    const { outlet, inflight } = this.#options;
    return outlet.isOpen && inflight.free > 0 && outlet.backlogBytes < limits.subscriberBufferBytesMax;
  }

  #sendRetained(): void {
    const { context, inflight } = this.#options;
    for (let page = 0; !this.#retained.isEmpty && this.#filters !== null && this.#hasRoom(); page += 1) {
      if (page === RETAINED_PAGES_PER_TURN) {
        // In its turn among all that do so: with a thousand filters a page takes milliseconds.
        context.clock.soon(() => context.turnBudget.run(() => this.pump()));
        return;
      }
      // Never more than the window takes, so that a page always goes out whole.
      const messages = this.#retained.next(Math.min(RETAINED_PAGE_MESSAGES, inflight.free), this.#filters);
      if (messages.length > 0) this.#send(context.retainedEncoder.encode(messages, this.#filters));
    }
  }

  /** Writes as much as the window takes; returns the number of messages that are dealt with. */
  #send(encoded: EncodedPublishes): number {
    const { idOffsets, ends } = encoded;
    if (idOffsets.length === 0) {
      this.#write(encoded.bytes, encoded.packets);
      return ends.length;
    }
    const head = headWithin(encoded, this.#options.inflight.free);
    const bytes = Buffer.allocUnsafe(head.bytes);
    encoded.bytes.copy(bytes, 0, 0, head.bytes);
    for (const offset of idOffsets) {
      if (offset >= head.bytes) break;
      const id = this.#options.inflight.take();
      bytes[offset] = id >> 8;
      bytes[offset + 1] = id & 255;
    }
    this.#write(
      bytes,
      head.messages === ends.length ? encoded.packets : packetsIn(ends.subarray(0, head.messages)),
    );
    return head.messages;
  }

  #write(bytes: Buffer, packets: number): void {
    if (packets === 0) return;
    const { outlet, context } = this.#options;
    outlet.send(bytes);
    context.metrics.messagesOut.inc(packets);
    context.metrics.bytesOut.inc(bytes.length);
  }
}
