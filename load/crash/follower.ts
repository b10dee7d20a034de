/**
 * A subscriber that outlives the node: an SSE stream that is opened again with its last id whenever it breaks, on the next
 * node where there are several, and remembers everything it was ever sent.
 */
import type { EventSourceMessage } from "eventsource-parser";
import type { Address } from "../lib/server.js";
import { openSse, type SseStream } from "../lib/sse-stream.js";
import { delay } from "../lib/support.js";
import type { Seen, Violation } from "./checker.js";
import { keyInPayload } from "./publishers.js";

interface Envelope {
  readonly topic: string;
  readonly payload: string;
}

const RETRY_MS = 50;

export class Follower {
  readonly name: string;
  /** The exact topic that it follows; null for a filter, whose events are envelopes. */
  readonly topic: string | null;
  readonly seen: Seen[] = [];
  /** What the node said that it should not have: a gap, or a refusal to go on from the last id. */
  readonly complaints: Violation[] = [];
  readonly #addresses: () => readonly Address[];
  readonly #path: string;
  #lastId: string | null = null;
  #stream: SseStream | undefined;
  #seat: number;
  #stopped = false;
  #gaveUp = false;

  /** `addresses` are those of the nodes that are there now; it begins with the one at `seat`. */
  constructor(
    name: string,
    addresses: () => readonly Address[],
    path: string,
    topic: string | null,
    seat = 0,
  ) {
    this.name = name;
    this.#addresses = addresses;
    this.#path = path;
    this.topic = topic;
    this.#seat = seat;
  }

  /** Opens the first stream. Rejects when that is refused. */
  async start(): Promise<void> {
    this.#stream = await this.#open();
  }

  /** It was told something after which there is no use in coming back. */
  get gaveUp(): boolean {
    return this.#gaveUp;
  }

  /** The complaints since the last call. */
  takeComplaints(): Violation[] {
    return this.complaints.splice(0);
  }

  stop(): void {
    this.#stopped = true;
    this.#stream?.close();
  }

  #open(): Promise<SseStream> {
    const addresses = this.#addresses();
    const address = addresses[this.#seat % addresses.length];
    if (address === undefined) return Promise.reject(new Error("no node is there"));
    return openSse(address, this.#path, this.#lastId, {
      onEvent: (event) => this.#take(event),
      onClose: () => void this.#comeBack(),
    });
  }

  async #comeBack(): Promise<void> {
    while (!this.#stopped) {
      await delay(RETRY_MS);
      try {
        this.#stream = await this.#open();
        return;
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        // 503 is a node that is not ready yet; no answer is a node that is not there.
        this.#seat += 1;
        if (!text.includes("answered") || text.includes("answered 503")) continue;
        this.complaints.push({ kind: "gap", detail: `${this.name}: after id ${this.#lastId}: ${text}` });
        this.#gaveUp = true;
        return;
      }
    }
  }

  #take(event: EventSourceMessage): void {
    if (event.event !== undefined && event.event !== "message") {
      this.complaints.push({ kind: "gap", detail: `${this.name}: event ${event.event}: ${event.data}` });
      return;
    }
    const id = event.id ?? "";
    this.#lastId = id;
    if (this.topic !== null) {
      this.seen.push({ id, topic: this.topic, key: keyInPayload(event.data) });
      return;
    }
    const { topic, payload } = JSON.parse(event.data) as Envelope;
    this.seen.push({ id, topic, key: keyInPayload(payload) });
  }
}
