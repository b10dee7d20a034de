/**
 * Follows a stream of events over drops: comes back with the last id it has seen, after a wait with full jitter, for as long
 * as the node can be expected to be there again.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { EventSourceMessage } from "eventsource-parser";
import type { Random } from "../runtime/random.js";
import { ClientFailure } from "./failure.js";
import { request } from "./http.js";
import { fullJitterMs, waitMs } from "./retry.js";
import { type EventStream, eventStream } from "./sse-events.js";

/** What is followed. */
export interface FollowRequest {
  readonly url: URL;
  /** Where the first connection starts: `earliest` or an id; `undefined` starts live. */
  readonly from: string | undefined;
  readonly random: Random;
  /** Ends it: the promise of `follow` resolves. */
  readonly signal: AbortSignal;
  /** Takes an event; "end" ends it all. The next event waits. */
  readonly onEvent: (event: EventSourceMessage) => Promise<"go on" | "end">;
  /** The connection is gone and will be made again. `lossless`: nothing is missed, since there is an id to resume from. */
  readonly onDrop: (reason: string, lossless: boolean) => void;
}

/** A server sends a comment every 15 s: after three of them missing it is not there any more. */
const SILENCE_MS_MAX = 45_000;

/** Runs until the consumer ends it, it is aborted, or the server refuses for good (`ClientFailure`). */
export async function follow(following: FollowRequest): Promise<void> {
  const { random, signal } = following;
  const state: State = { lastId: undefined, met: false, attempt: 0, retryMs: undefined };
  while (!signal.aborted) {
    let dropped: unknown = new ClientFailure("connection_lost", "the node ended the stream", {
      retryable: true,
    });
    try {
      if ((await connectOnce(following, state)) === "end") return;
    } catch (error) {
      if (signal.aborted) return;
      if (!mayComeBack(error, state)) throw error;
      dropped = error;
    }
    state.attempt += 1;
    const lossless = state.lastId !== undefined || following.from !== undefined;
    following.onDrop(dropped instanceof Error ? dropped.message : String(dropped), lossless);
    const asked = state.retryMs === undefined ? 0 : fullJitterMs(random, 1) + state.retryMs;
    await sleep(Math.max(asked, waitMs(random, state.attempt, dropped)), undefined, { signal }).catch(
      () => undefined,
    );
  }
}

interface State {
  lastId: string | undefined;
  /** A stream was opened once: what breaks now is a drop, not a wrong address. */
  met: boolean;
  /** Tries since the last event. */
  attempt: number;
  retryMs: number | undefined;
}

function mayComeBack(error: unknown, { met }: State): boolean {
  if (!(error instanceof ClientFailure)) return false;
  return error.retryable || (met && error.code === "unreachable");
}

async function connectOnce(following: FollowRequest, state: State): Promise<"end" | "dropped"> {
  const silence = new AbortController();
  const watchdog = setTimeout(() => silence.abort(), SILENCE_MS_MAX);
  const url = new URL(following.url);
  const headers: Record<string, string> = { accept: "text/event-stream" };
  if (state.lastId !== undefined) headers["last-event-id"] = state.lastId;
  else if (following.from !== undefined) url.searchParams.set("from", following.from);
  let stream: EventStream | undefined;
  try {
    const signal = AbortSignal.any([following.signal, silence.signal]);
    const response = await request(url, { headers, signal });
    state.met = true;
    stream = eventStream(response, () => watchdog.refresh());
    for await (const event of stream.events) {
      state.attempt = 0;
      if ((await following.onEvent(event)) === "end") return "end";
      if (event.id !== undefined) state.lastId = event.id;
    }
    return "dropped";
  } catch (error) {
    if (!silence.signal.aborted) throw error;
    throw new ClientFailure("connection_lost", "the node has gone silent", { retryable: true });
  } finally {
    clearTimeout(watchdog);
    state.retryMs = stream?.retryMs() ?? state.retryMs;
    state.lastId ??= stream?.startId();
  }
}
