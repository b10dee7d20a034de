/**
 * One open stream: a subscriber whose sink is a socket. The head goes through Node's response, everything after it straight to the
 * socket as bytes that all streams of the format share. What a reader does not read waits in its socket up to a ceiling (and
 * one batch beyond it); then the stream says that it is not writable and goes on from its cursor when the socket has drained.
 */
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { limits } from "../../limits.js";
import type { EdgeMetrics } from "../../runtime/metrics.js";
import type { FilterSet } from "../../topics/filter-set.js";
import type { DeliveryBatch, SubscriberSink, Subscription } from "../../topics/subscriber.js";
import type { ClientView, ConnectedClient } from "../edge.js";
import type { RetainedQueue } from "../retained-queue.js";
import { chunkOf, type SharedBytes } from "./chunked.js";
import type { StreamFormat } from "./stream-formats.js";

/** Retained messages looked up at a time, and how often before others get their turn. */
const RETAINED_PAGE_MESSAGES = 256;
const RETAINED_PAGES_PER_TURN = 16;

export interface StreamOptions {
  readonly id: string;
  readonly response: ServerResponse;
  readonly socket: Socket;
  readonly format: StreamFormat;
  readonly filters: FilterSet;
  /** Retained messages that come first; empty when none were asked for. */
  readonly retained: RetainedQueue;
  /** Whether the reader understands chunks (HTTP/1.1). */
  readonly chunked: boolean;
  /** Begins at the earliest message that is kept: what was trimmed before the first one is no gap. */
  readonly fromEarliest: boolean;
  readonly connectedAtMs: number;
  readonly metrics: EdgeMetrics;
  /** Runs a task after the others have had their turn. */
  readonly soon: (task: () => void) => void;
  readonly eventId: (position: number) => string;
  /** Position of the newest message. */
  readonly head: () => number;
  /** The stream is over, whoever ended it. Called once. */
  readonly closed: (stream: EventStream) => void;
  readonly failed: (error: unknown) => void;
}

export class EventStream implements SubscriberSink, ConnectedClient {
  readonly id: string;
  readonly #options: StreamOptions;
  readonly #socket: Socket;
  readonly #address: string;
  #subscription: Subscription | null = null;
  #idle = false;
  #hasBegun = false;
  #over = false;

  constructor(options: StreamOptions) {
    this.id = options.id;
    this.#options = options;
    this.#socket = options.socket;
    this.#address = `${options.socket.remoteAddress ?? "?"}:${options.socket.remotePort ?? 0}`;
  }

  /** Sends the head and the first bytes in one write, and follows the subscription from here on. */
  open(subscription: Subscription, headers: Readonly<Record<string, string>>, opening: SharedBytes): void {
    const { response } = this.#options;
    this.#subscription = subscription;
    this.#socket.on("drain", this.#drained);
    response.once("close", () => this.#finish());
    this.#socket.cork();
    response.writeHead(200, headers);
    response.flushHeaders();
    this.#write(opening);
    this.#sendRetained();
    this.#socket.uncork();
  }

  deliver(batch: DeliveryBatch): number {
    const { format, metrics, retained } = this.#options;
    if (!retained.isEmpty) return batch.after;
    const encoded = batch.encodedBy(format.encoder);
    this.#hasBegun = true;
    if (encoded.messages > 0) {
      this.#write(encoded);
      metrics.messagesOut.inc(encoded.messages);
      metrics.bytesOut.inc(encoded.bare.length);
    }
    return batch.through;
  }

  isWritable(): boolean {
    return this.#options.retained.isEmpty && this.#hasRoom();
  }

  gap(after: number, resumedAt: number): void {
    const { eventId, filters, format, fromEarliest } = this.#options;
    if (fromEarliest && !this.#hasBegun) return;
    const movesOn = filters.exactTopic !== null;
    this.#write(chunkOf(format.gap(eventId(after), eventId(resumedAt), movesOn)));
  }

  topicDeleted(): void {
    const { filters, format } = this.#options;
    this.end(format.deleted(filters.exactTopic ?? ""));
  }

  failed(error: unknown): void {
    this.#options.failed(error);
    this.destroy();
  }

  /** A heartbeat, if nothing was written since the last call and the reader keeps up. */
  heartbeat(): void {
    if (this.#idle && this.#socket.writableLength === 0 && !this.#over) {
      this.#write(this.#options.format.heartbeat);
    }
    this.#idle = true;
  }

  /** Ends the response in order, after some last bytes. */
  end(lastWords = ""): void {
    if (this.#over) return;
    this.#over = true;
    this.#subscription?.close();
    this.#write(chunkOf(lastWords));
    this.#options.response.end();
  }

  /** Closes the connection, at once when the reader is not reading. */
  disconnect(): void {
    if (this.#socket.writableLength > 0) this.destroy();
    else {
      this.end();
      this.#socket.end();
    }
  }

  destroy(): void {
    this.#socket.destroy();
    this.#finish();
  }

  get edge(): "sse" {
    return "sse";
  }

  view(): ClientView {
    const { connectedAtMs, filters } = this.#options;
    const head = this.#options.head();
    return {
      id: this.id,
      edge: this.edge,
      address: this.#address,
      connectedAtMs,
      subscriptions: filters.filters.map(({ filter }) => filter),
      lag: Math.max(0, head - (this.#subscription?.cursor ?? head)),
      behind: this.#subscription?.behind ?? false,
    };
  }

  #write(bytes: SharedBytes): void {
    if (bytes.bare.length === 0 || this.#socket.destroyed) return;
    this.#socket.write(this.#options.chunked ? bytes.framed : bytes.bare);
    this.#idle = false;
  }

  readonly #drained = (): void => {
    this.#sendRetained();
    if (!this.#over && this.#options.retained.isEmpty) this.#subscription?.resume();
  };

  #hasRoom(): boolean {
    return this.#socket.writableLength < limits.subscriberBufferBytesMax;
  }

  /** Page by page as the reader takes them; live ones wait behind the cursor. */
  #sendRetained(): void {
    const { filters, format, metrics, retained, soon } = this.#options;
    for (let page = 0; !retained.isEmpty && !this.#over && this.#hasRoom(); page += 1) {
      if (page === RETAINED_PAGES_PER_TURN) {
        soon(this.#drained);
        return;
      }
      const encoded = format.retained(retained.next(RETAINED_PAGE_MESSAGES, filters));
      this.#write(encoded);
      metrics.messagesOut.inc(encoded.messages);
      metrics.bytesOut.inc(encoded.bare.length);
    }
  }

  #finish(): void {
    this.#over = true;
    this.#socket.off("drain", this.#drained);
    this.#options.retained.clear();
    this.#subscription?.close();
    this.#subscription = null;
    this.#options.closed(this);
  }
}
