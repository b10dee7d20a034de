/** All open streams of this edge: opens them, keeps them awake with one timer, lists them, ends them. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { limits } from "../../limits.js";
import type { Cancel } from "../../runtime/clock.js";
import type { FilterSet } from "../../topics/filter-set.js";
import type { ConnectedClient } from "../edge.js";
import { RetainedQueue } from "../retained-queue.js";
import { chunkOf } from "./chunked.js";
import type { HttpContext } from "./context.js";
import { EventStream } from "./stream.js";
import type { StreamFormat } from "./stream-formats.js";

/** What a stream is about, checked. */
export interface StreamPlan {
  readonly filters: FilterSet;
  readonly format: StreamFormat;
  /** Where it begins: after a position, live, or with the earliest message that is kept. */
  readonly start: number | "live" | "earliest";
  /** Whether the retained messages that match come first. */
  readonly retained: boolean;
}

/** Headers that keep proxies and caches from holding a stream back. */
const STREAM_HEADERS = Object.freeze({
  "Cache-Control": "no-cache, no-transform",
  "X-Accel-Buffering": "no",
  "X-Content-Type-Options": "nosniff",
});

/** The head of a stream's response. */
export function streamHeaders(format: StreamFormat): Readonly<Record<string, string>> {
  return { "Content-Type": format.mediaType, ...STREAM_HEADERS };
}

export class EventStreams {
  readonly #context: HttpContext;
  readonly #open = new Map<string, EventStream>();
  readonly #cancelHeartbeat: Cancel;
  #nextId = 1;

  constructor(context: HttpContext) {
    this.#context = context;
    this.#cancelHeartbeat = context.clock.every(limits.sseCommentPeriodMs, () => {
      for (const stream of this.#open.values()) stream.heartbeat();
    });
  }

  /** Opens a stream on a response of which nothing was sent. Throws what subscribing throws. */
  open(
    request: IncomingMessage,
    response: ServerResponse,
    plan: StreamPlan,
    extraHeaders: Readonly<Record<string, string>>,
  ): void {
    const { broker, clock, logger, metrics } = this.#context;
    const { socket } = response;
    if (response.destroyed || socket === null || socket.destroyed) return;
    const { filters, format, start } = plan;
    const id = `sse-${this.#nextId}`;
    this.#nextId += 1;
    const retained = new RetainedQueue(broker);
    if (plan.retained) retained.add(filters.filters, broker.head);
    const stream = new EventStream({
      id,
      response,
      socket,
      format,
      filters,
      retained,
      chunked: request.httpVersionMinor > 0,
      fromEarliest: start === "earliest",
      connectedAtMs: clock.nowMs(),
      soon: (task) => void clock.soon(task),
      metrics,
      eventId: (position) => broker.eventId(position),
      head: () => broker.head,
      closed: () => this.#open.delete(id),
      failed: (error) => logger.error({ client: id, err: error }, "a stream failed and was closed"),
    });
    const after = start === "live" ? null : start === "earliest" ? 0 : start;
    const startId = start === "earliest" ? null : broker.eventId(after ?? broker.head);
    const subscription = broker.subscribe({ filters, sink: stream, after });
    this.#open.set(id, stream);
    stream.open(
      subscription,
      { ...extraHeaders, ...streamHeaders(format) },
      chunkOf(format.opening(startId)),
    );
  }

  clients(): readonly ConnectedClient[] {
    return [...this.#open.values()];
  }

  /** Disconnects a stream; false when there is none of that id. */
  kick(id: string): boolean {
    const stream = this.#open.get(id);
    stream?.disconnect();
    return stream !== undefined;
  }

  /** Ends every stream and the heartbeats. */
  close(): void {
    this.#cancelHeartbeat();
    for (const stream of this.#open.values()) stream.disconnect();
  }
}
